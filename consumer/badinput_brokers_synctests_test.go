//go:build synctests

package consumer_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// subscriptionsTo are what may be read of a topic that there may not be.
func subscriptionsTo(topic string) map[string][]any {
	return map[string][]any{
		"topics":        {consumer.Topics(topic)},
		"topics to end": {consumer.Topics(topic), consumer.ToEnd()},
		"partitions":    {consumer.Partitions(consumer.TopicPartition{Topic: topic})},
		"offsets":       {consumer.Offsets(map[consumer.TopicPartition]int64{{Topic: topic}: 3})},
	}
}

func reads(w *grouptest.World, topic string, what []any, opts ...settings.ConsumerOption) *strConsumer {
	var more []consumer.Option
	for _, o := range what[1:] {
		more = append(more, o.(consumer.Option))
	}
	return consumer.New(w.Settings(opts...), what[0].(consumer.Subscription), more...)
}

// committing is a graph that does nothing but commit.
func committing(c *strConsumer) stream.Graph {
	return stream.Map(c.CommittableSource(), grouptest.OffsetOf).To(consumer.CommitterSink(settings.NewCommitter()))
}

// runFor runs a graph, which ends by itself or is stopped after the time.
func runFor(t *testing.T, w *grouptest.World, g stream.Graph, within time.Duration) error {
	t.Helper()
	ctl, err := g.Start(t.Context())
	if err != nil {
		return err
	}
	select {
	case <-ctl.Done():
	case <-time.After(within):
		grouptest.Stop(ctl)
	}
	return ctl.Err()
}

// A topic that does not exist ends the stream, however it is subscribed to.
func TestUnknownTopic(t *testing.T) {
	for name, what := range subscriptionsTo("nowhere") {
		t.Run(name, func(t *testing.T) {
			grouptest.Each(t, grouptest.Protocols, 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
				err := runFor(t, w, committing(reads(w, "nowhere", what, kind.Member(0)...)), time.Minute)
				var fetch *consumer.FetchError
				require.ErrorAs(t, err, &fetch)
				require.Equal(t, "nowhere", fetch.Topic)
				require.ErrorIs(t, err, kerr.UnknownTopicOrPartition)
			})
		})
	}
}

// No permission for the topic, or for the group, ends the stream with the broker's error.
func TestNoPermission(t *testing.T) {
	for name, c := range map[string]struct {
		fault kfake.Fault
		group bool // the group is refused: reading past it does not meet that
	}{
		"topic": {kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata, kmsg.Fetch, kmsg.ListOffsets}, Topic: "in", Err: kerr.TopicAuthorizationFailed, Count: -1}, false},
		"group": {kfake.Fault{Keys: []kmsg.Key{
			kmsg.FindCoordinator, kmsg.JoinGroup, kmsg.ConsumerGroupHeartbeat, kmsg.OffsetFetch, kmsg.OffsetCommit,
		}, Group: "readers", Err: kerr.GroupAuthorizationFailed, Count: -1}, true},
		"joining": {kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup, kmsg.ConsumerGroupHeartbeat}, Group: "readers", TopLevel: true, Err: kerr.GroupAuthorizationFailed, Count: -1}, true},
	} {
		t.Run(name, func(t *testing.T) {
			for sub, what := range subscriptionsTo("in") {
				if name == "joining" && (sub == "partitions" || sub == "offsets") {
					continue
				}
				t.Run(sub, func(t *testing.T) {
					grouptest.Each(t, grouptest.Protocols, 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
						w.Write(0, 0, 10)
						w.Write(1, 0, 10)
						w.Fault(c.fault)
						err := runFor(t, w, committing(reads(w, w.Topic, what, kind.Member(0)...)), time.Minute)
						require.ErrorIs(t, err, c.fault.Err)
						require.NotErrorIs(t, err, stream.ErrStopped)
						var fetch *consumer.FetchError
						var group *consumer.GroupError
						var commit *consumer.CommitError
						if c.group {
							require.Contains(t, err.Error(), w.Group)
							require.True(t, asAny(err, &group) || asAny(err, &commit), "%T %v", err, err)
						} else {
							require.ErrorAs(t, err, &fetch)
							require.Equal(t, w.Topic, fetch.Topic)
						}
					})
				})
			}
		})
	}
}

// The broker is gone for a minute, and comes back: the stream is silent meanwhile, says so, and
// goes on. Nothing is lost.
func TestBrokerGoneForAMinute(t *testing.T) {
	for name, gone := range map[string]func(t *testing.T, w *grouptest.World){
		"refused": func(_ *testing.T, w *grouptest.World) {
			allow := w.Refuse()
			<-time.After(time.Minute)
			allow()
		},
		"killed": func(t *testing.T, w *grouptest.World) {
			w.Kill()
			<-time.After(time.Minute)
			w.Restart()
		},
		"silent": func(_ *testing.T, w *grouptest.World) {
			w.Delay(time.Hour)
			<-time.After(time.Minute)
			w.Delay(0)
			w.DropConnections()
		},
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.Each(t, grouptest.Protocols, 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
				if name == "killed" && kind.Name == "consumer protocol" {
					t.Skip("the embedded broker assigns nothing to a KIP-848 member that joins after its restart")
				}
				w.Write(0, 0, 1000)
				w.Write(1, 0, 1000)
				c := w.Member(kind.Member(0)...)
				c.Start(c.Works(func(ctx context.Context, _ *strMessage) error { return grouptest.Idle(ctx, 5*time.Millisecond) }, settings.MaxInterval(100*time.Millisecond)))
				w.Until("some work", func() bool { return w.Committed(0)+w.Committed(1) > 10 })
				gone(t, w)
				require.NoError(t, c.Run.Err())
				w.Write(0, 1000, 1010)
				w.Until("the rest", func() bool { return w.Committed(0) == 1010 && w.Committed(1) == 1000 })
				require.Equal(t, upTo(0, 1010), distinct(c.Took.Offsets(0)))
				require.Equal(t, upTo(0, 1000), distinct(c.Took.Offsets(1)))
				require.Contains(t, w.Log.String(), "no Kafka broker reached")
				require.Less(t, strings.Count(w.Log.String(), "a commit failed and will be tried again"), 20, "it is told now and then")
				c.Drain()
			}, grouptest.Durable())
		})
	}
}

