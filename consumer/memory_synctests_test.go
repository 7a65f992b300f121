//go:build synctests

package consumer_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// held watches how much is held, and queued, at most.
type held struct {
	bytes, buffered int64
	records         int
}

func (h *held) look(t testing.TB, c *strConsumer) consumer.Metrics {
	t.Helper()
	m, err := c.Metrics()
	require.NoError(t, err)
	h.bytes, h.buffered, h.records = max(h.bytes, m.OutstandingBytes), max(h.buffered, m.BufferedBytes), max(h.records, m.Outstanding)
	return m
}

var codecs = map[string]kgo.CompressionCodec{"uncompressed": kgo.NoCompression(), "compressed": kgo.GzipCompression()}

// The budget bounds what is held while the sink is stuck, in bytes or in records; everything comes
// when it is not, and nothing is held in the end.
func TestBudget(t *testing.T) {
	for name, codec := range codecs {
		for _, budget := range []struct{ bytes, records int }{{8 << 20, 1_000_000}, {128 << 20, 2000}} {
			t.Run(fmt.Sprint(name, " ", budget), func(t *testing.T) {
				grouptest.Calmly(t, 4, func(t *testing.T, w *grouptest.World) {
					const n = 4000
					fat(t, w, 4, n, 2000, 50, codec)
					c := w.Consumer(settings.Budget(budget.bytes, budget.records))
					sink, h := newStuckSink(), &held{}
					ctl := w.Start(c.PlainSource().To(stream.ForEach(sink.take(func(*strRecord) bool { return true }))))
					for range 100 {
						w.Pass(100 * time.Millisecond)
						if _, err := c.Assignment(); err == nil {
							h.look(t, c)
						}
					}
					require.LessOrEqual(t, h.bytes+h.buffered, int64(budget.bytes)+1<<20, "the fetch that is too much")
					if budget.records < 1_000_000 {
						require.LessOrEqual(t, h.records, 3*budget.records/2, "the first fetch too")
					} else {
						require.Greater(t, h.bytes, int64(budget.bytes)/4, "it is made use of")
					}
					close(sink.open)
					for sink.count() < 4*n {
						w.Pass(10 * time.Millisecond)
						h.look(t, c)
					}
					require.LessOrEqual(t, h.bytes+h.buffered, int64(budget.bytes)+1<<20)
					w.Pass(time.Second)
					require.Zero(t, h.look(t, c).OutstandingBytes)
					w.Drain(ctl)
				})
			})
		}
	}
}

// A partition that is stuck holds its part, and the others go on.
func TestStuckPartition(t *testing.T) {
	for name, codec := range codecs {
		t.Run(name, func(t *testing.T) {
			grouptest.Calmly(t, 4, func(t *testing.T, w *grouptest.World) {
				const n = 4000
				fat(t, w, 4, n, 2000, 50, codec)
				c := w.Consumer(settings.Budget(8<<20, 1_000_000))
				sink, h := newStuckSink(), &held{}
				ctl := w.Start(stream.Each(c.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
					return src.To(stream.ForEach(sink.take(func(r *strRecord) bool { return r.Partition() == 1 && r.Offset() >= 20 })))
				}))
				began := time.Now()
				for sink.count() < 3*n+20 {
					w.Pass(10 * time.Millisecond)
					if _, err := c.Assignment(); err == nil {
						h.look(t, c)
					}
					require.Less(t, time.Since(began), 5*time.Minute, "the others stand still: %v", sink.by)
				}
				t.Log("the others took", time.Since(began))
				require.LessOrEqual(t, h.bytes+h.buffered, int64(8<<20)+1<<20)
				close(sink.open)
				became := w.Until("all", func() bool { return sink.count() == 4*n })
				require.Less(t, became, time.Minute)
				w.Pass(time.Second)
				m := h.look(t, c)
				require.Zero(t, m.OutstandingBytes)
				require.Zero(t, m.Held)
				w.Drain(ctl)
			})
		})
	}
}

// A record that is stuck in the middle of one stream lets others pass, up to the budget and the
// limit of what is tracked; its partition is then held, and goes on after it.
func TestStuckRecord(t *testing.T) {
	grouptest.Calmly(t, 4, func(t *testing.T, w *grouptest.World) {
		const n = 3000
		fat(t, w, 4, n, 2000, 50, kgo.NoCompression())
		c := w.Consumer(settings.TrackLimit(500))
		sink, h := newStuckSink(), &held{}
		take := sink.take(func(r *strRecord) bool { return r.Partition() == 2 && r.Offset() == 100 })
		ctl := w.Start(stream.MapAsyncUnordered(c.PlainSource(), 4, func(ctx context.Context, r *strRecord) (struct{}, error) {
			return struct{}{}, take(ctx, r)
		}).To(stream.Ignore[struct{}]()))
		w.Until("the others", func() bool { return sink.count()-sink.of(2) == 3*n })
		w.Pass(time.Second)
		m := h.look(t, c)
		require.Equal(t, 1, m.Held)
		require.Less(t, sink.of(2), n-1)
		require.GreaterOrEqual(t, sink.of(2), 499, "all that is tracked but for the one")
		close(sink.open)
		w.Until("all", func() bool { return sink.count() == 4*n })
		w.Pass(time.Second)
		require.Zero(t, h.look(t, c).Held)
		w.Drain(ctl)
	})
}

