package stream_test

import (
	"context"
	"testing"
	"time"

	"github.com/vicuna-go/vicuna/stream"
)

func maps(s stream.Source[int]) stream.Source[int] {
	s = stream.Map(s, func(v int) int { return v + 1 })
	s = stream.Map(s, func(v int) int { return v * 3 })
	s = stream.Map(s, func(v int) int { return v ^ 5 })
	return s.Filter(func(v int) bool { return v&1023 != 7 })
}

func throughBoundary(s stream.Source[int]) stream.Source[int] {
	return stream.Map(s, func(v int) int { return v + 1 }).Async()
}

func throughMapAsync(s stream.Source[int]) stream.Source[int] {
	return stream.MapAsync(s, 16, func(_ context.Context, v int) (int, error) { return v + 1, nil })
}

func throughBatch(s stream.Source[int]) stream.Source[int] {
	return stream.Map(stream.Batch(s, 100, 0), func(vs []int) int { return len(vs) })
}

func throughTimedBatch(s stream.Source[int]) stream.Source[int] {
	return stream.Map(stream.Batch(s, 100, time.Minute), func(vs []int) int { return len(vs) })
}

func benchmark(b *testing.B, chain func(stream.Source[int]) stream.Source[int]) {
	in := ints(b.N)
	b.ReportAllocs()
	b.ResetTimer()
	if err := chain(stream.FromSlice(in)).To(stream.Ignore[int]()).Run(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkMaps(b *testing.B)     { benchmark(b, maps) }
func BenchmarkBoundary(b *testing.B) { benchmark(b, throughBoundary) }
func BenchmarkMapAsync(b *testing.B) { benchmark(b, throughMapAsync) }
func BenchmarkBatch(b *testing.B)    { benchmark(b, throughBatch) }

func BenchmarkTimedBatch(b *testing.B) { benchmark(b, throughTimedBatch) }
