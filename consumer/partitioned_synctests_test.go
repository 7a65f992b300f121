//go:build synctests

package consumer_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// children tells of the sub-streams that begin and end.
type children struct {
	mu           sync.Mutex
	begun, ended map[int32]int
}

func newChildren() *children { return &children{begun: map[int32]int{}, ended: map[int32]int{}} }

// watch is a sub-stream's graph that counts itself.
func (c *children) watch(p consumer.TopicPartition, src stream.Source[*strRecord], take takeRecord) stream.Graph {
	c.mu.Lock()
	c.begun[p.Partition]++
	c.mu.Unlock()
	done := stream.FromFunc(func(context.Context, func(*strRecord) bool) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ended[p.Partition]++
		return nil
	})
	return stream.Concat(src, done).To(stream.ForEach(take))
}

func (c *children) of(p int32) (begun, ended int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.begun[p], c.ended[p]
}

// requireOnce says that several members together have each of n records of each partition once.
func requireOnce(t testing.TB, partitions, n int, gs ...*grouptest.Deliveries) {
	t.Helper()
	for p := range int32(partitions) {
		var all []string
		for _, g := range gs {
			all = append(all, g.Values(p)...)
		}
		want := grouptest.Values(p, 0, n)
		slices.Sort(want)
		slices.Sort(all)
		require.Equal(t, want, all, "partition %d", p)
	}
}

// Each partition has a sub-stream of its own, which completes when the partition goes, after what
// was in flight, and begins anew when it comes back.
func TestSubStreamsComeAndGo(t *testing.T) {
	for _, protocol := range []settings.GroupProtocol{settings.CooperativeSticky, settings.Eager, settings.ConsumerProtocol} {
		t.Run(protocol.String(), func(t *testing.T) {
			grouptest.Calmly(t, 4, func(t *testing.T, w *grouptest.World) {
				const n = 700
				one, two, kids := &grouptest.Deliveries{}, &grouptest.Deliveries{}, newChildren()
				slowly := func(g *grouptest.Deliveries) takeRecord {
					return func(ctx context.Context, r *strRecord) error {
						<-time.After(20 * time.Millisecond)
						g.Add(r)
						return nil
					}
				}
				committed := func(c *strConsumer, g *grouptest.Deliveries, kids *children) stream.Graph {
					return stream.Each(c.CommittablePartitionedSource(), 0, func(p consumer.TopicPartition, src stream.Source[*strMessage]) stream.Graph {
						recs := stream.TryMap(src, func(ctx context.Context, m *strMessage) (*strMessage, error) {
							if m.Partition() != p.Partition || m.Topic() != p.Topic {
								return nil, fmt.Errorf("a record of partition %d in the stream of %v", m.Partition(), p)
							}
							return m, slowly(g)(ctx, &m.Record)
						})
						kids.mu.Lock()
						kids.begun[p.Partition]++
						kids.mu.Unlock()
						done := stream.FromFunc(func(context.Context, func(*strMessage) bool) error {
							kids.mu.Lock()
							defer kids.mu.Unlock()
							kids.ended[p.Partition]++
							return nil
						})
						return stream.Map(stream.Concat(recs, done), func(m *strMessage) envelope.Committable { return m.Offset }).
							To(consumer.CommitterSink(settings.NewCommitter()))
					})
				}
				w.Fill(4, 0, n)
				opts := settings.Protocol(protocol)
				first := w.Start(committed(w.Consumer(opts), one, kids))
				w.Until("some of each", func() bool {
					return len(one.Values(0)) > 10 && len(one.Values(1)) > 10 && len(one.Values(2)) > 10 && len(one.Values(3)) > 10
				})
				second := w.Start(committed(w.Consumer(opts), two, newChildren()))
				w.Until("some at the second", func() bool { return two.Count() > 10 })
				went := 0
				for p := range int32(4) {
					if _, ended := kids.of(p); ended > 0 {
						went++
					}
				}
				if protocol == settings.Eager {
					require.Equal(t, 4, went)
				} else {
					require.Equal(t, 2, went, "the others stay")
				}
				w.Drain(second)
				w.Until("all", func() bool { return one.Count()+two.Count() >= 4*n })
				w.Drain(first)
				requireOnce(t, 4, n, one, two)
				for p := range int32(4) {
					begun, ended := kids.of(p)
					require.Equal(t, begun, ended+1, "all but the one that was drained")
					if protocol == settings.Eager {
						require.GreaterOrEqual(t, begun, 2)
					}
					require.EqualValues(t, n, w.Committed(p))
				}
			})
		})
	}
}

