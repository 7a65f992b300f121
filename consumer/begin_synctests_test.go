//go:build synctests

package consumer_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/internal/testlog"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

var errUnknownTopic = kerr.UnknownTopicOrPartition

// A run goes on through what may pass for the start time-out, and says so once; then it ends with
// what stood in the way.
func TestStartTimeout(t *testing.T) {
	for _, kind := range grouptest.Protocols {
		t.Run("comes in time/"+kind.Name, func(t *testing.T) {
			grouptest.Run(t, 0, func(t *testing.T, w *grouptest.World) {
				var log testlog.Log
				got := &grouptest.Deliveries{}
				c := consumer.New(w.Settings(kind.Member(0)...).With(log.Option()), consumer.Topics("in"))
				ctl := w.Start(c.PlainSource().To(got.Sink()))
				w.Pass(20 * time.Second)
				w.CreateTopic(t, "in", 2)
				w.Fill(2, 0, 10)
				w.Until("all", func() bool { return got.Count() == 20 })
				w.Drain(ctl)
				require.Equal(t, 1, log.Count("cannot begin yet"))
				require.LessOrEqual(t, log.Count("level=WARN"), 2)
			})
		})
	}
	for name, sub := range map[string]consumer.Subscription{
		"topic": consumer.Topics("in", "none"), "partition": consumer.Partitions(at(0), at(7)),
		"offsets": consumer.Offsets(map[consumer.TopicPartition]int64{{Topic: "none"}: 1}),
	} {
		t.Run("never comes/"+name, func(t *testing.T) {
			grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
				began := time.Now()
				c := consumer.New(w.Settings(), sub)
				err := c.PlainSource().To(stream.Ignore[*strRecord]()).Run(t.Context())
				require.InDelta(t, 30, time.Since(began).Seconds(), 2)
				var late *consumer.StartError
				require.ErrorAs(t, err, &late)
				require.ErrorIs(t, err, kerr.UnknownTopicOrPartition)
				var fetch *consumer.FetchError
				require.ErrorAs(t, err, &fetch)
				require.NotErrorIs(t, err, stream.ErrDrained)
			})
		})
		t.Run("no broker/"+name, func(t *testing.T) {
			grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
				defer w.Refuse()()
				began := time.Now()
				c := consumer.New(w.Settings(settings.StartTimeout(12*time.Second)), sub)
				err := c.PlainSource().To(stream.Ignore[*strRecord]()).Run(t.Context())
				require.InDelta(t, 12, time.Since(began).Seconds(), 8)
				var away *consumer.UnreachableError
				require.ErrorAs(t, err, &away)
				require.NotErrorIs(t, err, stream.ErrDrained)
			})
		})
	}
	t.Run("no coordinator", func(t *testing.T) {
		grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
			w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.FindCoordinator}, Err: kerr.CoordinatorNotAvailable, Count: -1})
			err := w.Consumer().PlainSource().To(stream.Ignore[*strRecord]()).Run(t.Context())
			var group *consumer.GroupError
			require.ErrorAs(t, err, &group)
			require.ErrorIs(t, err, kerr.CoordinatorNotAvailable)
		})
	})
}

