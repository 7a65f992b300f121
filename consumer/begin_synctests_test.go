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
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

var kerrUnknownTopic = kerr.UnknownTopicOrPartition

// A run goes on through what may pass for the start time-out, and says so once; then it ends with
// what stood in the way.
func TestStartTimeout(t *testing.T) {
	for _, kind := range groupKinds {
		t.Run("comes in time/"+kind.name, func(t *testing.T) {
			virtual(t, func(t *testing.T, k *kafkatest.Broker) {
				var log readerLog
				got := newGathered()
				c := consumer.New(readerOf(k, kind.opts(0)...).With(log.option()), consumer.Topics("in"))
				ctl := begun(t, c.PlainSource().To(got.sink()))
				pass(20 * time.Second)
				k.CreateTopic(t, "in", 2)
				fillPartitions(t, k, "in", 2, 0, 10)
				becomes(t, "all", func() bool { return got.count() == 20 })
				drainedAll(t, ctl)
				require.Equal(t, 1, log.count("cannot begin yet"))
				require.LessOrEqual(t, log.count("level=WARN"), 2)
			}, quickBroker)
		})
	}
	for name, sub := range map[string]consumer.Subscription{
		"topic": consumer.Topics("in", "none"), "partition": consumer.Partitions(at(0), at(7)),
		"offsets": consumer.Offsets(map[consumer.TopicPartition]int64{{Topic: "none"}: 1}),
	} {
		t.Run("never comes/"+name, func(t *testing.T) {
			withTopic(t, 1, func(t *testing.T, k *kafkatest.Broker) {
				began := time.Now()
				c := consumer.New(readerOf(k), sub)
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
			withTopic(t, 1, func(t *testing.T, k *kafkatest.Broker) {
				defer k.Refuse()()
				began := time.Now()
				c := consumer.New(readerOf(k, settings.StartTimeout(12*time.Second)), sub)
				err := c.PlainSource().To(stream.Ignore[*strRecord]()).Run(t.Context())
				require.InDelta(t, 12, time.Since(began).Seconds(), 8)
				var away *consumer.UnreachableError
				require.ErrorAs(t, err, &away)
				require.NotErrorIs(t, err, stream.ErrDrained)
			})
		})
	}
	t.Run("no coordinator", func(t *testing.T) {
		withTopic(t, 1, func(t *testing.T, k *kafkatest.Broker) {
			k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.FindCoordinator}, Err: kerr.CoordinatorNotAvailable, Count: -1})
			err := consumer.New(readerOf(k), consumer.Topics("in")).PlainSource().To(stream.Ignore[*strRecord]()).Run(t.Context())
			var group *consumer.GroupError
			require.ErrorAs(t, err, &group)
			require.ErrorIs(t, err, kerr.CoordinatorNotAvailable)
		})
	})
}

