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
		b, err = bs.apart(t.Context())
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

func TestPlainSinkAllocations(t *testing.T) {
	c := plainSinkSmall().cases[0]
	sd := oursPlainSink(500_000)
	require.LessOrEqual(t, allocations(t, c, sd), c.goal.allocs)
}
