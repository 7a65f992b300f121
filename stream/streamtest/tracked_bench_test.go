package streamtest_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/stream"
	"github.com/vicuna-go/vicuna/stream/streamtest"
)

func threeMaps(s stream.Source[int]) stream.Source[int] {
	s = stream.Map(s, func(v int) int { return v + 1 })
	s = stream.Map(s, func(v int) int { return v * 3 })
	s = stream.Map(s, func(v int) int { return v ^ 5 })
	return s.Filter(func(v int) bool { return v&1023 != 7 })
}

func trackedInts(n int) *streamtest.TrackedSource[int] {
	src := streamtest.NewTracked[int](1)
	src.Append(0, upTo(n)...)
	src.End()
	return src
}

func benchmarkGraph(b *testing.B, g stream.Graph) {
	b.ReportAllocs()
	b.ResetTimer()
	require.NoError(b, g.Run(context.Background()))
}

// Three maps and a filter, without tokens, with, and with a Committable for each element.
func BenchmarkMapsWithout(b *testing.B) {
	benchmarkGraph(b, threeMaps(stream.FromSlice(upTo(b.N))).To(stream.Ignore[int]()))
}

func BenchmarkMapsTokens(b *testing.B) {
	benchmarkGraph(b, threeMaps(trackedInts(b.N).Values()).To(stream.Ignore[int]()))
}

func BenchmarkMapsMessages(b *testing.B) {
	values := stream.Map(trackedInts(b.N).Source(), func(m *message) int { return m.Value })
	benchmarkGraph(b, threeMaps(values).To(stream.Ignore[int]()))
}

// Batches of elements with tokens: a merge for each.
func BenchmarkBatchTokens(b *testing.B) {
	benchmarkGraph(b, stream.Batch(trackedInts(b.N).Values(), 100, 0).To(stream.Ignore[[]int]()))
}

func BenchmarkMapAsyncTokens(b *testing.B) {
	same := func(_ context.Context, v int) (int, error) { return v, nil }
	benchmarkGraph(b, stream.MapAsync(trackedInts(b.N).Values(), 16, same).To(stream.Ignore[int]()))
}

// What the gate of a transaction costs that is open, before a sink that begins its elements itself.
func BenchmarkEntering(b *testing.B) {
	benchmarkGraph(b, streamtest.Entering(threeMaps(trackedInts(b.N).Values())).To(stream.Ignore[int]()))
}
