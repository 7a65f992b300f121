package streamtest_test

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/vicuna-go/vicuna/stream"
	st "github.com/vicuna-go/vicuna/stream/streamtest"
)

func self(i int) int           { return i }
func same(in []int) []int      { return in }
func odd(i int) bool           { return i%2 == 1 }
func parts(b []int) []any      { return anys(b) }
func batches(in []int) [][]int { return slices.Collect(slices.Chunk(in, 10)) }

func anys[T any](vs []T) []any {
	all := make([]any, len(vs))
	for i, v := range vs {
		all[i] = v
	}
	return all
}

type call = func(context.Context, int) error

// must is a user function's part where the function cannot fail: what call says is not looked at,
// but it may panic.
func must(f call, v int) { _ = f(context.Background(), v) }

type op[B any] func(s stream.Source[int], f call) stream.Source[B]

// flow is the case of an operator on integers from 0 on.
func flow[B any](o op[B], output func([]int) []B) st.FlowCase[int, B] {
	return st.FlowCase[int, B]{
		New: func(_ *testing.T, f func(context.Context, int) error) stream.Flow[int, B] {
			return stream.NewFlow(func(s stream.Source[int]) stream.Source[B] { return o(s, f) })
		},
		Input:  self,
		Output: output,
	}
}

func holding[B any](c st.FlowCase[int, B], parts func(B) []any) st.FlowCase[int, B] {
	c.Parts = parts
	return c
}

func suite[A, B any](c st.FlowCase[A, B], features ...st.Feature) func(*testing.T) {
	return func(t *testing.T) { st.TestFlow(t, c, features...) }
}

func each[B any](f func(int) []B) func([]int) []B {
	return func(in []int) []B {
		var out []B
		for _, v := range in {
			out = append(out, f(v)...)
		}
		return out
	}
}

func fused(more ...st.Feature) []st.Feature {
	return append([]st.Feature{st.Ordered(), st.Concurrent(), st.Ahead(0)}, more...)
}

