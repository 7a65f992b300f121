//go:build synctests

package consumer_test

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

const (
	// aCall is how long a call takes in the tests of ends during a join, and atMost what an end may
	// take besides.
	aCall  = 500 * time.Millisecond
	atMost = 300 * time.Millisecond
)

// speaks are the options with which a plain client is of the same kind.
func (kind groupKind) speaks() []kgo.Opt {
	switch kind.name {
	case "eager":
		return []kgo.Opt{sticky}
	case "consumer protocol":
		return []kgo.Opt{kgo.ServerSideBalancer(), cooperative}
	default:
		return []kgo.Opt{cooperative}
	}
}

// joins reports whether such a group joins at all.
func (kind groupKind) joins() bool { return kind.name != "consumer protocol" }

// blockers are members that keep the others in a join.
var blockers = map[string]func(d *desk, kind groupKind){
	"a slow member": func(d *desk, kind groupKind) { d.slowMember(40*time.Second, kind.speaks()...) },
	"a dead member": func(d *desk, kind groupKind) { d.deadMember(kind.speaks()...) },
}

// deadMember is a member of the group that is cut off, and whose session lasts for a while.
func (d *desk) deadMember(opts ...kgo.Opt) {
	d.t.Helper()
	wire := newCable(d.k)
	assigned := make(chan struct{}, 100)
	cl, err := kgo.NewClient(append(append(d.k.ClientOptions(),
		kgo.ConsumerGroup(deskGroup), kgo.ConsumeTopics(deskTopic), kgo.HeartbeatInterval(100*time.Millisecond), kgo.SessionTimeout(40*time.Second), kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { assigned <- struct{}{} }),
		kgo.Dialer(wire.dialing),
	), opts...)...)
	require.NoError(d.t, err)
	life, dead := context.WithTimeout(d.t.Context(), time.Second)
	d.t.Cleanup(func() {
		dead()
		_ = cl.LeaveGroupContext(life)
		cl.CloseAllowingRebalance()
	})
	<-assigned
	pass(time.Second) // the others have their parts
	wire.sever()
}

// members are the group's, as the broker knows them.
func (d *desk) members() (ids []string) {
	for _, m := range d.k.Cluster().GroupInfo(deskGroup).Members {
		ids = append(ids, m.MemberID)
	}
	return ids
}

// keepJoining brings a member that keeps the group in a join, and one for which it joins, and
// returns when the join is on.
func (d *desk) keepJoining(kind groupKind, blocker func(d *desk, kind groupKind)) (third *clerk) {
	d.t.Helper()
	blocker(d, kind)
	third = d.clerk(append(kind.opts(2), settings.RebalanceTimeout(time.Minute))...)
	third.run(third.copies(nil))
	if kind.joins() {
		d.await("a join", func() bool { return d.k.Cluster().GroupInfo(deskGroup).State == "PreparingRebalance" })
	}
	pass(2 * time.Second)
	if kind.joins() {
		require.Equal(d.t, "PreparingRebalance", d.k.Cluster().GroupInfo(deskGroup).State)
	}
	return third
}

// onlyMember is the id of the one member there is.
func (d *desk) onlyMember() string {
	d.t.Helper()
	ids := d.members()
	require.Len(d.t, ids, 1)
	return ids[0]
}

// requireEnded wants that a run has ended with an error, and within the time.
func requireEnded(t *testing.T, ctl *stream.Control, want error, began time.Time, within time.Duration) {
	t.Helper()
	select {
	case <-ctl.Done():
	case <-time.After(time.Minute):
		t.Fatalf("it does not end: %+v", ctl.Snapshot())
	}
	took := time.Since(began)
	t.Logf("it took %v: %v", took, ctl.Err())
	require.LessOrEqual(t, took, within)
	require.ErrorIs(t, ctl.Err(), want)
	var failed *consumer.CommitError
	require.NotErrorAs(t, ctl.Err(), &failed)
}

