package transaction_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/transaction"
	"github.com/vicuna-go/vicuna/kafkatest"
)

// What is committed is the cut, not what was polled; and what can be read is what was copied before
// it.
func TestCommitOfACut(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.fill(10)
		c := w.member()
		recs := c.poll(10)
		c.begin()
		c.copy(first(recs, 3)...)
		w.agree(0, 0)
		requireCommitted(t, c.commit())
		w.agree(3, 3)
		c.begin()
		c.copy(between(recs, 3, 7)...)
		requireCommitted(t, c.commit())
		w.agree(7, 7)
		require.Zero(t, c.plain)
	})
}

func TestAbortLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.fill(4)
		c := w.member()
		recs := c.poll(4)
		c.begin()
		c.copy(recs...)
		require.NoError(t, c.cl.Flush(t.Context()))
		o := c.Abort(t.Context())
		requireOutcome(t, o, transaction.Aborted, transaction.Usable, transaction.Asked)
		require.NoError(t, o.Err)
		w.agree(0, 0)
		require.Len(t, kafkatest.ReadAllUncommitted(t, w.Broker, out), 8)
		c.begin()
		c.copy(first(recs, 2)...)
		requireCommitted(t, c.Commit(t.Context(), c.cutAt(2), c.produced))
		w.agree(2, 2)
	})
}

// An epoch that has produced nothing is no transaction for the brokers: its offsets are committed
// plainly, and one that has nothing at all asks for nothing.
func TestOffsetsOnly(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.fill(4)
		c := w.member()
		recs := c.poll(4)
		c.begin()
		requireCommitted(t, c.Commit(t.Context(), nil, c.produced))
		require.Zero(t, c.plain)
		c.begin()
		c.pass(first(recs, 2)...)
		requireCommitted(t, c.commit())
		require.Equal(t, 1, c.plain)
		require.Equal(t, [partitions]int64{2, 2}, w.committed())
		require.Zero(t, w.visible())
	})
}

func TestProducedWithoutOffsets(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.copier() // in no group
		require.NoError(t, c.Init(t.Context()))
		c.begin()
		c.copy(&kgo.Record{Topic: in, Value: []byte("0/0")})
		requireCommitted(t, c.Commit(t.Context(), nil, c.produced))
		require.EqualValues(t, 1, w.visible()[0])
	})
}

// The offsets go out as the protocol of the brokers' transactions wants it, whatever versions the
// brokers offer; topics are named by their ids where those are known.
func TestVersions(t *testing.T) {
	for _, p := range protocols() {
		t.Run(p.name, func(t *testing.T) {
			inWorld(t, p, func(t *testing.T, w *world) {
				w.fill(2)
				asked := make(chan string, 10)
				w.OnAnswer(func(a kafkatest.Answer) bool {
					asked <- fmt.Sprint(kmsg.NameForKey(a.Request.Key()), " ", a.Request.GetVersion())
					return true
				}, kmsg.TxnOffsetCommit, kmsg.AddOffsetsToTxn)
				m := w.member()
				recs := m.poll(2)
				m.begin()
				m.copy(recs...)
				requireCommitted(t, m.commit())
				w.agree(2, 2)
				if p.name == "TV2" {
					require.Equal(t, "TxnOffsetCommit 6", <-asked)
				} else {
					require.Contains(t, <-asked, "AddOffsetsToTxn ")
					require.Equal(t, "TxnOffsetCommit 4", <-asked)
				}
				require.Empty(t, asked)
			})
		})
	}
}

// A failed record aborts, also where all the others were acknowledged, and all that failed leaves
// nothing open.
func TestAFailedProduceAborts(t *testing.T) {
	for _, all := range []bool{false, true} {
		each(t, func(t *testing.T, w *world) {
			w.fill(2)
			c := w.member()
			recs := c.poll(2)
			c.begin()
			if !all {
				c.copy(first(recs, 1)...)
				require.NoError(t, c.cl.Flush(t.Context()))
			}
			c.sent++
			c.cl.Produce(t.Context(), &kgo.Record{Topic: out, Value: make([]byte, 4<<20)}, func(_ *kgo.Record, err error) { c.err = err })
			c.pass(first(recs, 1)...)
			o := c.commit()
			requireOutcome(t, o, transaction.Aborted, transaction.Usable, transaction.FailedProduce)
			var aborted *transaction.AbortedError
			require.ErrorAs(t, o.Err, &aborted)
			require.ErrorContains(t, o.Err, "MESSAGE_TOO_LARGE")
			w.agree(0, 0)
			c.begin()
			c.copy(recs...)
			requireCommitted(t, c.commit())
			w.agree(2, 2)
		})
	}
}

// Life may end at any time before the commit is asked for: then it is aborted, and truly so.
func TestLifeEnds(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.fill(1)
		c := w.member()
		recs := c.poll(1)
		c.begin()
		c.copy(recs...)
		require.NoError(t, c.cl.Flush(t.Context()))
		life, end := context.WithCancel(t.Context())
		end()
		requireOutcome(t, c.Commit(life, c.cut(), c.produced), transaction.Aborted, transaction.Usable, transaction.Stopped)
		w.agree(0, 0)

		c.begin()
		c.copy(recs...)
		life, end = context.WithCancel(t.Context())
		stop := w.OnAnswer(func(kafkatest.Answer) bool { end(); return true }, kmsg.EndTxn)
		defer stop()
		requireCommitted(t, c.Commit(life, c.cut(), c.produced))
		require.Error(t, life.Err(), "it has ended while the commit was on its way")
		w.agree(1, 1)
	})
}

// Brokers that fence no member's offsets are refused, but to who has no group.
func TestOldBrokers(t *testing.T) {
	inWorld(t, protocol{version: "2.4"}, func(t *testing.T, w *world) {
		c := w.consumer()
		var unsupported *transaction.UnsupportedError
		require.ErrorAs(t, c.Init(t.Context()), &unsupported)
		require.ErrorContains(t, unsupported, "Kafka 2.5")
		require.ErrorAs(t, c.Begin(), &unsupported)
		alone := w.copier()
		require.NoError(t, alone.Init(t.Context()))
	})
	inWorld(t, protocol{version: "2.5"}, func(t *testing.T, w *world) {
		w.fill(2)
		c := w.member()
		recs := c.poll(2)
		c.begin()
		c.copy(recs...)
		requireCommitted(t, c.commit())
		w.agree(2, 2)
	})
}

func TestNotBegun(t *testing.T) {
	inWorld(t, protocol{}, func(t *testing.T, w *world) {
		c := w.copier()
		require.ErrorIs(t, c.Begin(), transaction.ErrNotTaken)
		require.Equal(t, transaction.Unusable, c.Abort(t.Context()).Client)
		require.NoError(t, c.Init(t.Context()))
		require.ErrorIs(t, c.Commit(t.Context(), nil, c.produced).Err, transaction.ErrNotBegun)
		require.ErrorIs(t, c.Abort(t.Context()).Err, transaction.ErrNotBegun)
		_, err := transaction.New(transaction.Options{Client: w.client()})
		require.ErrorIs(t, err, transaction.ErrNoTransactionalID)
	})
}

// first are the first n of each partition.
func first(recs []*kgo.Record, n int64) []*kgo.Record { return between(recs, 0, n) }

func between(recs []*kgo.Record, from, end int64) (some []*kgo.Record) {
	for _, r := range recs {
		if r.Offset >= from && r.Offset < end {
			some = append(some, r)
		}
	}
	return some
}
