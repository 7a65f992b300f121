package streamtest_test

import (
	"context"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/bubble"
	"github.com/vicuna-go/vicuna/stream"
)

// A branch of a Broadcast that wants no more has had its share, whatever operators stand between the
// Broadcast and the one that ends it, on islands of their own or not: the other branch goes on, everything
// is committed, and nothing is read again.
func TestBranchThatEnds(t *testing.T) {
	same := func(_ context.Context, m *message) (*message, error) { return m, nil }
	quiet := func() stream.Source[*message] { return stream.FromChan(make(chan *message)) }
	operators := map[string]func(src stream.Source[*message]) stream.Source[*message]{
		"nothing": func(src stream.Source[*message]) stream.Source[*message] { return src },
		"async":   func(src stream.Source[*message]) stream.Source[*message] { return src.Async() },
		"buffer":  func(src stream.Source[*message]) stream.Source[*message] { return src.Buffer(7) },
		"map":     func(src stream.Source[*message]) stream.Source[*message] { return stream.TryMap(src, same) },
		"workers": func(src stream.Source[*message]) stream.Source[*message] { return stream.MapAsync(src, 3, same) },
		"unordered workers": func(src stream.Source[*message]) stream.Source[*message] {
			return stream.MapAsyncUnordered(src, 3, same)
		},
		"diverting workers": func(src stream.Source[*message]) stream.Source[*message] {
			return stream.MapAsyncDivert(src, 3, same, stream.Ignore[stream.Failed[*message]]())
		},
		"retry":         func(src stream.Source[*message]) stream.Source[*message] { return stream.TryMap(src, same, hourly) },
		"merge":         func(src stream.Source[*message]) stream.Source[*message] { return stream.Merge(src, quiet()) },
		"merge, behind": func(src stream.Source[*message]) stream.Source[*message] { return stream.Merge(quiet(), src) },
		"merge of a merge": func(src stream.Source[*message]) stream.Source[*message] {
			return stream.Merge(stream.Merge(src, quiet()), quiet())
		},
		"batch with a time": func(src stream.Source[*message]) stream.Source[*message] {
			return unbatch(stream.Batch(src, 3, time.Second))
		},
		"batch":          func(src stream.Source[*message]) stream.Source[*message] { return unbatch(stream.Batch(src, 3, 0)) },
		"parts, workers": func(src stream.Source[*message]) stream.Source[*message] { return stream.MapAsync(twice(src), 3, same) },
		"merge, workers": func(src stream.Source[*message]) stream.Source[*message] {
			return stream.MapAsync(stream.Merge(src, quiet()), 3, same)
		},
		"workers, merge": func(src stream.Source[*message]) stream.Source[*message] {
			return stream.Merge(stream.MapAsync(src, 3, same), quiet())
		},
		"divert": func(src stream.Source[*message]) stream.Source[*message] {
			return src.Divert(func(m *message) bool { return m.Value%5 == 4 }, stream.Ignore[*message]())
		},
		"merge, async, skip": func(src stream.Source[*message]) stream.Source[*message] {
			return stream.Merge(src, quiet()).Async().Drop(2)
		},
	}
	ends := map[string]func(src stream.Source[*message]) stream.Source[*message]{
		"take": func(src stream.Source[*message]) stream.Source[*message] { return src.Take(10) },
		"take while": func(src stream.Source[*message]) stream.Source[*message] {
			return src.TakeWhile(func(m *message) bool { return m.Value < 5 })
		},
	}
	for name, operator := range operators {
		for end, ended := range ends {
			t.Run(name+", "+end, func(t *testing.T) {
				bubble.Test(t, func(t *testing.T) {
					src, all := tracked(2, 100), &journal{}
					c := started(t, src.Source().To(stream.Broadcast(
						all.sink(),
						stream.NewFlow(func(src stream.Source[*message]) stream.Source[*message] { return ended(operator(src)) }).To(stream.Ignore[*message]()),
					)))
					wait(time.Minute)
					synctest.Wait()
					for p := range int32(2) {
						require.Equal(t, upTo(100), all.of(p), "each once, in order")
						require.EqualValues(t, 100, src.Committed(p))
					}
					src.Append(0, slices.Collect(numbers(100, 150))...)
					wait(time.Minute)
					require.EqualValues(t, 150, src.Committed(0))
					require.NoError(t, c.Drain(t.Context()))
				})
			})
		}
	}
}

func twice(src stream.Source[*message]) stream.Source[*message] {
	return stream.FlatMap(src, func(m *message) iter.Seq[*message] { return slices.Values([]*message{m, m}) })
}

func numbers(from, to int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := from; i < to && yield(i); i++ {
		}
	}
}
