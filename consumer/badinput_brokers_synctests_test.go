//go:build synctests

package consumer_test

import (
	"context"
	"strings"
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
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// deskSubscriptions are what may be read of a topic that there may not be.
func deskSubscriptions(topic string) map[string][]any {
	return map[string][]any{
		"topics":        {consumer.Topics(topic)},
		"topics to end": {consumer.Topics(topic), consumer.ToEnd()},
		"partitions":    {consumer.Partitions(consumer.TopicPartition{Topic: topic})},
		"offsets":       {consumer.Offsets(map[consumer.TopicPartition]int64{{Topic: topic}: 3})},
	}
}

func (d *desk) reads(topic string, what []any, opts ...settings.ConsumerOption) deskHandle {
	var more []consumer.Option
	for _, o := range what[1:] {
		more = append(more, o.(consumer.Option))
	}
	return consumer.New(d.settings(opts...), what[0].(consumer.Subscription), more...)
}

// committing is a graph that does nothing but commit.
func committing(c deskHandle) stream.Graph {
	return stream.Map(c.CommittableSource(), offsetOfMessage).To(consumer.CommitterSink(settings.NewCommitter()))
}

// runFor runs a graph, which ends by itself or is stopped after the time.
func (d *desk) runFor(g stream.Graph, within time.Duration) error {
	d.t.Helper()
	ctl, err := g.Start(d.t.Context())
	if err != nil {
		return err
	}
	select {
	case <-ctl.Done():
	case <-time.After(within):
		endRun(ctl)
	}
	return ctl.Err()
}

// A topic that does not exist ends the stream, however it is subscribed to.
func TestUnknownTopic(t *testing.T) {
	for name, what := range deskSubscriptions("nowhere") {
		t.Run(name, func(t *testing.T) {
			eachKind(t, virtual, func(t *testing.T, k *kafkatest.Broker, kind groupKind) {
				d := newDesk(t, k, 0)
				err := d.runFor(committing(d.reads("nowhere", what, kind.opts(0)...)), time.Minute)
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
		"topic": {kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata, kmsg.Fetch, kmsg.ListOffsets}, Topic: deskTopic, Err: kerr.TopicAuthorizationFailed, Count: -1}, false},
		"group": {kfake.Fault{Keys: []kmsg.Key{
			kmsg.FindCoordinator, kmsg.JoinGroup, kmsg.ConsumerGroupHeartbeat, kmsg.OffsetFetch, kmsg.OffsetCommit,
		}, Group: deskGroup, Err: kerr.GroupAuthorizationFailed, Count: -1}, true},
		"joining": {kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup, kmsg.ConsumerGroupHeartbeat}, Group: deskGroup, TopLevel: true, Err: kerr.GroupAuthorizationFailed, Count: -1}, true},
	} {
		t.Run(name, func(t *testing.T) {
			for sub, what := range deskSubscriptions(deskTopic) {
				if name == "joining" && (sub == "partitions" || sub == "offsets") {
					continue
				}
				t.Run(sub, func(t *testing.T) {
					eachKind(t, virtual, func(t *testing.T, k *kafkatest.Broker, kind groupKind) {
						d := newDesk(t, k, 10)
						k.Fault(c.fault)
						err := d.runFor(committing(d.reads(deskTopic, what, kind.opts(0)...)), time.Minute)
						require.ErrorIs(t, err, c.fault.Err)
						require.NotErrorIs(t, err, stream.ErrStopped)
						var fetch *consumer.FetchError
						var group *consumer.GroupError
						var commit *consumer.CommitError
						if c.group {
							require.Contains(t, err.Error(), deskGroup)
							require.True(t, asAny(err, &group) || asAny(err, &commit), "%T %v", err, err)
						} else {
							require.ErrorAs(t, err, &fetch)
							require.Equal(t, deskTopic, fetch.Topic)
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
	for name, gone := range map[string]func(t *testing.T, d *desk){
		"refused": func(_ *testing.T, d *desk) {
			allow := d.k.Refuse()
			<-time.After(time.Minute)
			allow()
		},
		"killed": func(t *testing.T, d *desk) {
			d.k.Kill()
			<-time.After(time.Minute)
			d.k.Restart(t)
		},
		"silent": func(_ *testing.T, d *desk) {
			d.k.Delay(time.Hour)
			<-time.After(time.Minute)
			d.k.Delay(0)
			d.k.DropConnections()
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachKind(t, kafkatest.Virtual, func(t *testing.T, k *kafkatest.Broker, kind groupKind) {
				if name == "killed" && kind.name == "consumer protocol" {
					t.Skip("the embedded broker assigns nothing to a KIP-848 member that joins behind its restart")
				}
				d := newDesk(t, k, 1000)
				c := d.clerk(kind.opts(0)...)
				c.run(c.copies(func(ctx context.Context, _ deskMessage) error { return idle(ctx, 5*time.Millisecond) }, settings.MaxInterval(100*time.Millisecond)))
				d.await("some work", func() bool { return d.committed(0)+d.committed(1) > 10 })
				gone(t, d)
				require.Nil(t, c.ctl.Err())
				d.write(0, 1000, 1010)
				d.await("the rest", func() bool { return d.committed(0) == 1010 && d.committed(1) == 1000 })
				require.Equal(t, upTo(0, 1010), distinct(c.offsetsOf(0)))
				require.Equal(t, upTo(0, 1000), distinct(c.offsetsOf(1)))
				require.Contains(t, d.log.String(), "no Kafka broker reached")
				require.Less(t, strings.Count(d.log.String(), "a commit failed and will be tried again"), 20, "it is told now and then")
				c.drain()
			})
		})
	}
}

// A wrong bootstrap address is told after some seconds, again and again; the run does not end by
// it, and can be ended.
func TestWrongBootstrap(t *testing.T) {
	virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		d := newDesk(t, k, 0)
		for name, what := range deskSubscriptions(deskTopic) {
			cs := d.settings().With(settings.Bootstrap("localhost:1"))
			var more []consumer.Option
			for _, o := range what[1:] {
				more = append(more, o.(consumer.Option))
			}
			ctl, err := committing(consumer.New(cs, what[0].(consumer.Subscription), more...)).Start(t.Context())
			require.NoError(t, err)
			<-time.After(20 * time.Second)
			require.Nil(t, ctl.Err(), name)
			require.Contains(t, d.log.String(), "no Kafka broker reached at localhost:1")
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
			eachKind(t, virtual, func(t *testing.T, k *kafkatest.Broker, kind groupKind) {
				d := newDesk(t, k, 0)
				d.write(0, 0, 100)
				d.commitPast(0, 50)
				require.NoError(t, k.Cluster().DeleteRecords(deskTopic, 0, 80))
				cl := d.clerk(append(kind.opts(0), settings.OutOfRange(c.policy))...)
				cl.run(cl.copies(nil))
				if c.from < 0 {
					<-cl.ctl.Done()
					var out *consumer.OutOfRangeError
					require.ErrorAs(t, cl.ctl.Err(), &out)
					require.Equal(t, deskTopic, out.Topic)
					require.EqualValues(t, 50, out.Offset)
					require.EqualValues(t, 50, d.committed(0))
					return
				}
				<-time.After(10 * time.Second)
				d.write(0, 100, 110)
				d.awaitCommitted(0, 110)
				require.Equal(t, upTo(c.from, 110), cl.offsetsOf(0))
				cl.drain()
			})
		})
	}
}

// commitPast commits an offset as an administrator does.
func (d *desk) commitPast(p int32, offset int64) {
	d.t.Helper()
	cl, err := kgo.NewClient(d.k.ClientOptions()...)
	require.NoError(d.t, err)
	defer cl.Close()
	var at kadm.Offsets
	at.AddOffset(deskTopic, p, offset, -1)
	_, err = kadm.NewClient(cl).CommitOffsets(d.t.Context(), deskGroup, at)
	require.NoError(d.t, err)
}

// The topic is deleted and made anew while it is read. The stream ends with a typed error, or goes
// on with the new one; it never is silent for ever.
func TestTopicDeletedAndMadeAnew(t *testing.T) {
	for name, policy := range map[string]settings.OutOfRangePolicy{"fail": settings.FailOutOfRange, "to earliest": settings.ToEarliest} {
		t.Run(name, func(t *testing.T) {
			eachKind(t, virtual, func(t *testing.T, k *kafkatest.Broker, kind groupKind) {
				d := newDesk(t, k, 100)
				c := d.clerk(append(kind.opts(0), settings.OutOfRange(policy))...)
				c.run(c.copies(nil))
				d.awaitCommitted(0, 100)
				d.awaitCommitted(1, 100)
				require.NoError(t, k.Cluster().DeleteTopic(deskTopic))
				<-time.After(5 * time.Second)
				k.CreateTopic(t, deskTopic, 2)
				d.write(0, 0, 5)
				d.write(1, 0, 5)
				deadline := time.After(2 * time.Minute)
				for over := false; !over; {
					select {
					case <-c.ctl.Done():
						over = true
					case <-deadline:
						t.Fatal("neither an error nor a record")
					case <-time.After(100 * time.Millisecond):
						over = len(c.offsetsOf(0)) == 105 && len(c.offsetsOf(1)) == 105
					}
				}
				t.Log(c.ctl.Err())
				if err := c.ctl.Err(); err != nil {
					var fetch *consumer.FetchError
					var out *consumer.OutOfRangeError
					require.True(t, asAny(err, &fetch) || asAny(err, &out), "%T %v", err, err)
					return
				}
				c.drain()
			})
		})
	}
}

// All problems of the settings, the subscription and the source are told at once, before anything
// runs.
func TestAllProblemsAtOnce(t *testing.T) {
	virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		cs := settings.NewConsumer(serde.String(), serde.String(), k.Dialer(), settings.TrackLimit(-1), settings.RevokeTimeout(time.Hour))
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
