//go:build synctests

package consumer_test

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
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

// blockers are members that keep the others in a join.
var blockers = map[string]func(w *grouptest.World, kind grouptest.Protocol){
	"a slow member": func(w *grouptest.World, kind grouptest.Protocol) { w.Stranger(40*time.Second, kind.Plain...) },
	"a dead member": func(w *grouptest.World, kind grouptest.Protocol) { w.DeadStranger(kind.Plain...) },
}

// eachRelease runs a test in each of the protocols on a broker of today, and in those that there
// were on older ones: 2.8 tells no ids of topics in a fetch, and 2.7 has none. Neither has commits
// that name them.
func eachRelease(t *testing.T, protocols []grouptest.Protocol, partitions int, fn func(t *testing.T, w *grouptest.World, kind grouptest.Protocol)) {
	t.Helper()
	grouptest.Each(t, protocols, partitions, fn)
	classic := slices.DeleteFunc(slices.Clone(protocols), func(p grouptest.Protocol) bool { return !p.Joins })
	for _, release := range []string{"2.8", "2.7"} {
		t.Run(release, func(t *testing.T) {
			t.Helper()
			grouptest.Each(t, classic, partitions, fn, grouptest.Broker(kafkatest.Version(release)))
		})
	}
}

// keepJoining brings a member that keeps the group in a join, and one for which it joins, and
// returns when the join is on.
func keepJoining(t *testing.T, w *grouptest.World, kind grouptest.Protocol, blocker func(w *grouptest.World, kind grouptest.Protocol)) (third *grouptest.Member) {
	t.Helper()
	blocker(w, kind)
	third = w.Member(append(kind.Member(2), settings.RebalanceTimeout(time.Minute))...)
	third.Start(third.Works(nil))
	if kind.Joins {
		w.Until("a join", func() bool { return w.State() == "PreparingRebalance" })
	}
	w.Pass(2 * time.Second)
	if kind.Joins {
		require.Equal(t, "PreparingRebalance", w.State())
	}
	return third
}

// onlyMember is the id of the one member there is.
func onlyMember(t *testing.T, w *grouptest.World) string {
	t.Helper()
	ids := w.MemberIDs()
	require.Len(t, ids, 1)
	return ids[0]
}

// requireEnded wants that a run has ended with an error, and within the time, and has committed all
// that it wanted to.
func requireEnded(t *testing.T, w *grouptest.World, ctl *stream.Control, want error, began time.Time, within time.Duration) {
	t.Helper()
	w.RequireEnded(ctl, want, began, within)
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
				eachRelease(t, grouptest.Protocols, 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
					w.Write(0, 0, 3000)
					w.Write(1, 0, 3000)
					first := w.Member(append(kind.Member(0), settings.RebalanceTimeout(time.Minute))...)
					first.Start(first.Works(func(ctx context.Context, _ *strMessage) error { return grouptest.Idle(ctx, aCall) },
						settings.MaxInterval(time.Hour), settings.MaxBatch(1_000_000)))
					first.AwaitPartitions(2)
					id := onlyMember(t, w)
					keepJoining(t, w, kind, blocker)
					kept := first.Has()
					began := time.Now()
					if drains {
						go func() { _ = first.Run.Drain(context.WithoutCancel(t.Context())) }()
						requireEnded(t, w, first.Run, stream.ErrDrained, began, aCall+atMost)
						for _, p := range kept {
							if n := len(first.Took.Offsets(p)); n > 0 {
								require.EqualValues(t, n, w.Committed(p), "partition %d", p)
							}
						}
					} else {
						first.Run.Stop()
						requireEnded(t, w, first.Run, stream.ErrStopped, began, atMost)
						for _, p := range kept {
							if n := len(first.Took.Offsets(p)); n > 1 {
								require.GreaterOrEqual(t, w.Committed(p), int64(n-1), "partition %d", p)
							}
						}
					}
					require.NotContains(t, w.MemberIDs(), id)
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
			grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
				w.Write(0, 0, 3000)
				w.Write(1, 0, 3000)
				of := func(i int, beats time.Duration) *grouptest.Member {
					return w.Member(settings.InstanceID("member-"+strconv.Itoa(i)), settings.HeartbeatInterval(beats))
				}
				// how soon they hear of a join
				const often, seldom = 10 * time.Millisecond, 90 * time.Millisecond
				first, second := of(0, often), of(1, seldom)
				first.Start(first.Works(nil))
				second.Start(second.Works(nil))
				first.AwaitPartitions(1)
				second.AwaitPartitions(1)
				has := first.Has()
				id := w.MemberIDs()

				third := of(2, often)
				third.Start(third.Works(nil))
				w.Until("a join", func() bool { return w.State() == "PreparingRebalance" })
				w.Pass(after)
				first.Drain()
				require.Subset(t, w.MemberIDs(), id)
				back := of(0, often)
				back.Start(back.Works(nil))
				began := time.Now()
				require.Equal(t, has, back.AwaitPartitions(len(has)))
				require.LessOrEqual(t, time.Since(began), time.Second)
			}, grouptest.Durable())
		})
	}
}

