//go:build synctests

package consumer_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/stream"
)

// pausing is a handler that pauses its own partition at every record whose offset is divisible by
// some number.
type pausing struct {
	c     *strConsumer
	every int64
	slow  time.Duration
	got   *grouptest.Deliveries

	mu      sync.Mutex
	paused  map[int32]bool
	pauses  int
	strange []string // came though their partition was paused
}

func (h *pausing) take(_ context.Context, r *strRecord) error {
	if h.slow > 0 {
		<-time.After(h.slow)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	p := r.Partition()
	if h.paused[p] {
		h.strange = append(h.strange, r.Value)
	}
	h.got.Add(r)
	if p == 0 && r.Offset()%h.every == h.every-1 {
		h.paused[p] = true
		h.pauses++
		return h.c.Pause(at(p))
	}
	return nil
}

func (h *pausing) resume(t *testing.T) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.paused[0] {
		h.paused[0] = false
		require.NoError(t, h.c.Resume(at(0)))
	}
}

// A handler that pauses its partition gets nothing more of it until it is resumed, also of what was
// fetched and taken up together with the record; then it goes on without a gap, each record once.
// Other partitions flow on.
func TestPauseWithinTheHandler(t *testing.T) {
	metas := map[string]int{}
	sources := map[string]func(h *pausing) stream.Graph{
		"plain": func(h *pausing) stream.Graph { return h.c.PlainSource().To(stream.ForEach(h.take)) },
		"committable": func(h *pausing) stream.Graph {
			return h.c.CommittableSource().To(takeMessage(h.take))
		},
		"metadata": func(h *pausing) stream.Graph {
			clear(metas)
			src := h.c.CommitWithMetadataSource(func(r *strRecord) (string, error) { metas[r.Value]++; return r.Value, nil })
			return src.To(takeMessage(h.take))
		},
		"at most once": func(h *pausing) stream.Graph { return h.c.AtMostOnceSource(50).To(stream.ForEach(h.take)) },
		"sub-streams":  func(h *pausing) stream.Graph { return eachRecord(h.c.PlainPartitionedSource(), h.take) },
	}
	for name, graph := range sources {
		for _, recycle := range []bool{false, true} {
			for _, slow := range []time.Duration{0, 5 * time.Millisecond} {
				title := name + map[bool]string{true: ", recycled"}[recycle] + map[bool]string{true: ", slow"}[slow > 0]
				t.Run(title, func(t *testing.T) {
					grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
						const n = 700
						w.Fill(2, 0, n)
						var opts []consumer.Option
						if recycle {
							opts = append(opts, consumer.Recycle())
						}
						h := &pausing{c: consumer.New(w.Settings(), consumer.Topics("in"), opts...), every: 100, slow: slow, got: &grouptest.Deliveries{}, paused: map[int32]bool{}}
						ctl := w.Start(graph(h))
						w.Until("the first pause, and all of the other", func() bool {
							return len(h.got.Values(0)) == 100 && len(h.got.Values(1)) == n
						})
						w.Pass(10 * time.Second)
						require.Len(t, h.got.Values(0), 100)
						for len(h.got.Values(0)) < n {
							h.resume(t)
							w.Pass(time.Second)
						}
						require.Equal(t, n/100, h.pauses)
						require.Empty(t, h.strange)
						h.got.RequireWhole(t, 2, n)
						for v, times := range metas {
							require.Equal(t, 1, times, "the metadata function's calls for %s", v)
						}
						w.Drain(ctl)
					})
				})
			}
		}
	}
}

// early is a handler that notes calls of a paused partition that began after its pause.
type early struct {
	c   *strConsumer
	got *grouptest.Deliveries

	mu      sync.Mutex
	paused  map[int32]time.Time
	pauses  int
	strange []string
}

func (h *early) take(ctx context.Context, r *strRecord) (*strRecord, error) {
	p := r.Partition()
	h.mu.Lock()
	if at, is := h.paused[p]; is && time.Now().After(at) {
		h.strange = append(h.strange, r.Value)
	}
	h.mu.Unlock()
	if err := grouptest.Idle(ctx, time.Duration(5+r.Offset()%40)*time.Millisecond); err != nil {
		return nil, err
	}
	h.got.Add(r)
	h.mu.Lock()
	defer h.mu.Unlock()
	if p == 0 && r.Offset()%100 == 50 {
		h.paused[p] = time.Now()
		h.pauses++
		return r, h.c.Pause(at(p))
	}
	return r, nil
}

func (h *early) resume(t *testing.T) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.paused, 0)
	require.NoError(t, h.c.Resume(at(0)))
}