// A sub-stream that is slow, or stuck, holds up no other.
func TestSlowSubStream(t *testing.T) {
	grouptest.Calmly(t, 4, func(t *testing.T, w *grouptest.World) {
		w.Fill(4, 0, 3000)
		got := &grouptest.Deliveries{}
		c := w.Consumer()
		ctl := w.Start(eachRecord(c.PlainPartitionedSource(), func(ctx context.Context, r *strRecord) error {
			if r.Partition() == 2 && r.Offset() == 7 {
				<-ctx.Done()
			}
			got.Add(r)
			return nil
		}))
		took := w.Until("the others", func() bool { return got.Count() == 3*3000+7 })
		require.Less(t, took, 2*time.Second)
		ctl.Stop()
		require.ErrorIs(t, w.Outcome(ctl), stream.ErrStopped)
	})
}

// A sub-stream that ends early is followed by one that goes on where it stopped, whether it had
// enough or failed; nothing is left out, and what was finished is not doubled.
func TestNoGapBehindASubStream(t *testing.T) {
	for _, batch := range []int{1, 10, 1000} {
		t.Run(fmt.Sprint("cancelled, batches of ", batch), func(t *testing.T) {
			grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
				for from := 0; from < 100; from += min(batch, 100) {
					w.Fill(2, from, min(batch, 100))
				}
				got := &grouptest.Deliveries{}
				c := w.Consumer()
				ctl := w.Start(stream.Each(c.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
					return src.Take(10).To(got.Sink())
				}))
				w.Until("all", func() bool { return got.Count() >= 200 })
				w.Pass(time.Second)
				got.RequireWhole(t, 2, 100)
				w.Drain(ctl)
			})
		})
		t.Run(fmt.Sprint("failed, batches of ", batch), func(t *testing.T) {
			grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
				for from := 0; from < 100; from += min(batch, 100) {
					w.Fill(2, from, min(batch, 100))
				}
				got := &grouptest.Deliveries{}
				var mu sync.Mutex
				failed := map[string]bool{}
				c := w.Consumer()
				ctl := w.Start(stream.Each(c.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
					return src.To(stream.ForEach(func(_ context.Context, r *strRecord) error {
						mu.Lock()
						defer mu.Unlock()
						if r.Offset()%10 == 9 && !failed[r.Value] {
							failed[r.Value] = true
							return errBad
						}
						got.Add(r)
						return nil
					}))
				}, stream.OnError(stream.Skip())))
				w.Until("all", func() bool { return got.Count() >= 200 })
				w.Pass(time.Second)
				got.RequireWhole(t, 2, 100)
				require.Len(t, failed, 20)
				w.Drain(ctl)
			})
		})
	}
}

// The same with records that come all the time, and what is finished committed: the next run has
// nothing left.
func TestNoGapWhileRecordsCome(t *testing.T) {
	grouptest.Calmly(t, 3, func(t *testing.T, w *grouptest.World) {
		got := &grouptest.Deliveries{}
		c := w.Consumer()
		ctl := w.Start(stream.Each(c.CommittablePartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strMessage]) stream.Graph {
			taken := stream.Map(src.Take(7), func(m *strMessage) envelope.Committable { got.Add(&m.Record); return m.Offset })
			return taken.To(consumer.CommitterSink(settings.NewCommitter()))
		}))
		for from := 0; from < 200; from += 5 {
			w.Fill(3, from, 5)
			w.Pass(time.Duration(from%4) * 10 * time.Millisecond)
		}
		w.Until("all", func() bool { return got.Count() >= 600 })
		w.Drain(ctl)
		got.RequireWhole(t, 3, 200)
		for p := range int32(3) {
			require.EqualValues(t, 200, w.Committed(p))
		}
	})
}

