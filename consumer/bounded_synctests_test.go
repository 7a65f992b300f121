//go:build synctests

package consumer_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// transact writes numbered records to a partition in a transaction, which ends as said; nil: it is
// left open until the test is over.
func transact(t testing.TB, w *grouptest.World, id string, p int32, from, n int, commit *bool) {
	t.Helper()
	cl, err := kgo.NewClient(append(w.ClientOptions(), kgo.TransactionalID(id), kgo.DefaultProduceTopic("in"), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	require.NoError(t, err)
	if commit != nil {
		defer cl.Close()
	} else {
		t.Cleanup(cl.Close)
	}
	require.NoError(t, cl.BeginTransaction())
	for _, v := range grouptest.Values(p, from, n) {
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
	onAllSources(t, 3, func(t *testing.T, w *grouptest.World, graph sourceGraph) {
		c := w.ToEnd()
		require.NoError(t, w.Outcome(w.Start(graph(c, func(context.Context, *strRecord) error {
			t.Error("a record")
			return nil
		}))))
	})
}

// Logs that end with transactions' markers, and with records that are not given out, have an end
// too; also where everything is read again from a committed offset.
func TestToEndOfTransactions(t *testing.T) {
	onAllSources(t, 4, func(t *testing.T, w *grouptest.World, graph sourceGraph) {
		w.Fill(4, 0, 10)
		transact(t, w, "a", 0, 10, 10, &commitIt)
		transact(t, w, "b", 1, 10, 10, &abortIt)
		transact(t, w, "c", 2, 10, 10, &abortIt)
		transact(t, w, "d", 2, 20, 10, &commitIt)
		transact(t, w, "e", 2, 30, 10, &abortIt)
		transact(t, w, "f", 3, 10, 10, nil)
		for _, isolation := range isolations {
			got := &grouptest.Deliveries{}
			group := settings.Group(isolation.String())
			c := consumer.New(w.Settings(settings.Isolation(isolation)).With(group), consumer.Topics("in"), consumer.ToEnd())
			take := got.Take
			require.NoError(t, w.Outcome(w.Start(graph(c, take))))
			if isolation == settings.ReadUncommitted {
				require.Equal(t, []int{20, 20, 40, 20}, []int{len(got.Values(0)), len(got.Values(1)), len(got.Values(2)), len(got.Values(3))})
				got.RequireWhole(t, 2, 20)
			} else {
				require.Equal(t, grouptest.Values(0, 0, 20), got.Values(0))
				require.Equal(t, grouptest.Values(1, 0, 10), got.Values(1))
				require.Equal(t, append(grouptest.Values(2, 0, 10), grouptest.Values(2, 20, 10)...), got.Values(2))
				require.Equal(t, grouptest.Values(3, 0, 10), got.Values(3))
			}
			// again: whatever is committed is behind a record, and before the marker
			require.NoError(t, readAndCommit(c, func(context.Context, *strRecord) error { return nil }).Run(t.Context()))
			more := &grouptest.Deliveries{}
			require.NoError(t, w.Outcome(w.Start(graph(c, func(_ context.Context, r *strRecord) error { more.Add(r); return nil }))))
			require.Zero(t, more.Count())
		}
	})
}

// batchOf is a batch of the first n numbered records of partition 0, as compaction leaves it: its
// offsets are so many from base on, and the last ones have no record any more.
func batchOf(base int64, offsets, n int) []byte {
	var records []byte
	for i, v := range grouptest.Values(0, int(base), n) {
		r := kmsg.Record{OffsetDelta: int32(i), Value: []byte(v)}
		r.Length = int32(len(r.AppendTo(nil)) - 1) // without itself, which is one byte here
		records = r.AppendTo(records)
	}
	b := kmsg.RecordBatch{
		FirstOffset: base, PartitionLeaderEpoch: -1, Magic: 2, LastOffsetDelta: int32(offsets - 1),
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: int32(n), Records: records,
	}
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

// answerWith answers fetches of partition 0 from offsets before the end with batches.
func answerWith(w *grouptest.World, end int64, batches ...[]byte) {
	cluster := w.Cluster()
	id := cluster.TopicInfo("in").TopicID
	cluster.ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		req := r.(*kmsg.FetchRequest)
		if len(req.Topics) != 1 || req.Topics[0].Partitions[0].FetchOffset >= end {
			return nil, nil, false
		}
		from := req.Topics[0].Partitions[0].FetchOffset
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic, topic.TopicID = "in", id
		p := kmsg.NewFetchResponseTopicPartition()
		p.HighWatermark, p.LastStableOffset, p.LogStartOffset = end, end, 0
		p.RecordBatches = []byte{}
		for _, b := range batches {
			if last := int64(binary.BigEndian.Uint64(b)) + int64(binary.BigEndian.Uint32(b[23:])); last >= from {
				p.RecordBatches = append(p.RecordBatches, b...)
			}
		}
		topic.Partitions = append(topic.Partitions, p)
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
}

// compacts lets the topic be compacted, and its tombstones go at once.
func compacts(t *testing.T, w *grouptest.World) {
	t.Helper()
	cl, err := kgo.NewClient(w.ClientOptions()...)
	require.NoError(t, err)
	defer cl.Close()
	_, err = kadm.NewClient(cl).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{
		{Op: kadm.SetConfig, Name: "cleanup.policy", Value: kadm.StringPtr("compact")},
		{Op: kadm.SetConfig, Name: "delete.retention.ms", Value: kadm.StringPtr("0")},
	}, "in")
	require.NoError(t, err)
}

// tails are logs whose last offsets before the end hold nothing that can be read: five records come
// before, or none.
var tails = map[string]struct {
	write   func(t *testing.T, w *grouptest.World)
	records int
}{
	"the last records of a batch were compacted away": {func(t *testing.T, w *grouptest.World) {
		w.Fill(1, 0, 10)
		answerWith(w, 10, batchOf(0, 10, 5))
	}, 5},
	"all records of the last batch were": {func(t *testing.T, w *grouptest.World) {
		w.Fill(1, 0, 10)
		answerWith(w, 10, batchOf(0, 5, 5), batchOf(5, 5, 0))
	}, 5},
	"the last batch was": {func(t *testing.T, w *grouptest.World) {
		compacts(t, w)
		for i, v := range grouptest.Values(0, 0, 5) {
			kafkatest.ProduceTo(t, w.Broker, "in", 0, kgo.KeyStringRecord(fmt.Sprint(i), v))
		}
		for i := range 5 {
			kafkatest.ProduceTo(t, w.Broker, "in", 0, &kgo.Record{Key: []byte(fmt.Sprint("gone", i))})
		}
		transact(t, w, "open", 0, 10, 1, nil)
		w.Cluster().Compact()
	}, 5},
	"everything was aborted, with its marker after the start of an open transaction": {func(t *testing.T, w *grouptest.World) {
		cl, err := kgo.NewClient(append(w.ClientOptions(), kgo.TransactionalID("aborted"), kgo.DefaultProduceTopic("in"), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
		require.NoError(t, err)
		defer cl.Close()
		require.NoError(t, cl.BeginTransaction())
		require.NoError(t, cl.ProduceSync(context.Background(), kgo.StringRecord("aborted"), kgo.StringRecord("too")).FirstErr())
		transact(t, w, "open", 0, 2, 1, nil)
		require.NoError(t, cl.EndTransaction(context.Background(), kgo.TryAbort))
	}, 0},
}

// A log ends where it ends, though no record shows that: a bounded run completes soon, and gives
// out what there is; and the next one, which begins after the last record, as well.
func TestToEndOfATail(t *testing.T) {
	for name, tail := range tails {
		t.Run(name, func(t *testing.T) {
			onAllSources(t, 1, func(t *testing.T, w *grouptest.World, graph sourceGraph) {
				tail.write(t, w)
				c := w.ToEnd(settings.Isolation(settings.ReadCommitted))
				got := &grouptest.Deliveries{}
				began := time.Now()
				take := got.Take
				require.NoError(t, w.Outcome(w.Start(graph(c, take))))
				require.Less(t, time.Since(began), 5*time.Second)
				got.RequireWhole(t, 1, tail.records)
				require.NoError(t, w.Outcome(w.Start(readAndCommit(c, take))))
				more := &grouptest.Deliveries{}
				require.NoError(t, w.Outcome(w.Start(graph(c, func(_ context.Context, r *strRecord) error { more.Add(r); return nil }))))
				require.Zero(t, more.Count())
			})
		})
	}
}

// A stage that holds records for more is not waited for, where nothing more comes.
func TestToEndOfATailWithABatch(t *testing.T) {
	grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Fill(1, 0, 10)
		answerWith(w, 10, batchOf(0, 10, 5))
		c := w.ToEnd()
		began := time.Now()
		batches, err := stream.Collect(t.Context(), stream.Batch(c.PlainSource(), 1000, time.Hour))
		require.NoError(t, err)
		require.Len(t, batches, 1)
		require.Len(t, batches[0], 5)
		require.Less(t, time.Since(began), 5*time.Second)
	})
}

// Where records are there, and only late, nothing is left out: while the broker refuses fetches it
// says nothing of what there is.
func TestToEndIsNotGuessed(t *testing.T) {
	onAllSources(t, 1, func(t *testing.T, w *grouptest.World, graph sourceGraph) {
		w.Fill(1, 0, 10)
		refused := w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.NotLeaderForPartition, Count: -1})
		c := w.ToEnd()
		got := &grouptest.Deliveries{}
		ctl := w.Start(graph(c, got.Take))
		w.Pass(time.Minute)
		require.Zero(t, got.Count())
		select {
		case <-ctl.Done():
			t.Fatal("it has ended: ", ctl.Err())
		default:
		}
		refused.Remove()
		require.NoError(t, w.Outcome(ctl))
		got.RequireWhole(t, 1, 10)
	})
}

// What comes while it is read is not read: the end is that of the start.
func TestToEndIsThatOfTheStart(t *testing.T) {
	onAllSources(t, 2, func(t *testing.T, w *grouptest.World, graph sourceGraph) {
		w.Fill(2, 0, 40)
		got := &grouptest.Deliveries{}
		c := w.ToEnd()
		ctl := w.Start(graph(c, func(_ context.Context, r *strRecord) error {
			<-time.After(10 * time.Millisecond)
			got.Add(r)
			return nil
		}))
		w.Until("some", func() bool { return got.Count() > 5 })
		w.Fill(2, 40, 40)
		require.NoError(t, w.Outcome(ctl))
		got.RequireWhole(t, 2, 40)
	})
}

// Records come all the time, also while the ends are being asked for: what is given out is a
// beginning of each partition, without the records after the ends.
func TestToEndWhileRecordsCome(t *testing.T) {
	for _, delay := range []time.Duration{0, 20 * time.Millisecond} {
		t.Run(fmt.Sprint(delay), func(t *testing.T) {
			grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
				w.Fill(2, 0, 5)
				w.Delay(delay)
				c := w.ToEnd()
				got := &grouptest.Deliveries{}
				ctl := w.Start(c.PlainSource().To(got.Sink()))
				from := 5
				for ; got.Count() == 0; from++ {
					w.Fill(2, from, 1)
				}
				w.Fill(2, from, 100)
				require.NoError(t, w.Outcome(ctl))
				for p := range int32(2) {
					n := len(got.Values(p))
					require.GreaterOrEqual(t, n, 5)
					require.LessOrEqual(t, n, from)
					require.Equal(t, grouptest.Values(p, 0, n), got.Values(p))
				}
			})
		})
	}
}

