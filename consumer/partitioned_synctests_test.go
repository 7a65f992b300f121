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
	"github.com/vicuna-go/vicuna/kafkatest"
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
func requireOnce(t testing.TB, partitions, n int, gs ...*gathered) {
	t.Helper()
	for p := range int32(partitions) {
		var all []string
		for _, g := range gs {
			all = append(all, g.of(p)...)
		}
		want := numberedFrom(p, 0, n)
		slices.Sort(want)
		slices.Sort(all)
		require.Equal(t, want, all, "partition %d", p)
	}
}

// Each partition has a sub-stream of its own, which completes when the partition goes, behind what
// was in flight, and begins anew when it comes back.
func TestSubStreamsComeAndGo(t *testing.T) {
	for _, protocol := range []settings.GroupProtocol{settings.CooperativeSticky, settings.Eager, settings.ConsumerProtocol} {
		t.Run(protocol.String(), func(t *testing.T) {
			withTopic(t, 4, func(t *testing.T, k *kafkatest.Broker) {
				const n = 700
				one, two, kids := newGathered(), newGathered(), newChildren()
				slowly := func(g *gathered) takeRecord {
					return func(ctx context.Context, r *strRecord) error {
						<-time.After(20 * time.Millisecond)
						g.add(r)
						return nil
					}
				}
				committed := func(c *strConsumer, g *gathered, kids *children) stream.Graph {
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
				fillPartitions(t, k, "in", 4, 0, n)
				opts := settings.Protocol(protocol)
				first := begun(t, committed(consumer.New(readerOf(k, opts), consumer.Topics("in")), one, kids))
				becomes(t, "some of each", func() bool {
					return len(one.of(0)) > 10 && len(one.of(1)) > 10 && len(one.of(2)) > 10 && len(one.of(3)) > 10
				})
				second := begun(t, committed(consumer.New(readerOf(k, opts), consumer.Topics("in")), two, newChildren()))
				becomes(t, "some at the second", func() bool { return two.count() > 10 })
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
				drainedAll(t, second)
				becomes(t, "all", func() bool { return one.count()+two.count() >= 4*n })
				drainedAll(t, first)
				requireOnce(t, 4, n, one, two)
				for p := range int32(4) {
					begun, ended := kids.of(p)
					require.Equal(t, begun, ended+1, "all but the one that was drained")
					if protocol == settings.Eager {
						require.GreaterOrEqual(t, begun, 2)
					}
					require.EqualValues(t, n, kafkatest.CommittedOffset(t, k, readGroup, "in", p))
				}
			})
		})
	}
}

// A sub-stream that is slow, or stuck, holds up no other.
func TestSlowSubStream(t *testing.T) {
	withTopic(t, 4, func(t *testing.T, k *kafkatest.Broker) {
		fillPartitions(t, k, "in", 4, 0, 3000)
		got := newGathered()
		c := consumer.New(readerOf(k), consumer.Topics("in"))
		ctl := begun(t, eachRecord(c.PlainPartitionedSource(), func(ctx context.Context, r *strRecord) error {
			if r.Partition() == 2 && r.Offset() == 7 {
				<-ctx.Done()
			}
			got.add(r)
			return nil
		}))
		took := becomes(t, "the others", func() bool { return got.count() == 3*3000+7 })
		require.Less(t, took, 2*time.Second)
		ctl.Stop()
		require.ErrorIs(t, outcome(t, ctl), stream.ErrStopped)
	})
}

// A sub-stream that ends early is followed by one that goes on where it stopped, whether it had
// enough or failed; nothing is left out, and what was finished is not doubled.
func TestNoGapBehindASubStream(t *testing.T) {
	for _, batch := range []int{1, 10, 1000} {
		t.Run(fmt.Sprint("cancelled, batches of ", batch), func(t *testing.T) {
			withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
				for from := 0; from < 100; from += min(batch, 100) {
					fillPartitions(t, k, "in", 2, from, min(batch, 100))
				}
				got := newGathered()
				c := consumer.New(readerOf(k), consumer.Topics("in"))
				ctl := begun(t, stream.Each(c.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
					return src.Take(10).To(got.sink())
				}))
				becomes(t, "all", func() bool { return got.count() >= 200 })
				pass(time.Second)
				got.requireWhole(t, 2, 100)
				drainedAll(t, ctl)
			})
		})
		t.Run(fmt.Sprint("failed, batches of ", batch), func(t *testing.T) {
			withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
				for from := 0; from < 100; from += min(batch, 100) {
					fillPartitions(t, k, "in", 2, from, min(batch, 100))
				}
				got := newGathered()
				var mu sync.Mutex
				failed := map[string]bool{}
				c := consumer.New(readerOf(k), consumer.Topics("in"))
				ctl := begun(t, stream.Each(c.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
					return src.To(stream.ForEach(func(_ context.Context, r *strRecord) error {
						mu.Lock()
						defer mu.Unlock()
						if r.Offset()%10 == 9 && !failed[r.Value] {
							failed[r.Value] = true
							return errBad
						}
						got.add(r)
						return nil
					}))
				}, stream.OnError(stream.Skip())))
				becomes(t, "all", func() bool { return got.count() >= 200 })
				pass(time.Second)
				got.requireWhole(t, 2, 100)
				require.Len(t, failed, 20)
				drainedAll(t, ctl)
			})
		})
	}
}

