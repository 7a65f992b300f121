//go:build synctests

package consumer_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
)

// The broker is away at the very moment of a revoke's commit: for so short that the commit can be
// made after it, or is lost with its answer, or for so long that it cannot be made in its time.
// Nothing is lost in any of them, and nothing doubled where the membership outlasts it.
func TestBrokerGoneAtTheRevokesCommit(t *testing.T) {
	for name, c := range map[string]struct {
		gone    func(t *testing.T, w *grouptest.World)
		doubled bool
	}{
		"its connections are cut": {func(_ *testing.T, w *grouptest.World) { w.DropConnections() }, false},
		"refused for five seconds": {func(_ *testing.T, w *grouptest.World) {
			allow := w.Refuse()
			<-time.After(5 * time.Second)
			allow()
		}, true}, // the client takes a heartbeat that cannot be sent for a lost membership
		"killed and restarted": {func(t *testing.T, w *grouptest.World) {
			w.Kill()
			<-time.After(3 * time.Second)
			w.Restart()
		}, true}, // all have to join anew: nobody knows who may have the partition meanwhile
		"refused for two minutes": {func(_ *testing.T, w *grouptest.World) {
			allow := w.Refuse()
			<-time.After(2 * time.Minute)
			allow()
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
				w.Write(0, 0, 100)
				w.Write(1, 0, 100)
				work := grouptest.NewGate(t)
				hold := func(ctx context.Context, m *strMessage) error {
					if m.Record.Offset() == 99 {
						return work.Wait(ctx)
					}
					return nil
				}
				// Nothing is committed but by revokes.
				first := w.Member(settings.RevokeTimeout(10*time.Second), settings.CommitTimeout(15*time.Second))
				first.Start(first.Works(hold, settings.MaxInterval(time.Hour), settings.MaxBatch(1_000_000)))
				w.Until("all to be in work", func() bool { return len(first.Took.Offsets(0)) == 100 || len(first.Took.Offsets(1)) == 100 })
				second := w.Member()
				second.Start(second.Works(nil))
				w.Until("the rebalance", func() bool { return w.State() == "PreparingRebalance" })
				// The heartbeat has told, and none is on its way: the client takes one that cannot
				// be sent for a lost membership, whatever else is cut.
				<-time.After(time.Second + 50*time.Millisecond)
				work.Open()
				w.Journal.AwaitAnyCommit(t, 0)
				c.gone(t, w)
				w.Until("both to have one", func() bool { return len(first.Has()) == 1 && len(second.Has()) == 1 })
				w.Write(0, 100, 110)
				w.Write(1, 100, 110)
				require.NoError(t, first.Run.Err())
				third := w.Member()
				second.Drain()
				third.Start(third.Works(nil))
				w.Until("both to have one", func() bool { return len(first.Has()) == 1 && len(third.Has()) == 1 })
				first.Drain()
				w.AwaitCommitted(0, 110)
				w.AwaitCommitted(1, 110)
				third.Drain()
				for p := range int32(2) {
					counts := map[int64]int{}
					for _, cl := range []*grouptest.Member{first, second, third} {
						for _, o := range cl.Took.Offsets(p) {
							counts[o]++
						}
					}
					require.Len(t, counts, 110, "partition %d", p)
					for o, n := range counts {
						require.True(t, n == 1 || c.doubled, "%d@%d was delivered %d times", p, o, n)
					}
				}
			}, grouptest.Durable())
		})
	}
}

// A member's session expires: somebody else has its partitions when it hears of it. Nothing of them
// is committed any more, not even what was finished; what was in flight is dropped, and the handler
// is told that they are lost. It joins again, and goes on.
func TestLost(t *testing.T) {
	grouptest.Each(t, grouptest.Protocols, 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
		w.Write(0, 0, 100)
		w.Write(1, 0, 100)
		first := w.Member(append(kind.Member(0), settings.SessionTimeout(2*time.Second), settings.RevokeTimeout(time.Second))...)
		hold := grouptest.NewGate(t)
		first.Start(first.Works(func(ctx context.Context, m *strMessage) error {
			if m.Record.Offset() == 10 {
				return hold.Wait(ctx)
			}
			return nil
		}, settings.MaxInterval(10*time.Millisecond)))
		w.Until("ten to be done", func() bool { return w.Committed(0) == 10 || w.Committed(1) == 10 })
		first.Wire.Cut()
		old := w.Journal.CommitsOf(0, 0)
		old = append(old, w.Journal.CommitsOf(1, 0)...)
		second := w.Member(kind.Member(1)...)
		half := grouptest.NewGate(t)
		second.Start(second.Works(func(ctx context.Context, m *strMessage) error {
			if m.Record.Offset() == 50 {
				return half.Wait(ctx)
			}
			return nil
		}, settings.MaxInterval(10*time.Millisecond)))
		second.AwaitPartitions(2)
		w.Until("the second to be in the middle", func() bool { return w.Committed(0) == 50 || w.Committed(1) == 50 })
		before := len(w.Journal.Commits())
		first.Wire.Mend()
		w.Until("the first to hear of it", func() bool { return len(first.Events(consumer.Lost)) > 0 })
		lost := len(first.Took.Of(0)) + len(first.Took.Of(1))
		hold.Open()
		half.Open()
		w.AwaitCommitted(0, 100)
		w.AwaitCommitted(1, 100)
		high := map[int32]int64{}
		for p := range int32(2) {
			for _, c := range w.Journal.CommitsOf(p, before) {
				// one that was under way when it was cut off is tried again, and refused
				if c.Member == old[0].Member {
					require.LessOrEqual(t, c.Offset, int64(10))
					continue
				}
				require.Greater(t, c.Offset, high[p], "a commit went back")
				high[p] = c.Offset
			}
			require.Equal(t, upTo(max(0, 0), 100), distinct(first.Took.Offsets(p), second.Took.Offsets(p)))
		}
		require.NotZero(t, first.Dropped())
		t.Logf("lost with %d taken, dropped %d", lost, first.Dropped())
		first.Drain()
		second.Drain()
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
