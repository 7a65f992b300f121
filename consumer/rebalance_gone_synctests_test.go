//go:build synctests

package consumer_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
)

// The broker is away at the very moment of a revoke's commit: for so short that the commit can be
// made behind it, or is lost with its answer, or for so long that it cannot be made in its time.
// Nothing is lost in any of them, and nothing doubled where the membership outlasts it.
func TestBrokerGoneAtTheRevokesCommit(t *testing.T) {
	for name, c := range map[string]struct {
		gone    func(t *testing.T, d *desk)
		doubled bool
	}{
		"its connections are cut": {func(_ *testing.T, d *desk) { d.k.DropConnections() }, false},
		"refused for five seconds": {func(_ *testing.T, d *desk) {
			allow := d.k.Refuse()
			<-time.After(5 * time.Second)
			allow()
		}, true}, // the client takes a heartbeat that cannot be sent for a lost membership
		"killed and restarted": {func(t *testing.T, d *desk) {
			d.k.Kill()
			<-time.After(3 * time.Second)
			d.k.Restart(t)
			d.watch()
		}, true}, // all have to join anew: nobody knows who may have the partition meanwhile
		"refused for two minutes": {func(_ *testing.T, d *desk) {
			allow := d.k.Refuse()
			<-time.After(2 * time.Minute)
			allow()
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			kafkatest.Virtual(t, func(t *testing.T, k *kafkatest.Broker) {
				d := newDesk(t, k, 100)
				work := newRelease(t)
				hold := func(ctx context.Context, m deskMessage) error {
					if m.Record.Offset() == 99 {
						return work.wait(ctx)
					}
					return nil
				}
				// Nothing is committed but by revokes.
				first := d.clerk(settings.RevokeTimeout(10*time.Second), settings.CommitTimeout(15*time.Second))
				first.run(first.copies(hold, settings.MaxInterval(time.Hour), settings.MaxBatch(1_000_000)))
				d.await("all to be in work", func() bool { return len(first.offsetsOf(0)) == 100 || len(first.offsetsOf(1)) == 100 })
				second := d.clerk()
				second.run(second.copies(nil))
				d.await("the rebalance", func() bool { return k.Cluster().GroupInfo(deskGroup).State == "PreparingRebalance" })
				<-time.After(time.Second) // the heartbeat has told
				work.now()
				select {
				case <-d.seen:
				case <-time.After(time.Minute):
					t.Fatal("no commit")
				}
				c.gone(t, d)
				d.await("both to have one", func() bool { return len(first.has()) == 1 && len(second.has()) == 1 })
				d.write(0, 100, 110)
				d.write(1, 100, 110)
				require.Nil(t, first.ctl.Err())
				third := d.clerk()
				second.drain()
				third.run(third.copies(nil))
				d.await("both to have one", func() bool { return len(first.has()) == 1 && len(third.has()) == 1 })
				first.drain()
				d.awaitCommitted(0, 110)
				d.awaitCommitted(1, 110)
				third.drain()
				for p := range int32(2) {
					counts := map[int64]int{}
					for _, cl := range []*clerk{first, second, third} {
						for _, o := range cl.offsetsOf(p) {
							counts[o]++
						}
					}
					require.Len(t, counts, 110, "partition %d", p)
					for o, n := range counts {
						require.True(t, n == 1 || c.doubled, "%d@%d was delivered %d times", p, o, n)
					}
				}
			})
		})
	}
}

// A member's session expires: somebody else has its partitions when it hears of it. Nothing of them
// is committed any more, not even what was finished; what was in flight is dropped, and the handler
// is told that they are lost. It joins again, and goes on.
func TestLost(t *testing.T) {
	eachKind(t, virtual, func(t *testing.T, k *kafkatest.Broker, kind groupKind) {
		d := newDesk(t, k, 100)
		wire := newCable(k)
		first := d.clerk(append(kind.opts(0), wire.option(), settings.SessionTimeout(2*time.Second), settings.RevokeTimeout(time.Second))...)
		hold := newRelease(t)
		first.run(first.copies(func(ctx context.Context, m deskMessage) error {
			if m.Record.Offset() == 10 {
				return hold.wait(ctx)
			}
			return nil
		}, settings.MaxInterval(10*time.Millisecond)))
		d.await("ten to be done", func() bool { return d.committed(0) == 10 || d.committed(1) == 10 })
		wire.sever()
		old := d.commitsOf(0, 0)
		old = append(old, d.commitsOf(1, 0)...)
		second := d.clerk(kind.opts(1)...)
		half := newRelease(t)
		second.run(second.copies(func(ctx context.Context, m deskMessage) error {
			if m.Record.Offset() == 50 {
				return half.wait(ctx)
			}
			return nil
		}, settings.MaxInterval(10*time.Millisecond)))
		second.awaitPartitions(2)
		d.await("the second to be in the middle", func() bool { return d.committed(0) == 50 || d.committed(1) == 50 })
		before := d.commitCount()
		wire.mend()
		d.await("the first to hear of it", func() bool { return len(first.happened(consumer.Lost)) > 0 })
		lost := len(first.takenOf(0)) + len(first.takenOf(1))
		hold.now()
		half.now()
		d.awaitCommitted(0, 100)
		d.awaitCommitted(1, 100)
		high := map[int32]int64{}
		for p := range int32(2) {
			for _, c := range d.commitsOf(p, before) {
				// one that was under way when it was cut off is tried again, and refused
				if c.member == old[0].member {
					require.LessOrEqual(t, c.offset, int64(10))
					continue
				}
				require.Greater(t, c.offset, high[p], "a commit went back")
				high[p] = c.offset
			}
			require.Equal(t, upTo(max(0, 0), 100), distinct(first.offsetsOf(p), second.offsetsOf(p)))
		}
		require.NotZero(t, first.dropped())
		t.Logf("lost with %d taken, dropped %d", lost, first.dropped())
		first.drain()
		second.drain()
	})
}

// distinct are all offsets in order, each once.
func distinct(lists ...[]int64) (all []int64) {
	seen := map[int64]bool{}
	for _, l := range lists {
		for _, o := range l {
			seen[o] = true
		}
	}
	for o := int64(0); len(all) < len(seen); o++ {
		if seen[o] {
			all = append(all, o)
		}
	}
	return all
}