// Reach says what stands in the way, at once, and opens nothing that stays.
func TestReach(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		in := consumer.Topics("in")
		require.NoError(t, consumer.New(w.Settings(), in).Reach(t.Context()))
		require.NoError(t, consumer.New(w.Loose(), consumer.Partitions(ats(2)...)).Reach(t.Context()))
		c := consumer.New(w.Settings(), in)
		ctl := w.Start(c.PlainSource().To(stream.Ignore[*strRecord]()))
		assignedTo(w, c, 2)
		require.NoError(t, c.Reach(t.Context()), "while it runs")
		assignedTo(w, c, 2)
		w.Drain(ctl)

		var fetch *consumer.FetchError
		require.ErrorAs(t, consumer.New(w.Settings(), consumer.Topics("in", "none")).Reach(t.Context()), &fetch)
		require.Equal(t, "none", fetch.Topic)
		require.ErrorAs(t, consumer.New(w.Loose(), consumer.Partitions(at(7))).Reach(t.Context()), &fetch)
		require.EqualValues(t, 7, fetch.Partition)
		require.ErrorIs(t, consumer.New(w.Settings(), consumer.Subscription{}).Reach(t.Context()), consumer.ErrSubscription)

		fault := w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.FindCoordinator}, Err: kerr.GroupAuthorizationFailed, Count: -1})
		var group *consumer.GroupError
		require.ErrorAs(t, consumer.New(w.Settings(), in).Reach(t.Context()), &group)
		require.Equal(t, w.Group, group.Group)
		fault.Remove()

		defer w.Refuse()()
		var away *consumer.UnreachableError
		require.ErrorAs(t, consumer.New(w.Settings(), in).Reach(t.Context()), &away)
		require.Equal(t, w.Addrs(), away.Addrs)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, consumer.New(w.Settings(), in).Reach(over), context.Canceled)
	})
}

// Errors that pass end no run, whichever they are, whoever is asked, whenever, however often; and
// nothing is lost or doubled by them.
func TestPassingErrors(t *testing.T) {
	for _, e := range []*kerr.Error{
		kerr.LeaderNotAvailable, kerr.UnknownTopicOrPartition, kerr.NotLeaderForPartition, kerr.ReplicaNotAvailable, kerr.OffsetNotAvailable, kerr.KafkaStorageError,
		kerr.UnknownTopicID, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, kerr.RequestTimedOut, kerr.UnknownServerError,
	} {
		for _, key := range []kmsg.Key{kmsg.Metadata, kmsg.Fetch, kmsg.ListOffsets} {
			for _, running := range []bool{false, true} {
				for _, times := range []int{1, 3, 9} {
					for _, start := range []settings.StartPosition{settings.Earliest, settings.Latest} {
						t.Run(fmt.Sprint(e.Message, "/", key.Name(), "/running ", running, "/", times, "/", start), func(t *testing.T) {
							grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
								fault := kfake.Fault{Keys: []kmsg.Key{key}, Topic: "in", Err: e, Count: times}
								if !running {
									w.Fault(fault)
								}
								got := &grouptest.Deliveries{}
								take := got.Take
								ctl := w.Start(readAndCommit(consumer.New(w.Settings(settings.StartFrom(start)).With(longLife...), consumer.Topics("in")), take))
								w.Pass(20 * time.Second)
								if running {
									handle := w.Fault(fault)
									// the client looks at its topics each 30
									w.Pass(40 * time.Second)
									// what is left of it is not for those who write
									handle.Remove()
								}
								w.Fill(1, 0, 10)
								w.Until("all", func() bool {
									select {
									case <-ctl.Done():
										t.Fatal(ctl.Err())
									default:
									}
									return got.Count() >= 10
								})
								w.Drain(ctl)
								require.Equal(t, grouptest.Values(0, 0, 10), got.Values(0))
							})
						})
					}
				}
			}
		}
	}
}

// A question for committed offsets that fails is asked again: of one partition, of the group, or as
// a whole. Nothing is idle for it, and reading begins where it should.
func TestOffsetsAreAskedAgain(t *testing.T) {
	for _, kind := range grouptest.Protocols {
		for _, e := range []*kerr.Error{
			kerr.UnstableOffsetCommit, kerr.CoordinatorLoadInProgress, kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.RequestTimedOut, kerr.UnknownServerError, kerr.LeaderNotAvailable,
		} {
			for _, level := range []string{"partition", "group", "answer"} {
				for _, start := range []settings.StartPosition{settings.Earliest, settings.Latest} {
					t.Run(fmt.Sprint(kind.Name, "/", e.Message, "/", level, "/", start), func(t *testing.T) {
						grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
							w.Fill(2, 0, 10)
							got := &grouptest.Deliveries{}
							take := got.Take
							run := func() *stream.Control {
								return w.Start(readAndCommit(consumer.New(w.Settings(kind.Member(0)...).With(settings.StartFrom(start)), consumer.Topics("in")), take))
							}
							ctl := run()
							w.Pass(5 * time.Second)
							w.Drain(ctl)
							w.Fill(2, 10, 10)
							fault := kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: e, Count: 2, TopLevel: level == "answer"}
							if level == "partition" {
								fault.Topic, fault.Partitions = "in", []int32{1}
							}
							w.Fault(fault)
							ctl = run()
							first := 0
							if start == settings.Latest {
								first = 10
							}
							w.Until("all", func() bool { return got.Count() >= 2*(20-first) })
							w.Pass(5 * time.Second)
							w.Drain(ctl)
							for p := range int32(2) {
								require.Equal(t, grouptest.Values(p, first, 20-first), got.Values(p))
							}
						})
					})
				}
			}
		}
	}
}