var flows = map[string]func(*testing.T){
	"Map": suite(flow(func(s stream.Source[int], f call) stream.Source[int] {
		return stream.Map(s, func(v int) int { must(f, v); return -v })
	}, each(func(v int) []int { return []int{-v} })), fused(st.Panics())...),

	"TryMap": suite(flow(func(s stream.Source[int], f call) stream.Source[int] {
		return stream.TryMap(s, func(ctx context.Context, v int) (int, error) { return -v, f(ctx, v) })
	}, each(func(v int) []int { return []int{-v} })), fused(st.Panics(), st.Fails())...),

	"Source.Filter": suite(flow(func(s stream.Source[int], f call) stream.Source[int] {
		return s.Filter(func(v int) bool { must(f, v); return odd(v) })
	}, each(func(v int) []int { return []int{v}[:v%2] })), st.Ordered(), st.Concurrent(), st.Ahead(1), st.Panics()),

	"FilterMap": suite(flow(func(s stream.Source[int], f call) stream.Source[string] {
		return stream.FilterMap(s, func(v int) (string, bool) { must(f, v); return "x", odd(v) })
	}, each(func(v int) []string { return []string{"x"}[:v%2] })), st.Ordered(), st.Concurrent(), st.Ahead(1), st.Panics()),

	"FlatMap": suite(flow(func(s stream.Source[int], f call) stream.Source[int] {
		return stream.FlatMap(s, func(v int) iter.Seq[int] { must(f, v); return slices.Values(slices.Repeat([]int{v}, v%3)) })
	}, each(func(v int) []int { return slices.Repeat([]int{v}, v%3) })), st.Ordered(), st.Concurrent(), st.Ahead(1), st.Panics()),

	"Source.Tap": suite(flow(func(s stream.Source[int], f call) stream.Source[int] {
		return s.Tap(func(v int) { must(f, v) })
	}, same), fused(st.Panics())...),

	"Source.Take": suite(flow(func(s stream.Source[int], _ call) stream.Source[int] { return s.Take(5) },
		func(in []int) []int { return in[:min(5, len(in))] }), fused(st.Ends())...),

	"Source.TakeWhile": suite(flow(func(s stream.Source[int], f call) stream.Source[int] {
		return s.TakeWhile(func(v int) bool { must(f, v); return v < 6 })
	}, func(in []int) []int { return in[:min(6, len(in))] }), fused(st.Ends(), st.Panics())...),

	"Source.Drop": suite(flow(func(s stream.Source[int], _ call) stream.Source[int] { return s.Drop(2) },
		func(in []int) []int { return in[min(2, len(in)):] }), st.Ordered(), st.Concurrent(), st.Ahead(2)),

	"Source.DropWhile": suite(flow(func(s stream.Source[int], f call) stream.Source[int] {
		return s.DropWhile(func(v int) bool { must(f, v); return v < 1 })
	}, func(in []int) []int { return in[min(1, len(in)):] }), st.Ordered(), st.Concurrent(), st.Ahead(1)),

	"Source.Async": suite(flow(func(s stream.Source[int], _ call) stream.Source[int] { return s.Async() }, same),
		st.Ordered(), st.Concurrent(), st.Ahead(512)),

	"Source.Buffer": suite(flow(func(s stream.Source[int], _ call) stream.Source[int] { return s.Buffer(7) }, same),
		st.Ordered(), st.Concurrent(), st.Ahead(7)),

	"Batch": func(t *testing.T) {
		t.Run("count", suite(holding(flow(func(s stream.Source[int], _ call) stream.Source[[]int] {
			return stream.Batch(s, 10, 0)
		}, batches), parts), st.Ordered(), st.Concurrent(), st.Holds(), st.Ahead(9)))
		t.Run("time", suite(holding(flow(func(s stream.Source[int], _ call) stream.Source[[]int] {
			return stream.Batch(s, 10, time.Minute)
		}, batches), parts), st.Ordered(), st.Concurrent(), st.Holds(), st.Ahead(512)))
	},

	"BatchBytes": suite(holding(flow(func(s stream.Source[int], f call) stream.Source[[]int] {
		return stream.BatchBytes(s, 0, 100, func(v int) int { must(f, v); return 10 }, time.Minute)
	}, batches), parts), st.Ordered(), st.Concurrent(), st.Holds(), st.Panics()),

	"MapAsync": suite(flow(func(s stream.Source[int], f call) stream.Source[int] {
		return stream.MapAsync(s, 16, func(ctx context.Context, v int) (int, error) { return -v, f(ctx, v) })
	}, each(func(v int) []int { return []int{-v} })),
		st.Ordered(), st.Concurrent(), st.Ahead(1024), st.Panics(), st.Fails(), st.Parallel(16)),

	"MapAsyncUnordered": suite(flow(func(s stream.Source[int], f call) stream.Source[int] {
		return stream.MapAsyncUnordered(s, 16, func(ctx context.Context, v int) (int, error) { return -v, f(ctx, v) })
	}, each(func(v int) []int { return []int{-v} })), st.Concurrent(), st.Ahead(1024), st.Panics(), st.Fails(), st.Parallel(16)),

	"Source.Divert": suite(flow(func(s stream.Source[int], f call) stream.Source[int] {
		return s.Divert(func(v int) bool { must(f, v); return odd(v) }, stream.Ignore[int]())
	}, each(func(v int) []int { return []int{v}[v%2:] })), fused(st.Panics())...),

	"TryMapDivert": suite(flow(func(s stream.Source[int], f call) stream.Source[int] {
		return stream.TryMapDivert(s, func(ctx context.Context, v int) (int, error) {
			return v, cmp.Or(f(ctx, v), failOdd(v))
		}, stream.Ignore[stream.Failed[int]]())
	}, each(func(v int) []int { return []int{v}[v%2:] })), fused(st.Diverts())...),

	"TryMapDivert with retry": suite(flow(func(s stream.Source[int], f call) stream.Source[int] {
		return stream.TryMapDivert(s, func(ctx context.Context, v int) (int, error) {
			return v, cmp.Or(f(ctx, v), failOdd(v))
		}, stream.Ignore[stream.Failed[int]](), stream.OnError(stream.Retry(stream.Backoff{If: func(error) bool { return false }})))
	}, each(func(v int) []int { return []int{v}[v%2:] })), st.Ordered(), st.Concurrent(), st.Ahead(512), st.Diverts()),

	"MapAsyncDivert": suite(flow(func(s stream.Source[int], f call) stream.Source[int] {
		return stream.MapAsyncDivert(s, 4, func(ctx context.Context, v int) (int, error) {
			return v, cmp.Or(f(ctx, v), failOdd(v))
		}, stream.Ignore[stream.Failed[int]]())
	}, each(func(v int) []int { return []int{v}[v%2:] })), st.Ordered(), st.Concurrent(), st.Ahead(1024), st.Parallel(4), st.Diverts()),

	"TryMap with retry": suite(flow(func(s stream.Source[int], f call) stream.Source[int] {
		return stream.TryMap(s, func(ctx context.Context, v int) (int, error) { return -v, f(ctx, v) },
			stream.OnError(stream.Retry(stream.Backoff{If: func(error) bool { return false }})))
	}, each(func(v int) []int { return []int{-v} })), st.Ordered(), st.Concurrent(), st.Ahead(512), st.Fails(), st.Panics()),
}
