package main

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// allocations runs a side twice against a broker in a process of its own, where
// the case needs one, and returns those of the second run, each record's share.
func allocations(t *testing.T, c *benchCase, sd *side) float64 {
	t.Helper()
	embedded(t)
	bs := &brokers{log: io.Discard}
	defer func() { require.NoError(t, bs.close()) }()
	m := &meter{brokers: bs, progress: io.Discard}
	var b *broker
	if c.load != nil {
		var err error
		b, err = bs.apart(t.Context(), c.reads)
		require.NoError(t, err)
	}
	var allocs float64
	for range 2 {
		x, err := m.once(t.Context(), c, b, *sd)
		require.NoError(t, err)
		allocs, _ = perRecord([]sample{x})
	}
	return allocs
}

// In P9 nothing is allocated for an element. Each of these runs starts a stream
// once, which is what is left.
func TestStreamsAllocateNothingAnElement(t *testing.T) {
	const n = 1 << 19
	for name, sd := range map[string]*side{
		"maps":       oursMaps(n),
		"maps-ptr":   oursMapsPtr(n),
		"tokens":     oursTokens(n),
		"boundary":   oursBoundary(n),
		"mapasync-0": oursMapAsync(n, instant),
	} {
		if sd == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			require.Less(t, allocations(t, &benchCase{unit: perElement}, sd), allocFree)
		})
	}
}

// What has a goal for its allocations keeps it.
func TestAllocationGoals(t *testing.T) {
	const n = 500_000
	for _, of := range []struct {
		c  *benchCase
		sd *side
	}{
		{plainSinkSmall().cases[0], oursPlainSink(n)},
		{plainSource().cases[0], oursPlainSource(n)},
		{plainSource().cases[1], oursPlainSource(n)},
		{committedCopy().cases[0], oursCopy(n)},
		{committedCopy().cases[1], oursCopySlab(n)},
	} {
		if of.sd == nil {
			continue
		}
		t.Run(of.sd.name+" "+of.c.name, func(t *testing.T) {
			require.Positive(t, of.c.goal.allocs)
			require.LessOrEqual(t, allocations(t, of.c, of.sd), of.c.goal.allocs)
		})
	}
}
