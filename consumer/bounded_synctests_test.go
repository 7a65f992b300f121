//go:build synctests

package consumer_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// transact writes numbered records to a partition in a transaction, which ends as said; nil: it is left open until the test is over.
func transact(t testing.TB, k *kafkatest.Broker, id string, p int32, from, n int, commit *bool) {
	t.Helper()
	cl, err := kgo.NewClient(append(k.ClientOptions(), kgo.TransactionalID(id), kgo.DefaultProduceTopic("in"), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	require.NoError(t, err)
	if commit != nil {
		defer cl.Close()
	} else {
		t.Cleanup(cl.Close)
	}
	require.NoError(t, cl.BeginTransaction())
	for _, v := range numberedFrom(p, from, n) {
		require.NoError(t, cl.ProduceSync(context.Background(), &kgo.Record{Partition: p, Value: []byte(v)}).FirstErr())
	}
	if commit != nil {
		require.NoError(t, cl.EndTransaction(context.Background(), kgo.TransactionEndTry(*commit)))
	}
}

var (
	commitIt, abortIt = true, false
	isolations        = []settings.IsolationLevel{settings.ReadUncommitted, settings.ReadCommitted}
)

// A bounded read of nothing completes, whatever the source.
func TestToEndOfNothing(t *testing.T) {
	onAllSources(t, 3, func(t *testing.T, k *kafkatest.Broker, graph sourceGraph) {
		c := consumer.New(readerOf(k), consumer.Topics("in"), consumer.ToEnd())
		require.NoError(t, outcome(t, begun(t, graph(c, func(context.Context, *strRecord) error {
			t.Error("a record")
			return nil
		}))))
	})
}

// Logs that end with transactions' markers, and with records that are not given out, have an end too; also where everything is read again from a committed offset.
func TestToEndOfTransactions(t *testing.T) {
	onAllSources(t, 4, func(t *testing.T, k *kafkatest.Broker, graph sourceGraph) {
		fillPartitions(t, k, "in", 4, 0, 10)
		transact(t, k, "a", 0, 10, 10, &commitIt)
		transact(t, k, "b", 1, 10, 10, &abortIt)
		transact(t, k, "c", 2, 10, 10, &abortIt)
		transact(t, k, "d", 2, 20, 10, &commitIt)
		transact(t, k, "e", 2, 30, 10, &abortIt)
		transact(t, k, "f", 3, 10, 10, nil)
		for _, isolation := range isolations {
			got := newGathered()
			group := settings.Group(isolation.String())
			c := consumer.New(readerOf(k, settings.Isolation(isolation)).With(group), consumer.Topics("in"), consumer.ToEnd())
			take := func(_ context.Context, r *strRecord) error { got.add(r); return nil }
			require.NoError(t, outcome(t, begun(t, graph(c, take))))
			if isolation == settings.ReadUncommitted {
				require.Equal(t, []int{20, 20, 40, 20}, []int{len(got.of(0)), len(got.of(1)), len(got.of(2)), len(got.of(3))})
				got.requireWhole(t, 2, 20)
			} else {
				require.Equal(t, numberedFrom(0, 0, 20), got.of(0))
				require.Equal(t, numberedFrom(1, 0, 10), got.of(1))
				require.Equal(t, append(numberedFrom(2, 0, 10), numberedFrom(2, 20, 10)...), got.of(2))
				require.Equal(t, numberedFrom(3, 0, 10), got.of(3))
			}
			// again: whatever is committed is behind a record, and before the marker
			require.NoError(t, readAndCommit(c, func(context.Context, *strRecord) error { return nil }).Run(t.Context()))
			more := newGathered()
			require.NoError(t, outcome(t, begun(t, graph(c, func(_ context.Context, r *strRecord) error { more.add(r); return nil }))))
			require.Zero(t, more.count())
		}
	})
}

// What comes while it is read is not read: the end is that of the start.
func TestToEndIsThatOfTheStart(t *testing.T) {
	onAllSources(t, 2, func(t *testing.T, k *kafkatest.Broker, graph sourceGraph) {
		fillPartitions(t, k, "in", 2, 0, 40)
		got := newGathered()
		c := consumer.New(readerOf(k), consumer.Topics("in"), consumer.ToEnd())
		ctl := begun(t, graph(c, func(_ context.Context, r *strRecord) error {
			<-time.After(10 * time.Millisecond)
			got.add(r)
			return nil
		}))
		becomes(t, "some", func() bool { return got.count() > 5 })
		fillPartitions(t, k, "in", 2, 40, 40)
		require.NoError(t, outcome(t, ctl))
		got.requireWhole(t, 2, 40)
	})
}

// Records come all the time, also while the ends are being asked for: what is given out is a beginning of each partition, without the records behind the ends.
func TestToEndWhileRecordsCome(t *testing.T) {
	for _, delay := range []time.Duration{0, 20 * time.Millisecond} {
		t.Run(fmt.Sprint(delay), func(t *testing.T) {
			withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
				fillPartitions(t, k, "in", 2, 0, 5)
				k.Delay(delay)
				c := consumer.New(readerOf(k), consumer.Topics("in"), consumer.ToEnd())
				got := newGathered()
				ctl := begun(t, c.PlainSource().To(got.sink()))
				from := 5
				for ; got.count() == 0; from++ {
					fillPartitions(t, k, "in", 2, from, 1)
				}
				fillPartitions(t, k, "in", 2, from, 100)
				require.NoError(t, outcome(t, ctl))
				for p := range int32(2) {
					n := len(got.of(p))
					require.GreaterOrEqual(t, n, 5)
					require.LessOrEqual(t, n, from)
					require.Equal(t, numberedFrom(p, 0, n), got.of(p))
				}
			})
		})
	}
}