// Of two members with one instance id one ends with an error that says so, and the other goes on.
func TestTheSameInstanceTwice(t *testing.T) {
	for _, protocol := range []settings.GroupProtocol{settings.CooperativeSticky, settings.Eager, settings.ConsumerProtocol} {
		t.Run(protocol.String(), func(t *testing.T) {
			grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
				got := &grouptest.Deliveries{}
				member := func() *stream.Control {
					c := w.Consumer(settings.InstanceID("one"), settings.Protocol(protocol))
					return w.Start(readAndCommit(c, got.Take))
				}
				w.Fill(1, 0, 10)
				loser := member()
				w.Until("ten", func() bool { return got.Count() == 10 })
				w.Pass(time.Second) // they are committed
				winner := member()
				began := time.Now()
				select {
				case <-loser.Done():
				case <-winner.Done():
					loser, winner = winner, loser
				case <-time.After(2 * time.Minute):
					t.Fatal("both go on")
				}
				require.Less(t, time.Since(began), 40*time.Second)
				var group *consumer.GroupError
				require.ErrorAs(t, loser.Err(), &group)
				w.Fill(1, 10, 10)
				w.Until("twenty", func() bool { return got.Count() >= 20 })
				w.Pass(time.Second)
				w.Drain(winner)
				got.RequireWhole(t, 1, 20)
				require.EqualValues(t, 20, w.Committed(0))
			})
		})
	}
}

// A member that comes back as another asks for its offsets until it is told.
func TestKeptAsAnotherMemberAsksAgain(t *testing.T) {
	for _, e := range []*kerr.Error{kerr.CoordinatorLoadInProgress, kerr.NotCoordinator, kerr.UnstableOffsetCommit, kerr.UnknownServerError} {
		t.Run(e.Message, func(t *testing.T) {
			grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
				const n = 100
				w.Fill(2, 0, n)
				got := &grouptest.Deliveries{}
				c := w.Consumer(settings.SessionTimeout(6*time.Second), settings.RebalanceTimeout(10*time.Second), settings.RevokeTimeout(2*time.Second))
				ctl := w.Start(readAndCommit(c, got.Take))
				w.Until("first", func() bool { return got.Count() == 2*n })
				w.Pass(time.Second)
				w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: e, Count: 5})
				w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Group: w.Group, Err: kerr.UnknownMemberID, Count: 1})
				w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Group: w.Group, Err: kerr.RebalanceInProgress, Count: 1})
				w.Pass(time.Minute)
				w.Fill(2, n, n)
				w.Until("second", func() bool { return got.Count() >= 4*n })
				w.Drain(ctl)
				// the client itself asks again for what it takes for a fault of its coordinator's
				asked, answered := w.Log.Lines("the brokers do not say where partitions begin"), w.Log.Lines("the brokers say again where partitions begin")
				require.Len(t, answered, len(asked))
				require.NotEqual(t, e == kerr.UnknownServerError, len(asked) == 0)
				for _, line := range append(asked, answered...) {
					require.Contains(t, line, `group=readers`)
					require.Contains(t, line, `source=`)
					require.Contains(t, line, `partitions="in[0 1]"`)
				}
				got.RequireWhole(t, 2, 2*n)
			})
		})
	}
}
