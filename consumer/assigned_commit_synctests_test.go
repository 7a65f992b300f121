//go:build synctests

package consumer_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/kafkatest"
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
			eachKind(t, virtual, func(t *testing.T, k *kafkatest.Broker, kind groupKind) {
				d := newDesk(t, k, n)
				a := &committingAssigned{}
				commitDesk(t, k, committed)
				both := map[int32]int64{0: to, 1: to}
				a.set(both)
				first := &clerk{d: d}
				first.handle = consumer.New(d.settings(kind.opts(0)...), consumer.Topics(deskTopic), a.option())
				first.run(first.copies(nil))
				d.awaitCommitted(0, n)
				d.awaitCommitted(1, n)
				require.Equal(t, upTo(to, n), first.offsetsOf(0), "when it came first")
				require.Equal(t, upTo(to, n), first.offsetsOf(1), "when it came first")

				a.set(nil)
				second := d.clerk(kind.opts(1)...)
				second.run(second.copies(nil))
				p := second.awaitPartitions(1)[0]
				before := len(first.offsetsOf(p))
				a.set(map[int32]int64{p: to})
				second.ctl.Stop()
				<-second.ctl.Done()
				if kind.name == "static" {
					return // its partitions wait for it
				}
				first.awaitPartitions(2)
				pass(5 * time.Second)
				require.Equal(t, upTo(to, n), first.offsetsOf(p)[before:], "when it came back")
				require.EqualValues(t, n, d.committed(p))
				first.drain()
			})
		})
	}
}

// commitDesk commits an offset of both partitions for the group, before it has members.
func commitDesk(t *testing.T, k *kafkatest.Broker, offset int64) {
	t.Helper()
	cl, err := kgo.NewClient(k.ClientOptions()...)
	require.NoError(t, err)
	defer cl.Close()
	var offsets kadm.Offsets
	for p := range int32(2) {
		offsets.Add(kadm.Offset{Topic: deskTopic, Partition: p, At: offset, LeaderEpoch: -1})
	}
	require.NoError(t, kadm.NewClient(cl).CommitAllOffsets(t.Context(), deskGroup, offsets))
}

// The same of a member that the group has put out and given the same partitions again, of which its
// client says nothing.
func TestAssignedCommitsWhereReadingBeginsAnew(t *testing.T) {
	const n = 100
	for name, to := range map[string]int64{"later": 150, "earlier": 20} {
		for _, protocol := range []settings.GroupProtocol{settings.CooperativeSticky, settings.Eager} {
			for _, partitioned := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %v, partitioned %v", name, protocol, partitioned), func(t *testing.T) {
					withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
						fillPartitions(t, k, "in", 2, 0, n)
						a := &committingAssigned{}
						got := newGathered()
						c := consumer.New(readerOf(k, settings.Protocol(protocol), settings.SessionTimeout(6*time.Second), settings.RebalanceTimeout(10*time.Second),
							settings.RevokeTimeout(2*time.Second)), consumer.Topics("in"), a.option())
						take := func(_ context.Context, r *strRecord) error { got.add(r); return nil }
						graph := readAndCommit(c, take)
						if partitioned {
							graph = eachMessage(c.CommittablePartitionedSource(), take)
						}
						ctl := begun(t, graph)
						for p := range int32(2) {
							becomes(t, "committed", func() bool { return kafkatest.CommittedOffset(t, k, readGroup, "in", p) == n })
						}
						require.NoError(t, c.Pause()) // until they are assigned anew
						fillPartitions(t, k, "in", 2, n, n)
						pass(time.Second)
						a.set(map[int32]int64{0: to, 1: to})
						k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Group: readGroup, Err: kerr.UnknownMemberID, Count: 1})
						k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Group: readGroup, Err: kerr.RebalanceInProgress, Count: 1})
						becomes(t, "assigned anew", func() bool { return a.called() > 0 })
						pass(time.Minute)
						for p := range int32(2) {
							require.Equal(t, numberedFrom(p, int(to), 2*n-int(to)), got.of(p)[n:])
							require.EqualValues(t, 2*n, kafkatest.CommittedOffset(t, k, readGroup, "in", p))
						}
						drainedAll(t, ctl)
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
			withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
				fillPartitions(t, k, "in", 2, 0, n)
				commitAs(t, k, readGroup, map[int32]int64{0: 50, 1: 50})
				a := &committingAssigned{}
				a.set(map[int32]int64{0: to, 1: to})
				got := newGathered()
				c := consumer.New(readerOf(k), consumer.Partitions(ats(2)...), a.option())
				ctl := begun(t, readAndCommit(c, func(_ context.Context, r *strRecord) error { got.add(r); return nil }))
				pass(10 * time.Second)
				for p := range int32(2) {
					require.Equal(t, numberedFrom(p, int(to), n-int(to)), got.of(p))
					require.EqualValues(t, n, kafkatest.CommittedOffset(t, k, readGroup, "in", p))
				}
				drainedAll(t, ctl)
			})
		})
	}
}

// A plain source, which commits nothing, goes on where its handle has left a partition, unless the
// Assigned function says otherwise: also where it says what the group has already.
func TestAssignedCommitsWhereAPlainSourceBegins(t *testing.T) {
	withTopic(t, 1, func(t *testing.T, k *kafkatest.Broker) {
		fillPartitions(t, k, "in", 1, 0, 100)
		a := &committingAssigned{}
		c := consumer.New(readerOf(k), consumer.Topics("in"), a.option())
		for _, to := range []int{30, 30, 80, 10} {
			a.set(map[int32]int64{0: int64(to)})
			got := newGathered()
			ctl := begun(t, c.PlainSource().To(got.sink()))
			pass(5 * time.Second)
			require.Equal(t, numberedFrom(0, to, 100-to), got.of(0))
			drainedAll(t, ctl)
		}
		a.set(nil)
		got := newGathered()
		ctl := begun(t, c.PlainSource().To(got.sink()))
		pass(5 * time.Second)
		require.Empty(t, got.of(0), "where it was left")
		drainedAll(t, ctl)
	})
}