// Answers that are late do not move the ends: what comes meanwhile lies behind them.
func TestToEndWaitsForTheEnds(t *testing.T) {
	withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
		fillPartitions(t, k, "in", 2, 0, 5)
		commitAs(t, k, readGroup, map[int32]int64{0: 0, 1: 0}) // so that the client itself has nothing to ask
		asked := make(chan struct{})
		cluster := k.Cluster()
		for p := range int32(2) { // who is slow with the offsets is not slow with the group
			require.NoError(t, cluster.MoveTopicPartition("in", p, 1-cluster.CoordinatorFor(readGroup)))
		}
		cluster.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
			if req.(*kmsg.ListOffsetsRequest).Topics[0].Partitions[0].Timestamp == -2 { // the beginnings, which are asked for behind the ends
				cluster.SleepControl(func() {
					close(asked)
					<-time.After(2 * time.Second)
				})
			} else {
				cluster.KeepControl()
			}
			return nil, nil, false
		})
		c := consumer.New(readerOf(k), consumer.Topics("in"), consumer.ToEnd())
		got := newGathered()
		ctl := begun(t, c.PlainSource().To(got.sink()))
		<-asked
		fillPartitions(t, k, "in", 2, 5, 100)
		require.NoError(t, outcome(t, ctl))
		got.requireWhole(t, 2, 5)
	}, kafkatest.Brokers(2))
}

// Two members share the work, and both complete; who is done first leaves, and the other finds nothing left in his partitions.
func TestToEndWithTwoMembers(t *testing.T) {
	for _, protocol := range []settings.GroupProtocol{settings.CooperativeSticky, settings.Eager, settings.ConsumerProtocol} {
		t.Run(protocol.String(), func(t *testing.T) {
			withTopic(t, 4, func(t *testing.T, k *kafkatest.Broker) {
				fillPartitions(t, k, "in", 4, 0, 100)
				transact(t, k, "a", 3, 100, 1, &abortIt)
				one, two := newGathered(), newGathered()
				member := func(got *gathered, each time.Duration) *stream.Control {
					c := consumer.New(readerOf(k, settings.Protocol(protocol), settings.Isolation(settings.ReadCommitted)), consumer.Topics("in"), consumer.ToEnd())
					return begun(t, readAndCommit(c, func(_ context.Context, r *strRecord) error {
						<-time.After(each)
						got.add(r)
						return nil
					}))
				}
				first := member(one, 10*time.Millisecond)
				becomes(t, "some", func() bool { return one.count() > 20 })
				second := member(two, 15*time.Millisecond)
				require.NoError(t, outcome(t, first))
				require.NoError(t, outcome(t, second))
				require.Positive(t, two.count())
				requireOnce(t, 4, 100, one, two)
			})
		})
	}
}

// What was given up is delivered again before it completes.
func TestToEndWithSubStreamsThatFail(t *testing.T) {
	withTopic(t, 3, func(t *testing.T, k *kafkatest.Broker) {
		fillPartitions(t, k, "in", 3, 0, 40)
		transact(t, k, "a", 1, 40, 3, &abortIt)
		got := newGathered()
		failed := map[string]bool{}
		c := consumer.New(readerOf(k, settings.Isolation(settings.ReadCommitted)), consumer.Topics("in"), consumer.ToEnd())
		require.NoError(t, outcome(t, begun(t, stream.Each(c.PlainPartitionedSource(), 1, func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
			return src.To(stream.ForEach(func(_ context.Context, r *strRecord) error {
				if r.Offset()%13 == 0 && !failed[r.Value] { // the first and the last too
					failed[r.Value] = true
					return errBad
				}
				got.add(r)
				return nil
			}))
		}, stream.OnError(stream.Skip())))))
		got.requireWhole(t, 3, 40)
		require.Len(t, failed, 12)
	})
}

// Holders emit at the end, and it completes without waiting for their time.
func TestToEndWithABatch(t *testing.T) {
	withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
		fillPartitions(t, k, "in", 2, 0, 10)
		c := consumer.New(readerOf(k), consumer.Topics("in"), consumer.ToEnd())
		began := time.Now()
		batches, err := stream.Collect(t.Context(), stream.Batch(c.PlainSource(), 1000, time.Hour))
		require.NoError(t, err)
		n := 0
		for _, b := range batches {
			n += len(b)
		}
		require.Equal(t, 20, n)
		require.Less(t, time.Since(began), time.Minute)
	})
}

// A drain before the end is one, and says so; what is left comes in the next run.
func TestToEndDrained(t *testing.T) {
	withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
		fillPartitions(t, k, "in", 2, 0, 50)
		got := newGathered()
		c := consumer.New(readerOf(k), consumer.Topics("in"), consumer.ToEnd())
		ctl := begun(t, readAndCommit(c, func(_ context.Context, r *strRecord) error {
			<-time.After(10 * time.Millisecond)
			got.add(r)
			return nil
		}))
		becomes(t, "some", func() bool { return got.count() > 20 })
		drainedAll(t, ctl)
		require.ErrorIs(t, outcome(t, ctl), stream.ErrDrained)
		require.Less(t, got.count(), 100)
		require.NoError(t, readAndCommit(c, func(_ context.Context, r *strRecord) error { got.add(r); return nil }).Run(t.Context()))
		requireOnce(t, 2, 50, got)
	})
}