// Records that are slow pin the responses that they came with, and no more than the budget.
func TestSlowRecordsPinResponses(t *testing.T) {
	grouptest.Calmly(t, 4, func(t *testing.T, w *grouptest.World) {
		const n = 4000
		fat(t, w, 4, n, 2000, 50, kgo.NoCompression())
		c := w.Consumer(settings.Budget(8<<20, 1_000_000))
		h := &held{}
		sink := newStuckSink()
		ctl := w.Start(stream.MapAsyncUnordered(c.PlainSource(), 64, func(_ context.Context, r *strRecord) (struct{}, error) {
			if r.Offset()%500 == 0 {
				<-time.After(time.Second)
			}
			return struct{}{}, sink.take(func(*strRecord) bool { return false })(context.Background(), r)
		}).To(stream.Ignore[struct{}]()))
		began := time.Now()
		for sink.count() < 4*n {
			w.Pass(10 * time.Millisecond)
			if _, err := c.Assignment(); err == nil {
				h.look(t, c)
			}
			require.Less(t, time.Since(began), 5*time.Minute)
		}
		require.LessOrEqual(t, h.bytes+h.buffered, int64(8<<20)+1<<20)
		w.Pass(2 * time.Second)
		require.Zero(t, h.look(t, c).OutstandingBytes)
		w.Drain(ctl)
	})
}

// A Batch that waits for more than there is room for gets a hurry instead of a deadlock.
func TestBatchLargerThanTheBudget(t *testing.T) {
	for name, opts := range map[string][]settings.ConsumerOption{
		"bytes":   {settings.Budget(8<<20, 1_000_000)},
		"records": {settings.Budget(128<<20, 500)},
		"tracker": {settings.TrackLimit(300)},
	} {
		for _, partitioned := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " ", partitioned), func(t *testing.T) {
				grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
					const n = 4000
					fat(t, w, 2, n, 2000, 50, kgo.GzipCompression())
					c := w.Consumer(opts...)
					sink := newStuckSink()
					batches := func(src stream.Source[*strRecord]) stream.Graph {
						return stream.Batch(src, 1_000_000, 24*time.Hour).To(stream.ForEach(func(ctx context.Context, rs []*strRecord) error {
							for _, r := range rs {
								_ = sink.take(func(*strRecord) bool { return false })(ctx, r)
							}
							return nil
						}))
					}
					g := batches(c.PlainSource())
					if partitioned {
						g = stream.Each(c.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph { return batches(src) })
					}
					ctl := w.Start(g)
					w.Until("most", func() bool { return sink.count() > n })
					w.Drain(ctl)
				})
			})
		}
	}
}

// Partitions of one fetch take turns.
func TestPartitionsAreTreatedAlike(t *testing.T) {
	grouptest.Calmly(t, 4, func(t *testing.T, w *grouptest.World) {
		const n = 4000
		fat(t, w, 4, n, 100, 500, kgo.GzipCompression())
		c := w.Consumer(settings.Budget(8<<20, 1_000_000))
		by := [4]int{}
		worst := 0
		ctl := w.Start(c.PlainSource().Take(3 * n).To(stream.ForEach(func(_ context.Context, r *strRecord) error {
			by[r.Partition()]++
			worst = max(worst, slices.Max(by[:])-slices.Min(by[:]))
			<-time.After(time.Millisecond)
			return nil
		})))
		require.NoError(t, w.Outcome(ctl))
		require.LessOrEqual(t, worst, 1024, "by which one partition is ahead of another")
	})
}

// A partition that is ahead of others is not stopped for it: what the client has fetched would be
// thrown away, and others' fetches would have to end before it goes on.
func TestNothingIsFetchedTwice(t *testing.T) {
	for name, codec := range codecs {
		t.Run(name, func(t *testing.T) {
			grouptest.Calmly(t, 8, func(t *testing.T, w *grouptest.World) {
				const n = 8000
				fat(t, w, 8, n, 200, 500, codec)
				var read fetchedRecords
				c := w.ToEnd(settings.Budget(8<<20, 1_000_000), settings.ClientOptions(kgo.WithHooks(&read)))
				began, got := time.Now(), 0
				require.NoError(t, c.PlainSource().To(stream.ForEach(func(context.Context, *strRecord) error {
					if got++; got%1000 == 0 {
						<-time.After(time.Millisecond)
					}
					return nil
				})).Run(t.Context()))
				require.Equal(t, 8*n, got)
				require.EqualValues(t, 8*n, read.n.Load())
				require.Less(t, time.Since(began), 230*time.Millisecond, "no fetch has waited at the broker")
			})
		})
	}
}