// A member ends while its group waits for another one: it waits for the calls that have begun, and
// for nobody else. What it has finished is committed, and the group knows at once that it has gone:
// so does that of a static member, which would be given its part and waited for otherwise.
func TestEndInAJoin(t *testing.T) {
	for why, blocker := range blockers {
		for _, drains := range []bool{true, false} {
			t.Run(why+", "+map[bool]string{true: "drain", false: "stop"}[drains], func(t *testing.T) {
				eachKind(t, kafkatest.Virtual, func(t *testing.T, k *kafkatest.Broker, kind groupKind) {
					d := newDesk(t, k, 3000)
					first := d.clerk(append(kind.opts(0), settings.RebalanceTimeout(time.Minute))...)
					first.run(first.copies(func(ctx context.Context, _ deskMessage) error { return idle(ctx, aCall) },
						settings.MaxInterval(time.Hour), settings.MaxBatch(1_000_000)))
					first.awaitPartitions(2)
					id := d.onlyMember()
					d.keepJoining(kind, blocker)
					kept := first.has()
					began := time.Now()
					if drains {
						go func() { _ = first.ctl.Drain(context.WithoutCancel(t.Context())) }()
						requireEnded(t, first.ctl, stream.ErrDrained, began, aCall+atMost)
						for _, p := range kept {
							if n := len(first.offsetsOf(p)); n > 0 {
								require.EqualValues(t, n, d.committed(p), "partition %d", p)
							}
						}
					} else {
						first.ctl.Stop()
						requireEnded(t, first.ctl, stream.ErrStopped, began, atMost)
						for _, p := range kept {
							if n := len(first.offsetsOf(p)); n > 1 {
								require.GreaterOrEqual(t, d.committed(p), int64(n-1), "partition %d", p)
							}
						}
					}
					require.NotContains(t, d.members(), id)
				})
			})
		}
	}
}

// A static member stays in its group when it ends between joins, or in one that is over in a
// moment, and finds its partitions when it is back.
func TestStaticMemberStays(t *testing.T) {
	for after := time.Duration(0); after <= 60*time.Millisecond; after += 10 * time.Millisecond {
		t.Run(after.String(), func(t *testing.T) {
			kafkatest.Virtual(t, func(t *testing.T, k *kafkatest.Broker) {
				d := newDesk(t, k, 3000)
				of := func(i int, beats time.Duration) *clerk {
					return d.clerk(settings.InstanceID("member-"+strconv.Itoa(i)), settings.HeartbeatInterval(beats))
				}
				// how soon they hear of a join
				const often, seldom = 10 * time.Millisecond, 90 * time.Millisecond
				first, second := of(0, often), of(1, seldom)
				first.run(first.copies(nil))
				second.run(second.copies(nil))
				first.awaitPartitions(1)
				second.awaitPartitions(1)
				has := first.has()
				id := d.members()

				third := of(2, often)
				third.run(third.copies(nil))
				d.await("a join", func() bool { return d.k.Cluster().GroupInfo(deskGroup).State == "PreparingRebalance" })
				pass(after)
				first.drain()
				require.Subset(t, d.members(), id)
				back := of(0, often)
				back.run(back.copies(nil))
				began := time.Now()
				require.Equal(t, has, back.awaitPartitions(len(has)))
				require.LessOrEqual(t, time.Since(began), time.Second)
			}, quickBroker)
		})
	}
}