// A wrong bootstrap address is told after some seconds, again and again; the run does not end by
// it, and can be ended.
func TestWrongBootstrap(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		for name, what := range subscriptionsTo("in") {
			cs := w.Settings().With(settings.Bootstrap("localhost:1"))
			var more []consumer.Option
			for _, o := range what[1:] {
				more = append(more, o.(consumer.Option))
			}
			ctl, err := committing(consumer.New(cs, what[0].(consumer.Subscription), more...)).Start(t.Context())
			require.NoError(t, err)
			<-time.After(20 * time.Second)
			require.NoError(t, ctl.Err(), name)
			require.Contains(t, w.Log.String(), "no Kafka broker reached at localhost:1")
			began := time.Now()
			require.NoError(t, ctl.Drain(t.Context()), name)
			require.Less(t, time.Since(began), 10*time.Second, name)
		}
	})
}

// A committed offset that is not in the log: a typed error, or as the settings say.
func TestOffsetOutOfRange(t *testing.T) {
	for name, c := range map[string]struct {
		policy settings.OutOfRangePolicy
		from   int64 // the first to be read; -1: none
	}{
		"fail":        {settings.FailOutOfRange, -1},
		"to earliest": {settings.ToEarliest, 80},
		"to latest":   {settings.ToLatest, 100},
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.Each(t, grouptest.Protocols, 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
				w.Write(0, 0, 100)
				w.CommitAs(w.Group, map[int32]int64{0: 50})
				require.NoError(t, w.Cluster().DeleteRecords(w.Topic, 0, 80))
				cl := w.Member(append(kind.Member(0), settings.OutOfRange(c.policy))...)
				cl.Start(cl.Works(nil))
				if c.from < 0 {
					<-cl.Run.Done()
					var out *consumer.OutOfRangeError
					require.ErrorAs(t, cl.Run.Err(), &out)
					require.Equal(t, w.Topic, out.Topic)
					require.EqualValues(t, 50, out.Offset)
					require.EqualValues(t, 50, w.Committed(0))
					return
				}
				<-time.After(10 * time.Second)
				w.Write(0, 100, 110)
				w.AwaitCommitted(0, 110)
				require.Equal(t, upTo(c.from, 110), cl.Took.Offsets(0))
				cl.Drain()
			})
		})
	}
}

// The topic is deleted and made anew while it is read. The stream ends with a typed error, or goes
// on with the new one; it never is silent for ever.
func TestTopicDeletedAndMadeAnew(t *testing.T) {
	for name, policy := range map[string]settings.OutOfRangePolicy{"fail": settings.FailOutOfRange, "to earliest": settings.ToEarliest} {
		t.Run(name, func(t *testing.T) {
			grouptest.Each(t, grouptest.Protocols, 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
				w.Write(0, 0, 100)
				w.Write(1, 0, 100)
				c := w.Member(append(kind.Member(0), settings.OutOfRange(policy))...)
				c.Start(c.Works(nil))
				w.AwaitCommitted(0, 100)
				w.AwaitCommitted(1, 100)
				require.NoError(t, w.Cluster().DeleteTopic(w.Topic))
				<-time.After(5 * time.Second)
				w.CreateTopic(t, w.Topic, 2)
				w.Write(0, 0, 5)
				w.Write(1, 0, 5)
				deadline := time.After(2 * time.Minute)
				for over := false; !over; {
					select {
					case <-c.Run.Done():
						over = true
					case <-deadline:
						t.Fatal("neither an error nor a record")
					case <-time.After(100 * time.Millisecond):
						over = len(c.Took.Offsets(0)) == 105 && len(c.Took.Offsets(1)) == 105
					}
				}
				t.Log(c.Run.Err())
				if err := c.Run.Err(); err != nil {
					var fetch *consumer.FetchError
					var out *consumer.OutOfRangeError
					require.True(t, asAny(err, &fetch) || asAny(err, &out), "%T %v", err, err)
					return
				}
				c.Drain()
			})
		})
	}
}

// All problems of the settings, the subscription and the source are told at once, before anything
// runs.
func TestAllProblemsAtOnce(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		cs := settings.NewConsumer(serde.String(), serde.String(), w.Dialer(), settings.TrackLimit(-1), settings.RevokeTimeout(time.Hour))
		c := consumer.New(cs, consumer.Topics("a b", ""))
		_, err := c.AtMostOnceSource(0).To(stream.Ignore[*consumer.Record[string, string]]()).Start(t.Context())
		require.ErrorIs(t, err, consumer.ErrNoGroup)
		require.ErrorIs(t, err, consumer.ErrSubscription)
		for _, what := range []string{"Bootstrap", "TrackLimit", "RevokeTimeout", `"a b"`, "is empty", "0 records ahead"} {
			require.ErrorContains(t, err, what)
		}
		_, err = c.Assignment()
		require.ErrorIs(t, err, consumer.ErrNotRunning)
	})
}
