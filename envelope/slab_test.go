package envelope_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/envelope"
)

// sink keeps the results of measured calls on the heap, as a stage would.
var sink envelope.Envelope[string, invoice, envelope.Committable]

var recordSink *envelope.Record[string, invoice]

func TestSingleCostsOneAllocation(t *testing.T) {
	var off envelope.Committable = &offset{}
	require.EqualValues(t, 1, testing.AllocsPerRun(1000, func() {
		sink = envelope.Single(*envelope.New("t", "k", invoice{}), off)
	}))
	require.EqualValues(t, 1, testing.AllocsPerRun(1000, func() {
		sink = envelope.PassThrough[string, invoice](off)
	}))
}

// perCall measures whole blocks, since AllocsPerRun rounds down to an integer.
func perCall(f func()) float64 {
	const calls = 1024
	return testing.AllocsPerRun(100, func() {
		for range calls {
			f()
		}
	}) / calls
}

func TestSlabCostsNextToNothing(t *testing.T) {
	var off envelope.Committable = &offset{}
	var slab envelope.Slab[string, invoice, envelope.Committable]
	require.LessOrEqual(t, perCall(func() {
		sink = slab.Single(envelope.Record[string, invoice]{Topic: "t", Key: envelope.Some("k")}, off)
	}), 0.02)
	require.LessOrEqual(t, perCall(func() { sink = slab.PassThrough(off) }), 0.02)
	require.LessOrEqual(t, perCall(func() {
		recordSink = slab.Record(envelope.Record[string, invoice]{Topic: "t", Key: envelope.Some("k")})
	}), 0.02)
}

func TestSlabGivesFreshEnvelopesAcrossBlocks(t *testing.T) {
	var slab envelope.Slab[string, int, int]
	seen := map[envelope.Envelope[string, int, int]]bool{}
	var all []envelope.Envelope[string, int, int]
	for i := range 600 {
		s := slab.Single(envelope.Record[string, int]{Topic: "t", Value: i}, i)
		p := slab.PassThrough(i)
		require.False(t, seen[s])
		require.False(t, seen[p])
		seen[s], seen[p] = true, true
		all = append(all, s)
	}
	for i, e := range all {
		m := e.(*envelope.Message[string, int, int])
		require.Equal(t, i, m.Record.Value, "later envelopes leave earlier ones alone")
		require.Equal(t, i, m.PassThrough)
	}
}

func TestSlabGivesFreshRecordsAcrossBlocks(t *testing.T) {
	var slab envelope.Slab[string, int, envelope.None]
	var all []*envelope.Record[string, int]
	for i := range 600 {
		all = append(all, slab.Record(*envelope.New("t", "k", i)))
	}
	for i, r := range all {
		require.Equal(t, envelope.New("t", "k", i), r, "later records leave earlier ones alone")
	}
}

func BenchmarkSingle(b *testing.B) {
	var off envelope.Committable = &offset{}
	b.ReportAllocs()
	for b.Loop() {
		sink = envelope.Single(envelope.Record[string, invoice]{Topic: "t"}, off)
	}
}

func BenchmarkSlabSingle(b *testing.B) {
	var off envelope.Committable = &offset{}
	var slab envelope.Slab[string, invoice, envelope.Committable]
	b.ReportAllocs()
	for b.Loop() {
		sink = slab.Single(envelope.Record[string, invoice]{Topic: "t"}, off)
	}
}
