//go:build synctests

package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

func takeAll(sink *stuckSink) func(context.Context, []*strRecord) error {
	return func(ctx context.Context, rs []*strRecord) error {
		for _, r := range rs {
			_ = sink.take(func(*strRecord) bool { return false })(ctx, r)
		}
		return nil
	}
}

// One of 16 partitions has data, and a Batch keeps more of it than is its part: it is held for
// that, though neither its tracker nor the budget is full, and the Batch has to emit.
func TestBatchOfMoreThanAPart(t *testing.T) {
	for _, partitioned := range []bool{false, true} {
		t.Run(fmt.Sprint("partitioned ", partitioned), func(t *testing.T) {
			grouptest.Calmly(t, 16, func(t *testing.T, w *grouptest.World) {
				c := w.Consumer(settings.Budget(8<<20, 1_000_000))
				sink, h := newStuckSink(), &held{}
				batches := func(src stream.Source[*strRecord]) stream.Graph {
					return stream.Batch(src, 1000, 24*time.Hour).To(stream.ForEach(takeAll(sink)))
				}
				g := batches(c.PlainSource())
				if partitioned {
					g = stream.Each(c.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph { return batches(src) })
				}
				ctl := w.Start(g)
				for range 40 { // 100 records of 1000 bytes each 100 ms: 4000 records
					fatOf(t, w, 0, 100, 1000, 100, kgo.GzipCompression())
					w.Pass(100 * time.Millisecond)
				}
				w.Pass(time.Minute)
				m := h.look(t, c)
				require.GreaterOrEqual(t, sink.count(), 3000, "held %d bytes %d outstanding %d fetched %d", m.Held, m.OutstandingBytes, m.Outstanding, m.Fetched)
				ctl.Stop()
			})
		})
	}
}

// A partition that the user has paused has something in its queue. It does not keep a Batch from
// emitting when another has used the budget up.
func TestBatchBesideAPausedQueue(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		const n = 6000
		c := w.Consumer(settings.Budget(8<<20, 1_000_000))
		sink, h := newStuckSink(), &held{}
		open := make(chan struct{})
		ctl := w.Start(stream.Batch(c.PlainSource().Filter(func(*strRecord) bool { <-open; return true }), 1_000_000, 24*time.Hour).To(stream.ForEach(takeAll(sink))))
		fatOf(t, w, 1, 1, 1000, 1, kgo.GzipCompression())
		w.Pass(time.Second)
		fatOf(t, w, 0, 10, 1000, 10, kgo.GzipCompression())
		w.Pass(time.Second)
		require.NoError(t, c.Pause(at(0)))
		close(open)
		fatOf(t, w, 1, n, 1000, 50, kgo.GzipCompression())
		w.Pass(time.Minute)
		m := h.look(t, c)
		require.Greater(t, sink.count(), n/4, "held %d bytes %d outstanding %d fetched %d queued %d", m.Held, m.OutstandingBytes, m.Outstanding, m.Fetched, m.Paused)
		ctl.Stop()
	})
}

// A sub-stream that ends while its partition may have no more in flight, or the budget is full,
// takes its reason to hurry with it: others' batches come together again.
func TestHurryEndsWithItsSubStream(t *testing.T) {
	for name, opt := range map[string]settings.ConsumerOption{"starved": settings.TrackLimit(100), "full": settings.Budget(8<<20, 600)} {
		for _, fails := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", fails ", fails), func(t *testing.T) {
				grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
					const n = 1000
					var mu sync.Mutex
					got := map[int64]int{}
					failed := false
					var sizes []int
					c := w.Consumer(opt)
					h := &held{}
					ctl := w.Start(stream.Each(c.PlainPartitionedSource(), 0, func(p consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
						if p.Partition == 1 {
							return stream.Batch(src, 10, time.Hour).To(stream.ForEach(func(_ context.Context, rs []*strRecord) error {
								mu.Lock()
								defer mu.Unlock()
								sizes = append(sizes, len(rs))
								return nil
							}))
						}
						return stream.MapAsyncUnordered(src, 2000, func(ctx context.Context, r *strRecord) (struct{}, error) {
							mu.Lock()
							first := !failed
							mu.Unlock()
							if first {
								select {
								case <-time.After(5 * time.Second):
								case <-ctx.Done():
								}
								if fails && r.Offset() == 10 {
									mu.Lock()
									failed = true
									mu.Unlock()
									return struct{}{}, errors.New("broken")
								}
							}
							mu.Lock()
							defer mu.Unlock()
							if !fails && r.Offset() == 10 {
								failed = true
							}
							got[r.Offset()]++
							return struct{}{}, nil
						}).To(stream.Ignore[struct{}]())
					}, stream.OnError(stream.Skip())))
					w.Pass(time.Second)
					fatOf(t, w, 0, n, 100, 50, kgo.GzipCompression())
					w.Pass(time.Minute)
					require.Len(t, got, n)
					mu.Lock()
					sizes = nil
					mu.Unlock()
					for range 40 {
						fatOf(t, w, 1, 1, 100, 1, kgo.GzipCompression())
						w.Pass(100 * time.Millisecond)
					}
					w.Pass(time.Second)
					require.Equal(t, []int{10, 10, 10, 10}, sizes)
					m := h.look(t, c)
					require.Zero(t, m.OutstandingBytes)
					ctl.Stop()
				})
			})
		}
	}
}