// With one child at a time, each partition's turn comes when the one before has ended; nothing is
// fetched of those that wait.
func TestOneSubStreamAtATime(t *testing.T) {
	grouptest.Calmly(t, 20, func(t *testing.T, w *grouptest.World) {
		w.Fill(20, 0, 50)
		got, kids := &grouptest.Deliveries{}, newChildren()
		c := w.ToEnd()
		require.NoError(t, w.Outcome(w.Start(stream.Each(c.PlainPartitionedSource(), 1, func(p consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
			return kids.watch(p, src, got.Take)
		}))))
		got.RequireWhole(t, 20, 50)
		for p := range int32(20) {
			begun, ended := kids.of(p)
			require.Equal(t, 1, begun)
			require.Equal(t, 1, ended)
		}
	})
}

// A drain finishes what the sub-streams have, commits it, and ends them.
func TestDrainOfSubStreams(t *testing.T) {
	grouptest.Calmly(t, 4, func(t *testing.T, w *grouptest.World) {
		w.Fill(4, 0, 200)
		got := &grouptest.Deliveries{}
		c := w.Consumer()
		run := func() *stream.Control {
			return w.Start(stream.Each(c.CommittablePartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strMessage]) stream.Graph {
				done := stream.MapAsync(src, 8, func(_ context.Context, m *strMessage) (envelope.Committable, error) {
					<-time.After(time.Duration(1+m.Record.Offset()%3) * 10 * time.Millisecond)
					got.Add(&m.Record)
					return m.Offset, nil
				})
				return done.To(consumer.CommitterSink(settings.NewCommitter()))
			}))
		}
		ctl := run()
		w.Until("some", func() bool { return got.Count() > 100 })
		w.Drain(ctl)
		require.ErrorIs(t, w.Outcome(ctl), stream.ErrDrained)
		for p := range int32(4) {
			want := int64(len(got.Values(p)))
			if want == 0 { // its sub-stream began while a fetch of the others' was under way
				want = -1
			}
			require.Equal(t, want, w.Committed(p))
		}
		ctl = run()
		w.Until("all", func() bool { return got.Count() >= 800 })
		w.Drain(ctl)
		requireOnce(t, 4, 200, got)
	})
}

// Each's child that fails fails the run, and says where.
func TestSubStreamFails(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Fill(2, 0, 50)
		c := w.Consumer()
		err := w.Outcome(w.Start(eachMessage(c.CommittablePartitionedSource(), func(_ context.Context, r *strRecord) error {
			if r.Partition() == 1 && r.Offset() == 20 {
				return errBad
			}
			return nil
		})))
		require.ErrorIs(t, err, errBad)
		var at *stream.StageError
		require.ErrorAs(t, err, &at)
		require.True(t, at.Located)
		require.EqualValues(t, 20, at.Offset)
		require.EqualValues(t, 1, at.Partition)
	})
}

// A sub-stream is of its run: it cannot be run twice, nor elsewhere.
func TestSubStreamRunsOnce(t *testing.T) {
	grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Fill(1, 0, 5)
		c := w.ToEnd()
		got := &grouptest.Deliveries{}
		require.NoError(t, w.Outcome(w.Start(stream.Each(c.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
			_, err := src.To(got.Sink()).Start(context.Background())
			if err == nil {
				t.Error("it runs by itself")
			}
			return src.To(got.Sink())
		}))))
		got.RequireWhole(t, 1, 5)
	})
}