// Answers that are late do not move the ends: what comes meanwhile lies behind them.
func TestToEndWaitsForTheEnds(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Fill(2, 0, 5)
		// so that the client itself has nothing to ask
		w.CommitAs(w.Group, map[int32]int64{0: 0, 1: 0})
		asked := make(chan struct{})
		cluster := w.Cluster()
		for p := range int32(2) { // who is slow with the offsets is not slow with the group
			require.NoError(t, cluster.MoveTopicPartition("in", p, 1-cluster.CoordinatorFor(w.Group)))
		}
		cluster.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
			// the beginnings, which are asked for after the ends
			if req.(*kmsg.ListOffsetsRequest).Topics[0].Partitions[0].Timestamp == -2 {
				cluster.SleepControl(func() {
					close(asked)
					<-time.After(2 * time.Second)
				})
			} else {
				cluster.KeepControl()
			}
			return nil, nil, false
		})
		c := w.ToEnd()
		got := &grouptest.Deliveries{}
		ctl := w.Start(c.PlainSource().To(got.Sink()))
		<-asked
		w.Fill(2, 5, 100)
		require.NoError(t, w.Outcome(ctl))
		got.RequireWhole(t, 2, 5)
	}, grouptest.Broker(kafkatest.Brokers(2)))
}

// Two members share the work, and both complete; who is done first leaves, and the other finds
// nothing left in his partitions.
func TestToEndWithTwoMembers(t *testing.T) {
	for _, protocol := range []settings.GroupProtocol{settings.CooperativeSticky, settings.Eager, settings.ConsumerProtocol} {
		t.Run(protocol.String(), func(t *testing.T) {
			grouptest.Calmly(t, 4, func(t *testing.T, w *grouptest.World) {
				w.Fill(4, 0, 100)
				transact(t, w, "a", 3, 100, 1, &abortIt)
				one, two := &grouptest.Deliveries{}, &grouptest.Deliveries{}
				member := func(got *grouptest.Deliveries, each time.Duration) *stream.Control {
					c := w.ToEnd(settings.Protocol(protocol), settings.Isolation(settings.ReadCommitted))
					return w.Start(readAndCommit(c, func(_ context.Context, r *strRecord) error {
						<-time.After(each)
						got.Add(r)
						return nil
					}))
				}
				first := member(one, 10*time.Millisecond)
				w.Until("some", func() bool { return one.Count() > 20 })
				second := member(two, 15*time.Millisecond)
				require.NoError(t, w.Outcome(first))
				require.NoError(t, w.Outcome(second))
				require.Positive(t, two.Count())
				requireOnce(t, 4, 100, one, two)
			})
		})
	}
}