// Reach says what stands in the way, at once, and opens nothing that stays.
func TestReach(t *testing.T) {
	withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
		in := consumer.Topics("in")
		require.NoError(t, consumer.New(readerOf(k), in).Reach(t.Context()))
		require.NoError(t, consumer.New(looseReader(k), consumer.Partitions(ats(2)...)).Reach(t.Context()))
		c := consumer.New(readerOf(k), in)
		ctl := begun(t, c.PlainSource().To(stream.Ignore[*strRecord]()))
		assignedTo(t, c, 2)
		require.NoError(t, c.Reach(t.Context()), "while it runs")
		assignedTo(t, c, 2)
		drainedAll(t, ctl)

		var fetch *consumer.FetchError
		require.ErrorAs(t, consumer.New(readerOf(k), consumer.Topics("in", "none")).Reach(t.Context()), &fetch)
		require.Equal(t, "none", fetch.Topic)
		require.ErrorAs(t, consumer.New(looseReader(k), consumer.Partitions(at(7))).Reach(t.Context()), &fetch)
		require.EqualValues(t, 7, fetch.Partition)
		require.ErrorIs(t, consumer.New(readerOf(k), consumer.Subscription{}).Reach(t.Context()), consumer.ErrSubscription)

		fault := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.FindCoordinator}, Err: kerr.GroupAuthorizationFailed, Count: -1})
		var group *consumer.GroupError
		require.ErrorAs(t, consumer.New(readerOf(k), in).Reach(t.Context()), &group)
		require.Equal(t, readGroup, group.Group)
		fault.Remove()

		defer k.Refuse()()
		var away *consumer.UnreachableError
		require.ErrorAs(t, consumer.New(readerOf(k), in).Reach(t.Context()), &away)
		require.Equal(t, k.Addrs(), away.Addrs)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, consumer.New(readerOf(k), in).Reach(over), context.Canceled)
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
							withTopic(t, 1, func(t *testing.T, k *kafkatest.Broker) {
								fault := kfake.Fault{Keys: []kmsg.Key{key}, Topic: "in", Err: e, Count: times}
								if !running {
									k.Fault(fault)
								}
								got := newGathered()
								take := func(_ context.Context, r *strRecord) error { got.add(r); return nil }
								ctl := begun(t, readAndCommit(consumer.New(readerOf(k, settings.StartFrom(start)).With(longLife...), consumer.Topics("in")), take))
								pass(20 * time.Second)
								if running {
									handle := k.Fault(fault)
									pass(40 * time.Second) // the client looks at its topics each 30
									// what is left of it is not for those who write
									handle.Remove()
								}
								fillPartitions(t, k, "in", 1, 0, 10)
								becomes(t, "all", func() bool {
									select {
									case <-ctl.Done():
										t.Fatal(ctl.Err())
									default:
									}
									return got.count() >= 10
								})
								drainedAll(t, ctl)
								require.Equal(t, numberedFrom(0, 0, 10), got.of(0))
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
	for _, kind := range groupKinds {
		for _, e := range []*kerr.Error{
			kerr.UnstableOffsetCommit, kerr.CoordinatorLoadInProgress, kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.RequestTimedOut, kerr.UnknownServerError, kerr.LeaderNotAvailable,
		} {
			for _, level := range []string{"partition", "group", "answer"} {
				for _, start := range []settings.StartPosition{settings.Earliest, settings.Latest} {
					t.Run(fmt.Sprint(kind.name, "/", e.Message, "/", level, "/", start), func(t *testing.T) {
						withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
							fillPartitions(t, k, "in", 2, 0, 10)
							got := newGathered()
							take := func(_ context.Context, r *strRecord) error { got.add(r); return nil }
							run := func() *stream.Control {
								return begun(t, readAndCommit(consumer.New(readerOf(k, kind.opts(0)...).With(settings.StartFrom(start)), consumer.Topics("in")), take))
							}
							ctl := run()
							pass(5 * time.Second)
							drainedAll(t, ctl)
							fillPartitions(t, k, "in", 2, 10, 10)
							fault := kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: e, Count: 2, TopLevel: level == "answer"}
							if level == "partition" {
								fault.Topic, fault.Partitions = "in", []int32{1}
							}
							k.Fault(fault)
							ctl = run()
							first := 0
							if start == settings.Latest {
								first = 10
							}
							becomes(t, "all", func() bool { return got.count() >= 2*(20-first) })
							pass(5 * time.Second)
							drainedAll(t, ctl)
							for p := range int32(2) {
								require.Equal(t, numberedFrom(p, first, 20-first), got.of(p))
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
			withTopic(t, 1, func(t *testing.T, k *kafkatest.Broker) {
				got := newGathered()
				member := func() *stream.Control {
					c := consumer.New(readerOf(k, settings.InstanceID("one"), settings.Protocol(protocol)), consumer.Topics("in"))
					return begun(t, readAndCommit(c, func(_ context.Context, r *strRecord) error { got.add(r); return nil }))
				}
				fillPartitions(t, k, "in", 1, 0, 10)
				loser := member()
				becomes(t, "ten", func() bool { return got.count() == 10 })
				pass(time.Second) // they are committed
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
				fillPartitions(t, k, "in", 1, 10, 10)
				becomes(t, "twenty", func() bool { return got.count() >= 20 })
				pass(time.Second)
				drainedAll(t, winner)
				got.requireWhole(t, 1, 20)
				require.EqualValues(t, 20, kafkatest.CommittedOffset(t, k, readGroup, "in", 0))
			})
		})
	}
}

// A member that comes back as another asks for its offsets until it is told.
func TestKeptAsAnotherMemberAsksAgain(t *testing.T) {
	for _, e := range []*kerr.Error{kerr.CoordinatorLoadInProgress, kerr.NotCoordinator, kerr.UnstableOffsetCommit, kerr.UnknownServerError} {
		t.Run(e.Message, func(t *testing.T) {
			withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
				const n = 100
				fillPartitions(t, k, "in", 2, 0, n)
				got := newGathered()
				c := consumer.New(readerOf(k, settings.SessionTimeout(6*time.Second), settings.RebalanceTimeout(10*time.Second), settings.RevokeTimeout(2*time.Second)), consumer.Topics("in"))
				ctl := begun(t, readAndCommit(c, func(_ context.Context, r *strRecord) error { got.add(r); return nil }))
				becomes(t, "first", func() bool { return got.count() == 2*n })
				pass(time.Second)
				k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: e, Count: 5})
				k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Group: readGroup, Err: kerr.UnknownMemberID, Count: 1})
				k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Group: readGroup, Err: kerr.RebalanceInProgress, Count: 1})
				pass(time.Minute)
				fillPartitions(t, k, "in", 2, n, n)
				becomes(t, "second", func() bool { return got.count() >= 4*n })
				drainedAll(t, ctl)
				got.requireWhole(t, 2, 2*n)
			})
		})
	}
}