// It is so from all sources, those whose partitions have sub-streams of their own, those whose
// offsets are the user's, and those that commit nothing.
func TestEndOfAllSourcesInAJoin(t *testing.T) {
	call := func(ctx context.Context) error { return idle(ctx, aCall) }
	do := func(ctx context.Context, m deskMessage) (envelope.Committable, error) { return m.Offset, call(ctx) }
	record := func(ctx context.Context, _ *strRecord) error { return call(ctx) }
	load := func(_ context.Context, ps []consumer.TopicPartition) (map[consumer.TopicPartition]int64, error) {
		from := offsetMap{}
		for _, p := range ps {
			from[p] = 0
		}
		return from, nil
	}
	commit := func() stream.Sink[envelope.Committable] { return consumer.CommitterSink(settings.NewCommitter()) }
	committed := func(src stream.Source[stream.Sub[consumer.TopicPartition, deskMessage]]) stream.Graph {
		return stream.Each(src, 0, func(_ consumer.TopicPartition, s stream.Source[deskMessage]) stream.Graph {
			return stream.TryMap(s, do).To(commit())
		})
	}
	plain := func(src stream.Source[strSub]) stream.Graph {
		return stream.Each(src, 0, func(_ consumer.TopicPartition, s stream.Source[*strRecord]) stream.Graph {
			return s.To(stream.ForEach(record))
		})
	}
	for name, graph := range map[string]func(c deskHandle) stream.Graph{
		"plain":                   func(c deskHandle) stream.Graph { return c.PlainSource().To(stream.ForEach(record)) },
		"committable":             func(c deskHandle) stream.Graph { return stream.TryMap(c.CommittableSource(), do).To(commit()) },
		"at most once":            func(c deskHandle) stream.Graph { return c.AtMostOnceSource(1).To(stream.ForEach(record)) },
		"plain partitioned":       func(c deskHandle) stream.Graph { return plain(c.PlainPartitionedSource()) },
		"committable partitioned": func(c deskHandle) stream.Graph { return committed(c.CommittablePartitionedSource()) },
		"plain manual offsets":    func(c deskHandle) stream.Graph { return plain(c.PlainPartitionedManualOffsetSource(load, nil)) },
		"committable manual offsets": func(c deskHandle) stream.Graph {
			return committed(c.CommittablePartitionedManualOffsetSource(load, nil))
		},
		"a source that completes before": func(c deskHandle) stream.Graph { return completesBefore(c, do) },
	} {
		t.Run(name, func(t *testing.T) {
			eachKind(t, kafkatest.Virtual, func(t *testing.T, k *kafkatest.Broker, kind groupKind) {
				d := newDesk(t, k, 3000)
				first := d.clerk(append(kind.opts(0), settings.RebalanceTimeout(time.Minute))...)
				first.run(graph(first.handle))
				first.awaitPartitions(2)
				id := d.onlyMember()
				d.keepJoining(kind, blockers["a dead member"])
				began := time.Now()
				go func() { _ = first.ctl.Drain(context.WithoutCancel(t.Context())) }()
				requireEnded(t, first.ctl, stream.ErrDrained, began, aCall+atMost)
				require.NotContains(t, d.members(), id)
			})
		})
	}
}

// completesBefore is a graph with a source that would complete after many records, and another one.
func completesBefore(c deskHandle, do func(context.Context, deskMessage) (envelope.Committable, error)) stream.Graph {
	return stream.TryMap(c.CommittableSource().Take(1000), do).To(consumer.CommitterSink(settings.NewCommitter()))
}

// A source that completes while a join is on leaves its group before its run ends, at once. With
// the eager protocol nothing completes then, as nothing comes.
func TestSourceCompletesInAJoin(t *testing.T) {
	eachKindButEager(t, func(t *testing.T, k *kafkatest.Broker, kind groupKind) {
		d := newDesk(t, k, 3000)
		first := d.clerk(append(kind.opts(0), settings.RebalanceTimeout(time.Minute))...)
		enough := newRelease(t)
		over := func() bool {
			select {
			case <-enough.c:
				return true
			default:
				return false
			}
		}
		goesOn := make(chan envelope.Committable)
		offsets := stream.TryMap(first.handle.CommittableSource(), func(ctx context.Context, m deskMessage) (envelope.Committable, error) {
			return m.Offset, idle(ctx, 20*time.Millisecond)
		}).TakeWhile(func(envelope.Committable) bool { return !over() })
		first.run(stream.Concat(offsets, stream.FromChan(goesOn)).To(consumer.CommitterSink(settings.NewCommitter())))
		first.awaitPartitions(2)
		id := d.onlyMember()
		d.keepJoining(kind, blockers["a dead member"])
		enough.now()
		began := time.Now()
		d.await("the session's end", func() bool {
			_, err := first.handle.Assignment()
			return err != nil || len(first.has()) == 0
		})
		d.await("the group to know", func() bool { return !slices.Contains(d.members(), id) })
		require.LessOrEqual(t, time.Since(began), atMost)
		began = time.Now()
		go func() { _ = first.ctl.Drain(context.WithoutCancel(t.Context())) }()
		requireEnded(t, first.ctl, stream.ErrDrained, began, atMost)
	})
}