// The same with records that come all the time, and what is finished committed: the next run has
// nothing left.
func TestNoGapWhileRecordsCome(t *testing.T) {
	withTopic(t, 3, func(t *testing.T, k *kafkatest.Broker) {
		got := newGathered()
		c := consumer.New(readerOf(k), consumer.Topics("in"))
		ctl := begun(t, stream.Each(c.CommittablePartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strMessage]) stream.Graph {
			taken := stream.Map(src.Take(7), func(m *strMessage) envelope.Committable { got.add(&m.Record); return m.Offset })
			return taken.To(consumer.CommitterSink(settings.NewCommitter()))
		}))
		for from := 0; from < 200; from += 5 {
			fillPartitions(t, k, "in", 3, from, 5)
			pass(time.Duration(from%4) * 10 * time.Millisecond)
		}
		becomes(t, "all", func() bool { return got.count() >= 600 })
		drainedAll(t, ctl)
		got.requireWhole(t, 3, 200)
		for p := range int32(3) {
			require.EqualValues(t, 200, kafkatest.CommittedOffset(t, k, readGroup, "in", p))
		}
	})
}

// With one child at a time, each partition's turn comes when the one before has ended; nothing is
// fetched of those that wait.
func TestOneSubStreamAtATime(t *testing.T) {
	withTopic(t, 20, func(t *testing.T, k *kafkatest.Broker) {
		fillPartitions(t, k, "in", 20, 0, 50)
		got, kids := newGathered(), newChildren()
		c := consumer.New(readerOf(k), consumer.Topics("in"), consumer.ToEnd())
		require.NoError(t, outcome(t, begun(t, stream.Each(c.PlainPartitionedSource(), 1, func(p consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
			return kids.watch(p, src, func(_ context.Context, r *strRecord) error { got.add(r); return nil })
		}))))
		got.requireWhole(t, 20, 50)
		for p := range int32(20) {
			begun, ended := kids.of(p)
			require.Equal(t, 1, begun)
			require.Equal(t, 1, ended)
		}
	})
}

// A drain finishes what the sub-streams have, commits it, and ends them.
func TestDrainOfSubStreams(t *testing.T) {
	withTopic(t, 4, func(t *testing.T, k *kafkatest.Broker) {
		fillPartitions(t, k, "in", 4, 0, 200)
		got := newGathered()
		c := consumer.New(readerOf(k), consumer.Topics("in"))
		run := func() *stream.Control {
			return begun(t, stream.Each(c.CommittablePartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strMessage]) stream.Graph {
				done := stream.MapAsync(src, 8, func(_ context.Context, m *strMessage) (envelope.Committable, error) {
					<-time.After(time.Duration(1+m.Record.Offset()%3) * 10 * time.Millisecond)
					got.add(&m.Record)
					return m.Offset, nil
				})
				return done.To(consumer.CommitterSink(settings.NewCommitter()))
			}))
		}
		ctl := run()
		becomes(t, "some", func() bool { return got.count() > 100 })
		drainedAll(t, ctl)
		require.ErrorIs(t, outcome(t, ctl), stream.ErrDrained)
		for p := range int32(4) {
			want := int64(len(got.of(p)))
			if want == 0 { // its sub-stream began while a fetch of the others' was under way
				want = -1
			}
			require.Equal(t, want, kafkatest.CommittedOffset(t, k, readGroup, "in", p))
		}
		ctl = run()
		becomes(t, "all", func() bool { return got.count() >= 800 })
		drainedAll(t, ctl)
		requireOnce(t, 4, 200, got)
	})
}

// Each's child that fails fails the run, and says where.
func TestSubStreamFails(t *testing.T) {
	withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
		fillPartitions(t, k, "in", 2, 0, 50)
		c := consumer.New(readerOf(k), consumer.Topics("in"))
		err := outcome(t, begun(t, eachMessage(c.CommittablePartitionedSource(), func(_ context.Context, r *strRecord) error {
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
	withTopic(t, 1, func(t *testing.T, k *kafkatest.Broker) {
		fillPartitions(t, k, "in", 1, 0, 5)
		c := consumer.New(readerOf(k), consumer.Topics("in"), consumer.ToEnd())
		got := newGathered()
		require.NoError(t, outcome(t, begun(t, stream.Each(c.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
			_, err := src.To(got.sink()).Start(context.Background())
			if err == nil {
				t.Error("it runs by itself")
			}
			return src.To(got.sink())
		}))))
		got.requireWhole(t, 1, 5)
	})
}
