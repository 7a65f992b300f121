package streamtest_test

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/bubble"
	"github.com/vicuna-go/vicuna/stream"
	st "github.com/vicuna-go/vicuna/stream/streamtest"
)

var errOdd = errors.New("odd")

func failOdd(v int) error {
	if odd(v) {
		return errOdd
	}
	return nil
}

func upTo(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

// registry names for every operator the call of the suite that it passes.
var registry = func() map[string]func(*testing.T) {
	all := maps.Clone(ends)
	maps.Copy(all, flows)
	maps.Copy(all, joins)
	maps.Copy(all, withContext)
	for _, name := range []string{"TryMap", "TryMapDivert"} {
		plain, retry := all[name], all[name+" with retry"]
		delete(all, name+" with retry")
		all[name] = func(t *testing.T) { t.Run("plain", plain); t.Run("retry", retry) }
	}
	return all
}()

func source[T any](c st.SourceCase[T], features ...st.Feature) func(*testing.T) {
	return func(t *testing.T) { st.TestSource(t, c, features...) }
}

func sink(f func(t *testing.T, f call) stream.Sink[int], features ...st.Feature) func(*testing.T) {
	return func(t *testing.T) {
		st.TestSink(t, st.SinkCase[int]{New: func(t *testing.T, c func(context.Context, int) error) stream.Sink[int] { return f(t, c) }, Input: self}, features...)
	}
}

// joins join several streams: they are flows of one of them, and sources.
var joins = map[string]func(*testing.T){
	"Merge": func(t *testing.T) {
		t.Run("flow", suite(flow(func(s stream.Source[int], _ call) stream.Source[int] {
			return stream.Merge(stream.FromSlice([]int(nil)), s)
		}, same), st.Ordered(), st.Concurrent(), st.Ahead(512)))
		t.Run("source", source(st.SourceCase[int]{New: func(*testing.T, func(context.Context) error) stream.Source[int] {
			return stream.Merge(stream.FromSlice(upTo(2000)[:1000]), stream.FromSlice(upTo(2000)[1000:]))
		}, Want: upTo(2000)}, st.Concurrent()))
	},
	"Concat": func(t *testing.T) {
		t.Run("source", source(st.SourceCase[int]{New: func(*testing.T, func(context.Context) error) stream.Source[int] {
			return stream.Concat(stream.FromSlice(upTo(2000)[:1000]), stream.FromSeq(slices.Values(upTo(2000)[1000:])))
		}, Want: upTo(2000)}, st.Ordered(), st.Concurrent()))
		t.Run("flow", suite(flow(func(s stream.Source[int], _ call) stream.Source[int] {
			return stream.Concat(stream.FromSlice([]int(nil)), s)
		}, same), st.Ordered(), st.Concurrent(), st.Late(), st.Ahead(512)))
	},
}

var ends = map[string]func(*testing.T){
	"FromSlice": source(st.SourceCase[int]{New: func(*testing.T, func(context.Context) error) stream.Source[int] {
		return stream.FromSlice(upTo(1000))
	}, Want: upTo(1000)}, st.Ordered(), st.Concurrent()),

	"FromRange": func(t *testing.T) {
		numbers := func(n int) func(*testing.T, func(context.Context) error) stream.Source[int] {
			return func(*testing.T, func(context.Context) error) stream.Source[int] { return stream.FromRange(0, n) }
		}
		t.Run("ends", source(st.SourceCase[int]{New: numbers(1000), Want: upTo(1000)}, st.Ordered(), st.Concurrent()))
		t.Run("endless", source(st.SourceCase[int]{New: numbers(math.MaxInt), Want: upTo(1000)}, st.Ordered(), st.Concurrent(), st.Endless()))
	},

	"FromChan": func(t *testing.T) {
		feed := func(n int, end bool) func(*testing.T, func(context.Context) error) stream.Source[int] {
			return func(t *testing.T, f func(context.Context) error) stream.Source[int] {
				ch := make(chan int)
				go func() {
					for i := range n {
						_ = f(t.Context())
						select {
						case ch <- i:
						case <-t.Context().Done():
							return
						}
					}
					if end {
						close(ch)
					}
				}()
				return stream.FromChan(ch)
			}
		}
		t.Run("closed", source(st.SourceCase[int]{New: feed(1000, true), Want: upTo(1000)}, st.Ordered(), st.Ahead(17)))
		t.Run("open", source(st.SourceCase[int]{New: feed(1000, false), Want: upTo(1000)}, st.Ordered(), st.Endless(), st.Ahead(17)))
	},

	"FromSeq": func(t *testing.T) {
		seq := func(n int) func(*testing.T, func(context.Context) error) stream.Source[int] {
			return func(_ *testing.T, f func(context.Context) error) stream.Source[int] {
				return stream.FromSeq(func(yield func(int) bool) {
					for i := 0; i < n; i++ {
						if _ = f(context.Background()); !yield(i) {
							return
						}
					}
				})
			}
		}
		t.Run("ends", source(st.SourceCase[int]{New: seq(1000), Want: upTo(1000)}, st.Ordered(), st.Concurrent(), st.Panics(), st.Ahead(512)))
		t.Run("endless", source(st.SourceCase[int]{New: seq(1 << 60), Want: upTo(1000)}, st.Ordered(), st.Concurrent(), st.Endless(), st.Panics(), st.Ahead(512)))
	},

	"FromFunc": func(t *testing.T) {
		fn := func(n int) func(*testing.T, func(context.Context) error) stream.Source[int] {
			return func(_ *testing.T, f func(context.Context) error) stream.Source[int] {
				return stream.FromFunc(func(ctx context.Context, emit func(int) bool) error {
					for i := 0; i < n; i++ {
						if err := f(ctx); err != nil {
							return err
						}
						if !emit(i) {
							return ctx.Err()
						}
					}
					if n < 2000 {
						return nil
					}
					<-ctx.Done()
					return ctx.Err()
				})
			}
		}
		t.Run("ends", source(st.SourceCase[int]{New: fn(1000), Want: upTo(1000)}, st.Ordered(), st.Concurrent(), st.Fails(), st.Panics(), st.Ahead(512)))
		t.Run("quiet at its end", source(st.SourceCase[int]{New: fn(2000), Want: upTo(2000)}, st.Ordered(), st.Concurrent(), st.Endless(), st.Fails(), st.Panics(), st.Ahead(512)))
	},

	"Ignore": sink(func(*testing.T, call) stream.Sink[int] { return stream.Ignore[int]() }, st.Ordered(), st.Concurrent(), st.Blind()),

	"ForEach": func(t *testing.T) {
		t.Run("plain", sink(func(_ *testing.T, f call) stream.Sink[int] { return stream.ForEach(f) },
			st.Ordered(), st.Concurrent(), st.Ahead(0), st.Fails(), st.Panics()))
		t.Run("retry", sink(func(_ *testing.T, f call) stream.Sink[int] {
			return stream.ForEach(f, stream.OnError(stream.Retry(stream.Backoff{Attempts: 1})))
		}, st.Ordered(), st.Concurrent(), st.Ahead(512), st.Fails(), st.Panics()))
	},

	"ForEachManual": sink(func(_ *testing.T, f call) stream.Sink[int] { return stream.ForEachManual(f) },
		st.Ordered(), st.Concurrent(), st.Ahead(0), st.Fails(), st.Panics(), st.HandsOver()),

	"ToChan": sink(func(t *testing.T, f call) stream.Sink[int] {
		ch := make(chan int)
		t.Cleanup(func() { close(ch) })
		go func() {
			for v := range ch {
				if t.Context().Err() == nil {
					_ = f(t.Context(), v)
				}
			}
		}()
		return stream.ToChan(ch)
	}, st.Ordered(), st.Concurrent(), st.Ahead(1), st.HandsOver()),

	"Broadcast": func(t *testing.T) {
		t.Run("two", sink(func(_ *testing.T, f call) stream.Sink[int] {
			return stream.Broadcast(stream.Ignore[int](), stream.ForEach(f))
		}, st.Ordered(), st.Concurrent(), st.Ahead(512), st.Fails(), st.Panics()))
		t.Run("none", sink(func(*testing.T, call) stream.Sink[int] { return stream.Broadcast[int]() }, st.Concurrent(), st.Blind()))
	},

	"Each": func(t *testing.T) {
		st.TestGraph(t, st.GraphCase[int]{
			New: func(_ *testing.T, src stream.Source[int], f func(context.Context, int) error) stream.Graph {
				subs := stream.FromSlice([]stream.Sub[string, int]{{Key: "one", Source: stream.FromSlice([]int(nil))}, {Key: "two", Source: src}})
				return stream.Each(subs, 1, func(_ string, s stream.Source[int]) stream.Graph { return s.To(stream.ForEach(f)) })
			},
			Input: self,
		}, st.Ordered(), st.Concurrent(), st.Ahead(0), st.Fails(), st.Panics())
	},

	"Collect": runner(func(ctx context.Context, src stream.Source[int]) ([]int, error) { return stream.Collect(ctx, src) }),
	"Fold": runner(func(ctx context.Context, src stream.Source[int]) ([]int, error) {
		return stream.Fold(ctx, src, []int(nil), func(all []int, v int) []int { return append(all, v) })
	}),
	"First": runner(func(ctx context.Context, src stream.Source[int]) ([]int, error) {
		v, err := stream.First(ctx, stream.Map(stream.Batch(src, 1<<30, 0), func(b []int) []int { return b }))
		if errors.Is(err, stream.ErrEmpty) {
			err = nil
		}
		return v, err
	}),
	"Source.All": runner(func(ctx context.Context, src stream.Source[int]) (all []int, err error) {
		for v, e := range src.All(ctx) {
			if e != nil {
				return all, e
			}
			all = append(all, v)
		}
		return all, nil
	}),
}

// runner checks a function that runs a stream and returns its elements.
func runner(f func(context.Context, stream.Source[int]) ([]int, error)) func(*testing.T) {
	in := func(t *testing.T, name string, body func(*testing.T)) {
		t.Run(name, func(t *testing.T) { bubble.Test(t, body) })
	}
	return func(t *testing.T) {
		in(t, "completes", func(t *testing.T) {
			got, err := f(t.Context(), stream.FromSlice(upTo(1000)))
			require.NoError(t, err)
			require.Equal(t, upTo(1000), got)
		})
		in(t, "completes without an element", func(t *testing.T) {
			got, err := f(t.Context(), stream.Source[int]{})
			require.NoError(t, err)
			require.Empty(t, got)
		})
		in(t, "fault upstream", func(t *testing.T) {
			_, err := f(t.Context(), stream.TryMap(stream.FromSlice(upTo(1000)), func(_ context.Context, v int) (int, error) { return v, failOdd(v) }))
			require.ErrorIs(t, err, errOdd)
		})
		in(t, "drain by context", func(t *testing.T) {
			ch := make(chan int)
			ctx, drain := context.WithCancelCause(t.Context())
			go func() {
				for i := range 3 {
					ch <- i
				}
				synctest.Wait()
				drain(errOdd)
			}()
			began := time.Now()
			got, err := f(ctx, stream.FromChan(ch))
			if err != nil { // First has its element
				require.ErrorIs(t, err, stream.ErrDrained)
				require.ErrorIs(t, err, errOdd)
			}
			require.Equal(t, upTo(3), got)
			require.Zero(t, time.Since(began))
		})
	}
}