// A member that begins while its group waits for another one, and ends before it is given anything.
func TestEndBeforeTheFirstJoin(t *testing.T) {
	for why, blocker := range blockers {
		t.Run(why, func(t *testing.T) {
			eachKind(t, kafkatest.Virtual, func(t *testing.T, k *kafkatest.Broker, kind groupKind) {
				d := newDesk(t, k, 100)
				first := d.clerk(append(kind.opts(0), settings.RebalanceTimeout(time.Minute))...)
				first.run(first.copies(nil))
				first.awaitPartitions(2)
				d.keepJoining(kind, blocker)
				members := d.members()
				for after := time.Duration(0); after < 20*time.Millisecond; after += 500 * time.Microsecond {
					late := d.clerk(append(kind.opts(3), settings.RebalanceTimeout(time.Minute))...)
					late.run(late.copies(nil))
					pass(after)
					began := time.Now()
					go func() { _ = late.ctl.Drain(context.WithoutCancel(t.Context())) }()
					<-late.ctl.Done()
					require.LessOrEqual(t, time.Since(began), atMost, "after %v", after)
					// a session may have ended meanwhile
					require.Subset(t, members, d.members(), "after %v", after)
				}
			})
		})
	}
}

// A member that the group has put out and that joins it again as another one when it ends.
func TestEndOfAMemberThatWasPutOutInAJoin(t *testing.T) {
	eachKind(t, kafkatest.Virtual, func(t *testing.T, k *kafkatest.Broker, kind groupKind) {
		if !kind.joins() {
			t.Skip("nothing joins")
		}
		d := newDesk(t, k, 3000)
		first := d.clerk(append(kind.opts(0), settings.RebalanceTimeout(time.Minute))...)
		first.run(first.copies(func(ctx context.Context, _ deskMessage) error { return idle(ctx, aCall) }))
		first.awaitPartitions(2)
		putOut(t, k)
		pass(50 * time.Millisecond)
		d.slowMember(40*time.Second, kind.speaks()...)
		third := d.clerk(append(kind.opts(2), settings.RebalanceTimeout(time.Minute))...)
		third.run(third.copies(nil))
		pass(2 * time.Second)
		began := time.Now()
		go func() { _ = first.ctl.Drain(context.WithoutCancel(t.Context())) }()
		<-first.ctl.Done()
		require.LessOrEqual(t, time.Since(began), aCall+atMost)
		require.Len(t, d.members(), 2)
	})
}

// While another member keeps the group in a join, what is finished of the partitions that stay is
// committed.
func TestCommitsInAJoin(t *testing.T) {
	eachKindButEager(t, func(t *testing.T, k *kafkatest.Broker, kind groupKind) {
		d := newDesk(t, k, 3000)
		first := d.clerk(append(kind.opts(0), settings.RebalanceTimeout(time.Minute))...)
		first.run(first.copies(func(ctx context.Context, _ deskMessage) error { return idle(ctx, 20*time.Millisecond) },
			settings.MaxInterval(100*time.Millisecond)))
		first.awaitPartitions(2)
		d.keepJoining(kind, blockers["a dead member"])
		kept := first.has()
		require.NotEmpty(t, kept)
		for range 10 {
			before := d.committed(kept[0])
			pass(time.Second)
			require.Greater(t, d.committed(kept[0]), before)
			require.InDelta(t, len(first.offsetsOf(kept[0])), d.committed(kept[0]), 8)
		}
	})
}