// It is so from all sources, those whose partitions have sub-streams of their own, those whose
// offsets are the user's, and those that commit nothing.
func TestEndOfAllSourcesInAJoin(t *testing.T) {
	call := func(ctx context.Context) error { return grouptest.Idle(ctx, aCall) }
	do := func(ctx context.Context, m *strMessage) (envelope.Committable, error) { return m.Offset, call(ctx) }
	record := func(ctx context.Context, _ *strRecord) error { return call(ctx) }
	load := func(_ context.Context, ps []consumer.TopicPartition) (map[consumer.TopicPartition]int64, error) {
		from := offsetMap{}
		for _, p := range ps {
			from[p] = 0
		}
		return from, nil
	}
	commit := func() stream.Sink[envelope.Committable] { return consumer.CommitterSink(settings.NewCommitter()) }
	committed := func(src stream.Source[stream.Sub[consumer.TopicPartition, *strMessage]]) stream.Graph {
		return stream.Each(src, 0, func(_ consumer.TopicPartition, s stream.Source[*strMessage]) stream.Graph {
			return stream.TryMap(s, do).To(commit())
		})
	}
	plain := func(src stream.Source[strSub]) stream.Graph {
		return stream.Each(src, 0, func(_ consumer.TopicPartition, s stream.Source[*strRecord]) stream.Graph {
			return s.To(stream.ForEach(record))
		})
	}
	for name, graph := range map[string]func(c *strConsumer) stream.Graph{
		"plain":                   func(c *strConsumer) stream.Graph { return c.PlainSource().To(stream.ForEach(record)) },
		"committable":             func(c *strConsumer) stream.Graph { return stream.TryMap(c.CommittableSource(), do).To(commit()) },
		"at most once":            func(c *strConsumer) stream.Graph { return c.AtMostOnceSource(1).To(stream.ForEach(record)) },
		"plain partitioned":       func(c *strConsumer) stream.Graph { return plain(c.PlainPartitionedSource()) },
		"committable partitioned": func(c *strConsumer) stream.Graph { return committed(c.CommittablePartitionedSource()) },
		"plain manual offsets":    func(c *strConsumer) stream.Graph { return plain(c.PlainPartitionedManualOffsetSource(load, nil)) },
		"committable manual offsets": func(c *strConsumer) stream.Graph {
			return committed(c.CommittablePartitionedManualOffsetSource(load, nil))
		},
		"a source that completes before": func(c *strConsumer) stream.Graph { return completesBefore(c, do) },
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.Each(t, grouptest.Protocols, 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
				w.Write(0, 0, 3000)
				w.Write(1, 0, 3000)
				first := w.Member(append(kind.Member(0), settings.RebalanceTimeout(time.Minute))...)
				first.Start(graph(first.Handle))
				first.AwaitPartitions(2)
				id := onlyMember(t, w)
				keepJoining(t, w, kind, blockers["a dead member"])
				began := time.Now()
				go func() { _ = first.Run.Drain(context.WithoutCancel(t.Context())) }()
				requireEnded(t, w, first.Run, stream.ErrDrained, began, aCall+atMost)
				require.NotContains(t, w.MemberIDs(), id)
			})
		})
	}
}

// completesBefore is a graph with a source that would complete after many records, and another one.
func completesBefore(c *strConsumer, do func(context.Context, *strMessage) (envelope.Committable, error)) stream.Graph {
	return stream.TryMap(c.CommittableSource().Take(1000), do).To(consumer.CommitterSink(settings.NewCommitter()))
}

// A source that completes while a join is on leaves its group before its run ends, at once. With
// the eager protocol nothing completes then, as nothing comes.
func TestSourceCompletesInAJoin(t *testing.T) {
	grouptest.Each(t, grouptest.Incremental, 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
		w.Write(0, 0, 3000)
		w.Write(1, 0, 3000)
		first := w.Member(append(kind.Member(0), settings.RebalanceTimeout(time.Minute))...)
		enough := grouptest.NewGate(t)
		goesOn := make(chan envelope.Committable)
		offsets := stream.TryMap(first.Handle.CommittableSource(), func(ctx context.Context, m *strMessage) (envelope.Committable, error) {
			return m.Offset, grouptest.Idle(ctx, 20*time.Millisecond)
		}).TakeWhile(func(envelope.Committable) bool { return !enough.IsOpen() })
		first.Start(stream.Concat(offsets, stream.FromChan(goesOn)).To(consumer.CommitterSink(settings.NewCommitter())))
		first.AwaitPartitions(2)
		id := onlyMember(t, w)
		keepJoining(t, w, kind, blockers["a dead member"])
		enough.Open()
		began := time.Now()
		w.Until("the session's end", func() bool {
			_, err := first.Handle.Assignment()
			return err != nil || len(first.Has()) == 0
		})
		w.Until("the group to know", func() bool { return !slices.Contains(w.MemberIDs(), id) })
		require.LessOrEqual(t, time.Since(began), atMost)
		began = time.Now()
		go func() { _ = first.Run.Drain(context.WithoutCancel(t.Context())) }()
		requireEnded(t, w, first.Run, stream.ErrDrained, began, atMost)
	})
}

