package streamtest_test

import (
	"context"
	"testing"

	"github.com/vicuna-go/vicuna/stream"
	st "github.com/vicuna-go/vicuna/stream/streamtest"
)

type (
	pair  = stream.Pair[int, string]
	pairs = stream.SourceWithContext[int, string]
)

// lifted is the case of an operator on a stream with a context: integers go in, and come out with
// theirs.
func lifted(o func(s pairs, f call) pairs, f func(int) []int) st.FlowCase[int, pair] {
	return flow(func(s stream.Source[int], c call) stream.Source[pair] {
		return o(stream.WithContext(s, func(v int) string { return string(rune('a' + v%26)) }), c).Pairs()
	}, each(func(v int) (out []pair) {
		for _, w := range f(v) {
			out = append(out, pair{Value: w, Context: string(rune('a' + v%26))})
		}
		return out
	}))
}

func one(v int) []int   { return []int{v} }
func minus(v int) []int { return []int{-v} }

var withContext = map[string]func(*testing.T){
	"WithContext": suite(lifted(func(s pairs, _ call) pairs { return s }, one), fused()...),
	"SourceWithContext.Filter": suite(lifted(func(s pairs, f call) pairs {
		return s.Filter(func(v int) bool { must(f, v); return odd(v) })
	}, func(v int) []int { return []int{v}[:v%2] }), st.Ordered(), st.Concurrent(), st.Ahead(1), st.Panics()),
	"SourceWithContext.Tap": suite(lifted(func(s pairs, f call) pairs {
		return s.Tap(func(v int) { must(f, v) })
	}, one), fused(st.Panics())...),
	"SourceWithContext.Async": suite(lifted(func(s pairs, _ call) pairs { return s.Async() }, one), st.Ordered(), st.Concurrent(), st.Ahead(512)),
	"MapWithContext": suite(lifted(func(s pairs, f call) pairs {
		return stream.MapWithContext(s, func(v int) int { must(f, v); return -v })
	}, minus), fused(st.Panics())...),
	"TryMapWithContext": suite(lifted(func(s pairs, f call) pairs {
		return stream.TryMapWithContext(s, func(ctx context.Context, v int) (int, error) { return -v, f(ctx, v) })
	}, minus), fused(st.Panics(), st.Fails())...),
	"MapAsyncWithContext": suite(lifted(func(s pairs, f call) pairs {
		return stream.MapAsyncWithContext(s, 8, func(ctx context.Context, v int) (int, error) { return -v, f(ctx, v) })
	}, minus), st.Ordered(), st.Concurrent(), st.Ahead(1024), st.Panics(), st.Fails(), st.Parallel(8)),
}
