//go:build synctests

package consumer_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
)

// committingAssigned commits offsets in the Assigned function, as long as there are some to commit.
type committingAssigned struct {
	mu    sync.Mutex
	to    map[int32]int64 // by partition; nil: none
	calls int
}

func (a *committingAssigned) set(to map[int32]int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.to, a.calls = to, 0
}

func (a *committingAssigned) called() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls
}

func (a *committingAssigned) option() consumer.Option {
	return consumer.OnRebalance(consumer.Handler{Assigned: func(ctx context.Context, r *consumer.Restricted, ps []consumer.TopicPartition) error {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.calls++
		offsets := map[consumer.TopicPartition]int64{}
		for _, p := range ps {
			if o, ok := a.to[p.Partition]; ok {
				offsets[p] = o
			}
		}
		if len(offsets) == 0 {
			return nil
		}
		return r.Commit(ctx, offsets)
	}})
}

// What the Assigned function commits is where its partitions are read from, be it before or after
// what was committed: when they come first, and when they come back after a revoke.
func TestAssignedCommitsWhereReadingBegins(t *testing.T) {
	const n, committed = 100, 50
	for name, to := range map[string]int64{"later": 80, "earlier": 20} {
		t.Run(name, func(t *testing.T) {
			grouptest.Each(t, grouptest.Protocols, 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
				w.Write(0, 0, n)
				w.Write(1, 0, n)
				a := &committingAssigned{}
				w.CommitAs(w.Group, map[int32]int64{0: committed, 1: committed})
				both := map[int32]int64{0: to, 1: to}
				a.set(both)
				first := w.MemberWith(kind.Member(0), a.option())
				first.Start(first.Works(nil))
				w.AwaitCommitted(0, n)
				w.AwaitCommitted(1, n)
				require.Equal(t, upTo(to, n), first.Took.Offsets(0), "when it came first")
				require.Equal(t, upTo(to, n), first.Took.Offsets(1), "when it came first")

				a.set(nil)
				second := w.Member(kind.Member(1)...)
				second.Start(second.Works(nil))
				p := second.AwaitPartitions(1)[0]
				before := len(first.Took.Offsets(p))
				a.set(map[int32]int64{p: to})
				second.Stop()
				if kind.Static {
					return // its partitions wait for it
				}
				first.AwaitPartitions(2)
				w.Pass(5 * time.Second)
				require.Equal(t, upTo(to, n), first.Took.Offsets(p)[before:], "when it came back")
				require.EqualValues(t, n, w.Committed(p))
				first.Drain()
			})
		})
	}
}

// The same of a member that the group has put out and given the same partitions again, of which its
// client says nothing.
func TestAssignedCommitsWhereReadingBeginsAnew(t *testing.T) {
	const n = 100
	for name, to := range map[string]int64{"later": 150, "earlier": 20} {
		for _, protocol := range []settings.GroupProtocol{settings.CooperativeSticky, settings.Eager} {
			for _, partitioned := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %v, partitioned %v", name, protocol, partitioned), func(t *testing.T) {
					grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
						w.Fill(2, 0, n)
						a := &committingAssigned{}
						got := &grouptest.Deliveries{}
						c := consumer.New(w.Settings(settings.Protocol(protocol), settings.SessionTimeout(6*time.Second), settings.RebalanceTimeout(10*time.Second), settings.RevokeTimeout(2*time.Second)), consumer.Topics("in"), a.option())
						take := got.Take
						graph := readAndCommit(c, take)
						if partitioned {
							graph = eachMessage(c.CommittablePartitionedSource(), take)
						}
						ctl := w.Start(graph)
						for p := range int32(2) {
							w.Until("committed", func() bool { return w.Committed(p) == n })
						}
						require.NoError(t, c.Pause()) // until they are assigned anew
						w.Fill(2, n, n)
						w.Pass(time.Second)
						a.set(map[int32]int64{0: to, 1: to})
						w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Group: w.Group, Err: kerr.UnknownMemberID, Count: 1})
						w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Group: w.Group, Err: kerr.RebalanceInProgress, Count: 1})
						w.Until("assigned anew", func() bool { return a.called() > 0 })
						w.Pass(time.Minute)
						for p := range int32(2) {
							require.Equal(t, grouptest.Values(p, int(to), 2*n-int(to)), got.Values(p)[n:])
							require.EqualValues(t, 2*n, w.Committed(p))
						}
						w.Drain(ctl)
					})
				})
			}
		}
	}
}

// The same of partitions of the user's choice, which no group gives out.
func TestAssignedCommitsWhereChosenPartitionsBegin(t *testing.T) {
	const n = 100
	for name, to := range map[string]int64{"later": 80, "earlier": 20} {
		t.Run(name, func(t *testing.T) {
			grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
				w.Fill(2, 0, n)
				w.CommitAs(w.Group, map[int32]int64{0: 50, 1: 50})
				a := &committingAssigned{}
				a.set(map[int32]int64{0: to, 1: to})
				got := &grouptest.Deliveries{}
				c := consumer.New(w.Settings(), consumer.Partitions(ats(2)...), a.option())
				ctl := w.Start(readAndCommit(c, got.Take))
				w.Pass(10 * time.Second)
				for p := range int32(2) {
					require.Equal(t, grouptest.Values(p, int(to), n-int(to)), got.Values(p))
					require.EqualValues(t, n, w.Committed(p))
				}
				w.Drain(ctl)
			})
		})
	}
}

// A plain source, which commits nothing, goes on where its handle has left a partition, unless the
// Assigned function says otherwise: also where it says what the group has already.
func TestAssignedCommitsWhereAPlainSourceBegins(t *testing.T) {
	grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Fill(1, 0, 100)
		a := &committingAssigned{}
		c := consumer.New(w.Settings(), consumer.Topics("in"), a.option())
		for _, to := range []int{30, 30, 80, 10} {
			a.set(map[int32]int64{0: int64(to)})
			got := &grouptest.Deliveries{}
			ctl := w.Start(c.PlainSource().To(got.Sink()))
			w.Pass(5 * time.Second)
			require.Equal(t, grouptest.Values(0, to, 100-to), got.Values(0))
			w.Drain(ctl)
		}
		a.set(nil)
		got := &grouptest.Deliveries{}
		ctl := w.Start(c.PlainSource().To(got.Sink()))
		w.Pass(5 * time.Second)
		require.Empty(t, got.Values(0), "where it was left")
		w.Drain(ctl)
	})
}
