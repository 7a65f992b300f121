package stream_test

import (
	"context"
	"testing"

	"github.com/vicuna-go/vicuna/stream"
)

func chain(s stream.Source[int]) stream.Source[int] {
	s = stream.Map(s, func(v int) int { return v + 1 })
	s = stream.Map(s, func(v int) int { return v * 3 })
	s = stream.Map(s, func(v int) int { return v ^ 5 })
	return s.Filter(func(v int) bool { return v&1023 != 7 })
}

func BenchmarkMaps(b *testing.B) {
	in := ints(b.N)
	b.ReportAllocs()
	b.ResetTimer()
	if err := chain(stream.FromSlice(in)).To(stream.Ignore[int]()).Run(context.Background()); err != nil { b.Fatal(err) }
}
func BenchmarkBoundary(b *testing.B) {
	in := ints(b.N)
	b.ReportAllocs()
	b.ResetTimer()
	if err := stream.Map(stream.FromSlice(in), func(v int) int { return v + 1 }).Async().To(stream.Ignore[int]()).Run(context.Background()); err != nil { b.Fatal(err) }
}
func BenchmarkMapAsync(b *testing.B) {
	in := ints(b.N)
	b.ReportAllocs()
	b.ResetTimer()
	if err := stream.MapAsync(stream.FromSlice(in), 16, func(_ context.Context, v int) (int, error) { return v + 1, nil }).To(stream.Ignore[int]()).Run(context.Background()); err != nil { b.Fatal(err) }
}