// What was given up is delivered again before it completes.
func TestToEndWithSubStreamsThatFail(t *testing.T) {
	grouptest.Calmly(t, 3, func(t *testing.T, w *grouptest.World) {
		w.Fill(3, 0, 40)
		transact(t, w, "a", 1, 40, 3, &abortIt)
		got := &grouptest.Deliveries{}
		failed := map[string]bool{}
		c := w.ToEnd(settings.Isolation(settings.ReadCommitted))
		require.NoError(t, w.Outcome(w.Start(stream.Each(c.PlainPartitionedSource(), 1, func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
			return src.To(stream.ForEach(func(_ context.Context, r *strRecord) error {
				if r.Offset()%13 == 0 && !failed[r.Value] { // the first and the last too
					failed[r.Value] = true
					return errBad
				}
				got.Add(r)
				return nil
			}))
		}, stream.OnError(stream.Skip())))))
		got.RequireWhole(t, 3, 40)
		require.Len(t, failed, 12)
	})
}

// Holders emit at the end, and it completes without waiting for their time.
func TestToEndWithABatch(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Fill(2, 0, 10)
		c := w.ToEnd()
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
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Fill(2, 0, 50)
		got := &grouptest.Deliveries{}
		c := w.ToEnd()
		ctl := w.Start(readAndCommit(c, func(_ context.Context, r *strRecord) error {
			<-time.After(10 * time.Millisecond)
			got.Add(r)
			return nil
		}))
		w.Until("some", func() bool { return got.Count() > 20 })
		w.Drain(ctl)
		require.ErrorIs(t, w.Outcome(ctl), stream.ErrDrained)
		require.Less(t, got.Count(), 100)
		require.NoError(t, readAndCommit(c, got.Take).Run(t.Context()))
		requireOnce(t, 2, 50, got)
	})
}