// A thousand partitions share a small budget.
func TestManyPartitions(t *testing.T) {
	grouptest.Calmly(t, 1000, func(t *testing.T, w *grouptest.World) {
		fat(t, w, 1000, 10, 1000, 10, kgo.NoCompression())
		c := w.Consumer(settings.Budget(8<<20, 1_000_000))
		sink, h := newStuckSink(), &held{}
		ctl := w.Start(c.PlainSource().To(stream.ForEach(sink.take(func(*strRecord) bool { return true }))))
		w.Pass(10 * time.Second)
		h.look(t, c)
		close(sink.open)
		began := time.Now()
		for sink.count() < 10_000 {
			w.Pass(100 * time.Millisecond)
			h.look(t, c)
			require.Less(t, time.Since(began), 5*time.Minute)
		}
		require.LessOrEqual(t, h.bytes+h.buffered, int64(8<<20)+1<<20)
		w.Pass(time.Second)
		require.Zero(t, h.look(t, c).OutstandingBytes)
		w.Drain(ctl)
	})
}

// A pause of the user's and one for want of room do not end each other.
func TestPauseOfAHeldPartition(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		const n = 2000
		fat(t, w, 2, n, 2000, 50, kgo.NoCompression())
		c := w.Consumer(settings.TrackLimit(200))
		sink, h := newStuckSink(), &held{}
		take := sink.take(func(r *strRecord) bool { return r.Partition() == 0 && r.Offset() == 10 })
		ctl := w.Start(stream.MapAsyncUnordered(c.PlainSource(), 4, func(ctx context.Context, r *strRecord) (struct{}, error) {
			return struct{}{}, take(ctx, r)
		}).To(stream.Ignore[struct{}]()))
		w.Until("held", func() bool { return sink.of(1) == n && h.look(t, c).Held == 1 })
		require.NoError(t, c.Pause(at(0)))
		w.Pass(time.Second)
		before := sink.of(0)
		require.NoError(t, c.Resume(at(0)))
		w.Pass(10 * time.Second)
		require.LessOrEqual(t, sink.of(0), before, "it is still held")
		require.NoError(t, c.Pause(at(0)))
		close(sink.open)
		w.Pass(10 * time.Second)
		m := h.look(t, c)
		require.Zero(t, m.Held)
		require.Equal(t, 1, m.Paused)
		require.Less(t, sink.of(0), n)
		require.NoError(t, c.Resume(at(0)))
		took := w.Until("it goes on", func() bool { return sink.of(0) > before+1 })
		require.LessOrEqual(t, took, 500*time.Millisecond)
		w.Until("all", func() bool { return sink.of(0) == n })
		w.Drain(ctl)
	})
}

// What is committed ahead of a stuck sink, and what waits to be, is bounded like everything.
func TestBudgetOfAtMostOnce(t *testing.T) {
	for name, codec := range codecs {
		t.Run(name, func(t *testing.T) {
			grouptest.Calmly(t, 4, func(t *testing.T, w *grouptest.World) {
				const n = 4000
				fat(t, w, 4, n, 2000, 50, codec)
				c := w.Consumer(settings.Budget(8<<20, 1_000_000))
				sink, h := newStuckSink(), &held{}
				ctl := w.Start(c.AtMostOnceSource(50).To(stream.ForEach(sink.take(func(*strRecord) bool { return true }))))
				w.Pass(10 * time.Second)
				m := h.look(t, c)
				require.LessOrEqual(t, m.Fetched*2000, int64(8<<20))
				require.LessOrEqual(t, m.OutstandingBytes+m.BufferedBytes, int64(8<<20)+1<<20)
				require.Greater(t, m.OutstandingBytes, int64(1<<20))
				close(sink.open)
				for began := time.Now(); sink.count() < 4*n; w.Pass(10 * time.Millisecond) {
					h.look(t, c)
					require.Less(t, time.Since(began), 5*time.Minute)
				}
				require.LessOrEqual(t, h.bytes+h.buffered, int64(8<<20)+1<<20)
				w.Pass(time.Second)
				require.Zero(t, h.look(t, c).OutstandingBytes)
				w.Drain(ctl)
			})
		})
	}
}
