package streamtest_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vicuna-go/vicuna/stream"
	"github.com/vicuna-go/vicuna/stream/streamtest"
)

func ints(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

func TestZZSmoke(t *testing.T) {
	src := streamtest.NewTracked[int](3)
	for p := range 3 {
		src.Append(int32(p), ints(10000)...)
	}
	src.End()
	n := 0
	err := stream.Batch(stream.Map(src.Source().Async(), func(m *streamtest.TrackedMessage[int]) int { return m.Value }).Filter(func(v int) bool { return v%3 > 0 }), 77, time.Hour).To(stream.ForEach(func(_ context.Context, b []int) error { n += len(b); return nil })).Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3*6666, n)
	for p := range 3 {
		require.EqualValues(t, 10000, src.Committed(int32(p)))
	}
}
func BenchmarkTokens(b *testing.B) {
	src := streamtest.NewTracked[int](1)
	src.Append(0, ints(b.N)...)
	src.End()
	b.ReportAllocs()
	b.ResetTimer()
	if err := fourMaps(src.Values()).To(stream.Ignore[int]()).Run(context.Background()); err != nil {
		b.Fatal(err)
	}
}
func BenchmarkTokensMessages(b *testing.B) {
	src := streamtest.NewTracked[int](1)
	src.Append(0, ints(b.N)...)
	src.End()
	b.ReportAllocs()
	b.ResetTimer()
	if err := fourMaps(stream.Map(src.Source(), func(m *streamtest.TrackedMessage[int]) int { return m.Value })).To(stream.Ignore[int]()).Run(context.Background()); err != nil {
		b.Fatal(err)
	}
}
func BenchmarkNoTokens(b *testing.B) {
	in := ints(b.N)
	b.ReportAllocs()
	b.ResetTimer()
	if err := fourMaps(stream.FromSlice(in)).To(stream.Ignore[int]()).Run(context.Background()); err != nil {
		b.Fatal(err)
	}
}

func fourMaps(s stream.Source[int]) stream.Source[int] {
	s = stream.Map(s, func(v int) int { return v + 1 })
	s = stream.Map(s, func(v int) int { return v * 3 })
	s = stream.Map(s, func(v int) int { return v ^ 5 })
	return s.Filter(func(v int) bool { return v&1023 != 7 })
}
