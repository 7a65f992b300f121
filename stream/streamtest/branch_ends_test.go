package streamtest_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/bubble"
	"github.com/vicuna-go/vicuna/stream"
)

// betweens are operators that stand between a Broadcast and the stage that ends a branch, on
// islands of their own or not.
var betweens = func() map[string]func(src stream.Source[*message]) stream.Source[*message] {
	same := func(_ context.Context, m *message) (*message, error) { return m, nil }
	quiet := func() stream.Source[*message] { return stream.FromChan(make(chan *message)) }
	return map[string]func(src stream.Source[*message]) stream.Source[*message]{
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
}()

// A branch of a Broadcast that wants no more has had its share: the other branch goes on,
// everything is committed, and nothing is read again.
func TestBranchThatEnds(t *testing.T) {
	ends := map[string]func(src stream.Source[*message]) stream.Source[*message]{
		"take": func(src stream.Source[*message]) stream.Source[*message] { return src.Take(10) },
		"take while": func(src stream.Source[*message]) stream.Source[*message] {
			return src.TakeWhile(func(m *message) bool { return m.Value < 5 })
		},
	}
	for name, operator := range betweens {
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

// When all branches have ended, each has got what it takes, whichever was the last one, and what
// some branch has taken is committed.
func TestBranchesThatEnd(t *testing.T) {
	takes := [][]int{{3, 7}, {7, 3}, {5, 5}, {1, 60, 4}, {0, 2}, {2, 0, 0}, {9, 8, 21, 2}}
	for name, operator := range betweens {
		if name == "unordered workers" {
			continue
		}
		for _, ns := range takes {
			t.Run(fmt.Sprintf("%s, %v", name, ns), func(t *testing.T) {
				bubble.Test(t, func(t *testing.T) {
					src := tracked(1, 100)
					var sinks []stream.Sink[*message]
					var got []*journal
					for i, n := range ns {
						j := &journal{}
						got = append(got, j)
						sinks = append(sinks, stream.NewFlow(func(src stream.Source[*message]) stream.Source[*message] {
							if i%2 == 0 {
								src = operator(src)
							}
							return src.Take(n)
						}).To(j.sink()))
					}
					c := started(t, src.Source().To(stream.Broadcast(sinks...)))
					wait(time.Minute)
					synctest.Wait()
					most := 0
					for i, n := range ns {
						want, done := upTo(n), n
						if i%2 == 0 {
							want, done = taken(name, n)
						}
						require.Equal(t, fmt.Sprint(want), fmt.Sprint(got[i].of(0)), "branch %d", i)
						most = max(most, done)
					}
					require.EqualValues(t, most, src.Committed(0))
					require.NoError(t, c.Drain(t.Context()))
				})
			})
		}
	}
}

// taken is what a branch gets of 0, 1, 2 … that takes n elements behind an operator, and how many
// of them it has taken all of.
func taken(operator string, n int) (got []int, done int) {
	for i := 0; len(got) < n; i++ {
		switch {
		case operator == "divert" && i%5 == 4, operator == "merge, async, skip" && i < 2:
		case operator == "parts, workers":
			got = append(got, i, i)
		default:
			got = append(got, i)
		}
		done = i + 1
	}
	switch {
	case len(got) > n: // half of the last one
		got, done = got[:n], done-1
	case strings.HasPrefix(operator, "batch"):
		done -= done % 3 // a batch is taken as a whole
	}
	return got, done
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

// A drain that comes when a Take has ended, and what it let through waits behind a call that fails,
// finishes what has begun and not all of it: wherever the Take stands.
func TestDrainAfterATake(t *testing.T) {
	type flow = func(src stream.Source[*message]) stream.Source[*message]
	for name, graph := range map[string]func(src stream.Source[*message], call flow) stream.Source[*message]{
		"before a boundary": func(src stream.Source[*message], call flow) stream.Source[*message] {
			return call(src.Take(50).Async())
		},
		"after one": func(src stream.Source[*message], call flow) stream.Source[*message] {
			return call(src.Async().Take(50))
		},
		"after workers": func(src stream.Source[*message], call flow) stream.Source[*message] {
			return call(stream.MapAsync(src, 2, func(_ context.Context, m *message) (*message, error) { return m, nil }, stream.Repeatable()).Take(50))
		},
	} {
		for _, branch := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, in a branch %v", name, branch), func(t *testing.T) {
				bubble.Test(t, func(t *testing.T) {
					src, j, began := tracked(1, 100), &journal{}, time.Now()
					call := func(src stream.Source[*message]) stream.Source[*message] {
						return stream.TryMap(src, func(_ context.Context, m *message) (*message, error) {
							if m.Value == 3 && time.Since(began) < 10*time.Second {
								return nil, errFault
							}
							return m, nil
						}, stream.OnError(stream.Retry(stream.Backoff{First: time.Second, Max: time.Second, NoJitter: true})))
					}
					flow := stream.NewFlow(func(src stream.Source[*message]) stream.Source[*message] { return graph(src, call) }).To(j.sink())
					if branch {
						flow = stream.Broadcast(flow, stream.NewFlow(func(src stream.Source[*message]) stream.Source[*message] { return src.Take(1) }).To(stream.Ignore[*message]()))
					}
					c := started(t, src.Source().To(flow))
					wait(time.Second)
					synctest.Wait()
					require.NoError(t, c.Drain(t.Context()))
					<-c.Done()
					require.ErrorIs(t, c.Err(), stream.ErrDrained)
					require.Equal(t, upTo(4), j.of(0))
					require.EqualValues(t, 4, src.Committed(0))
				})
			})
		}
	}
}
