package stream_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/stream"
)

// An element costs no allocation: what a run allocates is for its goroutines and rings.
func TestNoAllocationPerElement(t *testing.T) {
	const n = 1_000_000
	in := ints(n)
	for name, chain := range map[string]func(stream.Source[int]) stream.Source[int]{
		"maps and a filter": maps, "a boundary": throughBoundary, "MapAsync": throughMapAsync,
	} {
		t.Run(name, func(t *testing.T) {
			for _, src := range []stream.Source[int]{stream.FromSlice(in), stream.FromRange(0, n)} {
				g := chain(src).To(stream.Ignore[int]())
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				require.NoError(t, g.Run(t.Context()))
				runtime.ReadMemStats(&after)
				require.Less(t, float64(after.Mallocs-before.Mallocs)/n, 0.001, "allocations per element")
			}
		})
	}
}
