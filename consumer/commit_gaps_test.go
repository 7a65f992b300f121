package consumer_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// transactions writes n transactions of so many records each; every third is aborted. It returns
// the values of those that are not.
func transactions(t *testing.T, w *grouptest.World, p int32, n, each int) (committed []string) {
	t.Helper()
	cl, err := kgo.NewClient(append(w.ClientOptions(), kgo.TransactionalID("writer"+strconv.Itoa(int(p))), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	require.NoError(t, err)
	defer cl.Close()
	for i := range n {
		require.NoError(t, cl.BeginTransaction())
		end := kgo.TryCommit
		if i%3 == 1 {
			end = kgo.TryAbort
		}
		for j := range each {
			rec := kgo.StringRecord(strconv.Itoa(i*each + j))
			rec.Topic, rec.Partition = w.Topic, p
			require.NoError(t, cl.ProduceSync(t.Context(), rec).FirstErr())
			if end == kgo.TryCommit {
				committed = append(committed, string(rec.Value))
			}
		}
		require.NoError(t, cl.EndTransaction(t.Context(), end))
	}
	return committed
}

// Offsets that no record has, of transactions' markers and of what was aborted, do not stop the
// offset.
func TestCommitOverTransactions(t *testing.T) {
	for _, level := range []settings.IsolationLevel{settings.ReadCommitted, settings.ReadUncommitted} {
		t.Run(level.String(), func(t *testing.T) {
			grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
				want := len(transactions(t, w, 0, 9, 4)) // 9 × (4 records and a marker)
				if level == settings.ReadUncommitted {
					want = 36
				}
				var got []string
				c := w.Consumer(settings.Isolation(level))
				ctl := w.Start(grouptest.Offsets(stream.MapAsyncUnordered(c.CommittableSource(), 8, func(_ context.Context, m *strMessage) (*strMessage, error) {
					return m, nil
				}).Tap(func(m *strMessage) { got = append(got, m.Value) })).To(consumer.CommitterSink(quickly())))
				w.Journal.AwaitCommit(t, 0, 44) // after the last record
				require.NoError(t, ctl.Drain(t.Context()))
				require.Len(t, got, want)
				w.Journal.RequireForward(t)
				require.Zero(t, w.Rest().Count())
				// And further on.
				w.Write(0, 0, 10)
				require.NoError(t, grouptest.Offsets(w.ToEnd(settings.Isolation(level)).CommittableSource()).To(consumer.CommitterSink(onlyAtTheEnd())).Run(t.Context()))
				require.EqualValues(t, 55, w.Committed(0))
			})
		})
	}
}

// A log that begins after what is committed, and one of which the middle is gone while it is read.
func TestCommitOverDeletedRecords(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		require.NoError(t, grouptest.Offsets(w.Consumer().CommittableSource().Take(10)).To(consumer.CommitterSink(quickly())).Run(t.Context()))
		deleteBefore(t, w, 0, 60)
		var got []int64
		src := w.ToEnd(settings.OutOfRange(settings.ToEarliest)).CommittableSource().Tap(func(m *strMessage) { got = append(got, m.Record.Offset()) })
		require.NoError(t, grouptest.Offsets(src).To(consumer.CommitterSink(onlyAtTheEnd())).Run(t.Context()))
		require.Len(t, got, 40)
		require.EqualValues(t, 60, got[0])
		require.EqualValues(t, 100, w.Committed(0))
		w.Journal.RequireForward(t)
	})
}

func deleteBefore(t *testing.T, w *grouptest.World, p int32, offset int64) {
	t.Helper()
	cl, err := kgo.NewClient(w.ClientOptions()...)
	require.NoError(t, err)
	defer cl.Close()
	os := kadm.Offsets{}
	os.AddOffset(w.Topic, p, offset, -1)
	resp, err := kadm.NewClient(cl).DeleteRecords(t.Context(), os)
	require.NoError(t, err)
	require.NoError(t, resp.Error())
}