// A member that begins while its group waits for another one, and ends before it is given anything.
func TestEndBeforeTheFirstJoin(t *testing.T) {
	for why, blocker := range blockers {
		t.Run(why, func(t *testing.T) {
			grouptest.Each(t, grouptest.Protocols, 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
				w.Write(0, 0, 100)
				w.Write(1, 0, 100)
				first := w.Member(append(kind.Member(0), settings.RebalanceTimeout(time.Minute))...)
				first.Start(first.Works(nil))
				first.AwaitPartitions(2)
				keepJoining(t, w, kind, blocker)
				members := w.MemberIDs()
				for after := time.Duration(0); after < 20*time.Millisecond; after += 500 * time.Microsecond {
					late := w.Member(append(kind.Member(3), settings.RebalanceTimeout(time.Minute))...)
					late.Start(late.Works(nil))
					w.Pass(after)
					began := time.Now()
					go func() { _ = late.Run.Drain(context.WithoutCancel(t.Context())) }()
					<-late.Run.Done()
					require.LessOrEqual(t, time.Since(began), atMost, "after %v", after)
					// a session may have ended meanwhile
					require.Subset(t, members, w.MemberIDs(), "after %v", after)
				}
			})
		})
	}
}

// A member that the group has put out and that joins it again as another one when it ends.
func TestEndOfAMemberThatWasPutOutInAJoin(t *testing.T) {
	grouptest.Each(t, grouptest.Protocols, 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
		if !kind.Joins {
			t.Skip("nothing joins")
		}
		w.Write(0, 0, 3000)
		w.Write(1, 0, 3000)
		first := w.Member(append(kind.Member(0), settings.RebalanceTimeout(time.Minute))...)
		first.Start(first.Works(func(ctx context.Context, _ *strMessage) error { return grouptest.Idle(ctx, aCall) }))
		first.AwaitPartitions(2)
		w.PutOut(settings.CooperativeSticky)
		w.Pass(50 * time.Millisecond)
		w.Stranger(40*time.Second, kind.Plain...)
		third := w.Member(append(kind.Member(2), settings.RebalanceTimeout(time.Minute))...)
		third.Start(third.Works(nil))
		w.Pass(2 * time.Second)
		began := time.Now()
		go func() { _ = first.Run.Drain(context.WithoutCancel(t.Context())) }()
		<-first.Run.Done()
		require.LessOrEqual(t, time.Since(began), aCall+atMost)
		require.Len(t, w.MemberIDs(), 2)
	})
}

// While another member keeps the group in a join, what is finished of the partitions that stay is
// committed.
func TestCommitsInAJoin(t *testing.T) {
	eachRelease(t, grouptest.Incremental, 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
		w.Write(0, 0, 3000)
		w.Write(1, 0, 3000)
		first := w.Member(append(kind.Member(0), settings.RebalanceTimeout(time.Minute))...)
		first.Start(first.Works(func(ctx context.Context, _ *strMessage) error { return grouptest.Idle(ctx, 20*time.Millisecond) },
			settings.MaxInterval(100*time.Millisecond)))
		first.AwaitPartitions(2)
		keepJoining(t, w, kind, blockers["a dead member"])
		kept := first.Has()
		require.NotEmpty(t, kept)
		for range 10 {
			before := w.Committed(kept[0])
			w.Pass(time.Second)
			require.Greater(t, w.Committed(kept[0]), before)
			require.InDelta(t, len(first.Took.Offsets(kept[0])), w.Committed(kept[0]), 8)
		}
	})
}

// It is so also beside a topic of which nothing was fetched, and whose offset is not committed yet:
// the place that was looked up for settings.Latest.
func TestCommitsInAJoinBesideATopicThatIsEmpty(t *testing.T) {
	grouptest.Each(t, grouptest.Incremental, 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
		if !kind.Joins {
			t.Skip("nothing joins")
		}
		w.CreateTopic(t, "empty", 1)
		w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "empty", Err: kerr.RequestTimedOut, Count: -1})
		c := consumer.New(w.Settings(kind.Member(0, settings.RebalanceTimeout(time.Minute), settings.StartFrom(settings.Latest))...), consumer.Topics(w.Topic, "empty"))
		w.Start(c.CommittableSource().To(grouptest.Committing(func(ctx context.Context, _ *strRecord) error { return grouptest.Idle(ctx, 20*time.Millisecond) })))
		w.Pass(2 * time.Second)
		w.Write(0, 0, 3000)
		w.Write(1, 0, 3000)
		keepJoining(t, w, kind, blockers["a dead member"])
		ps, err := c.Assignment()
		require.NoError(t, err)
		require.Contains(t, ps, consumer.TopicPartition{Topic: "empty"})
		kept := slices.IndexFunc(ps, func(p consumer.TopicPartition) bool { return p.Topic == w.Topic })
		require.GreaterOrEqual(t, kept, 0, "%v", ps)
		for range 5 {
			before := w.Committed(ps[kept].Partition)
			w.Pass(time.Second)
			require.Greater(t, w.Committed(ps[kept].Partition), before)
		}
	})
}
