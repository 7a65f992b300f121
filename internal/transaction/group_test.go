package transaction_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/transaction"
	"github.com/vicuna-go/vicuna/kafkatest"
)

// A partition that was taken away takes the whole transaction with it: what was made of its records
// cannot be taken out.
func TestAPartitionThatIsGoneAborts(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.fill(2)
		c := w.member()
		recs := c.poll(2)
		c.begin()
		c.copy(recs...)
		c.owner.Leave()
		requireOutcome(t, c.commit(), transaction.Aborted, transaction.Usable, transaction.Rebalance)
		w.agree(0, 0)
	})
}

// Whom the group has put out commits nothing any more.
func TestAMemberThatWasPutOutAborts(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.fill(2)
		c := w.member()
		recs := c.poll(2)
		c.begin()
		c.copy(recs...)
		w.putOut(c)
		o := c.commit()
		requireOutcome(t, o, transaction.Aborted, transaction.Usable, transaction.Rebalance)
		w.agree(0, 0)
	})
}

// Who resolves a doubt after the partitions have got another owner may not be able to tell, and
// says so; one that has not been moved is enough.
func TestDoubtAfterPartitionsHaveMoved(t *testing.T) {
	for _, moved := range []struct {
		name    string
		offsets map[int32]int64
		want    transaction.Ended
	}{
		{"one", map[int32]int64{0: 2}, transaction.Committed},
		{"all", map[int32]int64{0: 2, 1: 2}, transaction.Unresolved},
	} {
		t.Run(moved.name, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				w.fill(2)
				alive, kill := context.WithCancel(t.Context())
				c := w.member(kgo.WithContext(alive))
				recs := c.poll(2)
				c.begin()
				c.copy(first(recs, 1)...)
				// The client dies with its commit.
				stop := w.OnAnswer(func(kafkatest.Answer) bool {
					kill()
					return false
				}, kmsg.EndTxn)
				o := c.Commit(t.Context(), c.cutAt(1), c.produced)
				stop()
				requireOutcome(t, o, transaction.Unresolved, transaction.Unusable, transaction.Lost)
				var unresolved *transaction.UnresolvedError
				require.ErrorAs(t, o.Err, &unresolved)
				require.Len(t, w.log.Lines("is not known"), 1)

				w.empty()
				w.commitAs(moved.offsets)
				next := w.copier(kgo.ConsumerGroup(group), kgo.ConsumeTopics(in), kgo.DisableAutoCommit())
				require.NoError(t, next.Init(t.Context()))
				o = next.Resolve(t.Context(), o.Doubt)
				require.Equal(t, moved.want.String(), o.Ended.String(), "%v", o)
				require.Equal(t, transaction.Usable, o.Client)
				require.Equal(t, [partitions]int64{1, 1}, w.visible())
			})
		})
	}
}

// Members of each sort commit as who they are, and are fenced as such.
func TestMembers(t *testing.T) {
	for _, m := range []struct {
		name string
		opts []kgo.Opt
	}{
		{"eager", []kgo.Opt{kgo.Balancers(kgo.RangeBalancer())}},
		{"static", []kgo.Opt{kgo.InstanceID("one")}},
		{"KIP-848", []kgo.Opt{kgo.ServerSideBalancer(), kgo.Balancers(kgo.CooperativeStickyBalancer())}},
		{"KIP-848 static", []kgo.Opt{kgo.ServerSideBalancer(), kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.InstanceID("one")}},
	} {
		t.Run(m.name, func(t *testing.T) {
			inWorld(t, protocol{}, func(t *testing.T, w *world) {
				w.fill(3)
				c := w.member(m.opts...)
				recs := c.poll(3)
				c.begin()
				c.copy(first(recs, 2)...)
				var instance *string
				stop := w.OnAnswer(func(a kafkatest.Answer) bool {
					instance = a.Request.(*kmsg.TxnOffsetCommitRequest).InstanceID
					return true
				}, kmsg.TxnOffsetCommit)
				requireCommitted(t, c.commit())
				stop()
				w.agree(2, 2)
				require.Equal(t, len(m.opts) == 3 || m.name == "static", instance != nil)
				c.begin()
				c.copy(between(recs, 2, 3)...)
				w.putOut(c)
				requireOutcome(t, c.commit(), transaction.Aborted, transaction.Usable, transaction.Rebalance)
				w.agree(2, 2)
			})
		})
	}
}