// Where stages have taken records in that have not begun, a pause holds those too: nothing of the
// partition begins after it but what is at work. Resumed, it goes on without a gap, each record
// once.
func TestPauseHoldsWhatHasNotBegun(t *testing.T) {
	record := func(m *strMessage) *strRecord { return &m.Record }
	sources := map[string]func(h *early, flow stream.Flow[*strRecord, *strRecord]) stream.Graph{
		"plain": func(h *early, flow stream.Flow[*strRecord, *strRecord]) stream.Graph {
			return stream.Via(h.c.PlainSource(), flow).To(stream.Ignore[*strRecord]())
		},
		"committable": func(h *early, flow stream.Flow[*strRecord, *strRecord]) stream.Graph {
			return stream.Via(stream.Map(h.c.CommittableSource(), record), flow).To(stream.Ignore[*strRecord]())
		},
		"at most once": func(h *early, flow stream.Flow[*strRecord, *strRecord]) stream.Graph {
			return stream.Via(h.c.AtMostOnceSource(50), flow).To(stream.Ignore[*strRecord]())
		},
		"sub-streams": func(h *early, flow stream.Flow[*strRecord, *strRecord]) stream.Graph {
			return stream.Each(h.c.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
				return stream.Via(src, flow).To(stream.Ignore[*strRecord]())
			})
		},
	}
	flows := map[string]func(h *early, src stream.Source[*strRecord]) stream.Source[*strRecord]{
		"workers": func(h *early, src stream.Source[*strRecord]) stream.Source[*strRecord] {
			return stream.MapAsync(src, 8, h.take)
		},
		"unordered workers": func(h *early, src stream.Source[*strRecord]) stream.Source[*strRecord] {
			return stream.MapAsyncUnordered(src, 8, h.take)
		},
		"after a buffer": func(h *early, src stream.Source[*strRecord]) stream.Source[*strRecord] {
			return stream.TryMap(src.Buffer(64), h.take)
		},
		"after a filter and a batch": func(h *early, src stream.Source[*strRecord]) stream.Source[*strRecord] {
			batches := stream.Batch(src.Filter(func(r *strRecord) bool { return true }), 4, 20*time.Millisecond)
			return stream.FlatMap(stream.MapAsync(batches, 2, func(ctx context.Context, b []*strRecord) ([]*strRecord, error) {
				for _, r := range b {
					if _, err := h.take(ctx, r); err != nil {
						return nil, err
					}
				}
				return b, nil
			}), slices.Values)
		},
		"in a branch": func(h *early, src stream.Source[*strRecord]) stream.Source[*strRecord] {
			return stream.Via(src, stream.NewFlow(func(src stream.Source[*strRecord]) stream.Source[*strRecord] {
				return stream.MapAsync(stream.Merge(src, stream.FromSlice[*strRecord](nil)), 8, h.take)
			}))
		},
	}
	for name, graph := range sources {
		for title, flow := range flows {
			t.Run(name+", "+title, func(t *testing.T) {
				grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
					const n = 400
					w.Fill(2, 0, n)
					h := &early{c: consumer.New(w.Settings(), consumer.Topics("in"), consumer.CommitsElsewhere()), got: &grouptest.Deliveries{}, paused: map[int32]time.Time{}}
					ctl := w.Start(graph(h, stream.NewFlow(func(src stream.Source[*strRecord]) stream.Source[*strRecord] { return flow(h, src) })))
					w.Until("all of the other", func() bool { return len(h.got.Values(1)) == n })
					w.Pass(10 * time.Second)
					require.Less(t, len(h.got.Values(0)), 50+1+32)
					for len(h.got.Values(0)) < n {
						h.resume(t)
						w.Pass(10 * time.Second)
					}
					require.Equal(t, n/100, h.pauses)
					// what is in work there is a whole batch
					batched := title == "after a filter and a batch"
					require.True(t, batched || len(h.strange) == 0, "began after the pause: %v", h.strange)
					require.LessOrEqual(t, len(h.strange), 3*2*h.pauses)
					for p := range int32(2) {
						of := h.got.Values(p)
						require.Len(t, of, n, "partition %d", p)
						slices.Sort(of)
						require.Len(t, slices.Compact(of), n, "each once, partition %d", p)
					}
					w.Drain(ctl)
				})
			})
		}
	}
}

// A pause from elsewhere takes effect after the record that is at work, however slow that is.
func TestPauseBehindASlowHandler(t *testing.T) {
	grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Fill(1, 0, 500)
		got := &grouptest.Deliveries{}
		c := w.Consumer()
		ctl := w.Start(c.PlainSource().To(stream.ForEach(func(_ context.Context, r *strRecord) error {
			got.Add(r)
			<-time.After(time.Second)
			return nil
		})))
		w.Until("five", func() bool { return got.Count() == 5 })
		require.NoError(t, c.Pause())
		w.Pass(20 * time.Minute)
		require.Equal(t, 5, got.Count())
		require.NoError(t, c.Resume())
		w.Until("another", func() bool { return got.Count() == 6 })
		ctl.Stop()
	})
}
