package consumer_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// transactions writes n transactions of so many records each; every third is aborted. It returns
// the values of those that are not.
func (w *commitWorld) transactions(p int32, n, each int) (committed []string) {
	w.t.Helper()
	cl, err := kgo.NewClient(append(w.k.ClientOptions(), kgo.TransactionalID("writer"+strconv.Itoa(int(p))), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	require.NoError(w.t, err)
	defer cl.Close()
	for i := range n {
		require.NoError(w.t, cl.BeginTransaction())
		end := kgo.TryCommit
		if i%3 == 1 {
			end = kgo.TryAbort
		}
		for j := range each {
			rec := kgo.StringRecord(strconv.Itoa(i*each + j))
			rec.Topic, rec.Partition = w.topic, p
			require.NoError(w.t, cl.ProduceSync(w.t.Context(), rec).FirstErr())
			if end == kgo.TryCommit {
				committed = append(committed, string(rec.Value))
			}
		}
		require.NoError(w.t, cl.EndTransaction(w.t.Context(), end))
	}
	return committed
}

// Offsets that no record has, of transactions' markers and of what was aborted, do not stop the
// offset.
func TestCommitOverTransactions(t *testing.T) {
	for _, level := range []settings.IsolationLevel{settings.ReadCommitted, settings.ReadUncommitted} {
		t.Run(level.String(), func(t *testing.T) {
			onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
				w := newCommitWorld(t, k, 0)
				want := len(w.transactions(0, 9, 4)) // 9 × (4 records and a marker)
				if level == settings.ReadUncommitted {
					want = 36
				}
				var got []string
				c := w.consumer(settings.Isolation(level))
				ctl := w.start(offsets(stream.MapAsyncUnordered(c.CommittableSource(), 8, func(_ context.Context, m commitMessage) (commitMessage, error) {
					return m, nil
				}).Tap(func(m commitMessage) { got = append(got, m.Value) })).To(consumer.CommitterSink(quickly())))
				w.log.await(t, 0, 44) // behind the last record
				require.NoError(t, ctl.Drain(t.Context()))
				require.Len(t, got, want)
				w.log.neverBack(t)
				require.Empty(t, w.rest())
				// And further on.
				w.produce(0, 0, 10)
				require.NoError(t, offsets(w.toEnd(settings.Isolation(level)).CommittableSource()).To(consumer.CommitterSink(onlyAtTheEnd())).Run(t.Context()))
				require.EqualValues(t, 55, w.committed(0))
			}, kafkatest.Topics(1, "in"))
		})
	}
}

// A log that begins behind what is committed, and one of which the middle is gone while it is read.
func TestCommitOverDeletedRecords(t *testing.T) {
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 100)
		require.NoError(t, offsets(w.consumer().CommittableSource().Take(10)).To(consumer.CommitterSink(quickly())).Run(t.Context()))
		w.deleteBefore(0, 60)
		var got []int64
		src := w.toEnd(settings.OutOfRange(settings.ToEarliest)).CommittableSource().Tap(func(m commitMessage) { got = append(got, m.Record.Offset()) })
		require.NoError(t, offsets(src).To(consumer.CommitterSink(onlyAtTheEnd())).Run(t.Context()))
		require.Len(t, got, 40)
		require.EqualValues(t, 60, got[0])
		require.EqualValues(t, 100, w.committed(0))
		w.log.neverBack(t)
	}, kafkatest.Topics(1, "in"))
}

func (w *commitWorld) deleteBefore(p int32, offset int64) {
	w.t.Helper()
	cl, err := kgo.NewClient(w.k.ClientOptions()...)
	require.NoError(w.t, err)
	defer cl.Close()
	os := kadm.Offsets{}
	os.AddOffset(w.topic, p, offset, -1)
	resp, err := kadm.NewClient(cl).DeleteRecords(w.t.Context(), os)
	require.NoError(w.t, err)
	require.NoError(w.t, resp.Error())
}
