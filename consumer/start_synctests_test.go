//go:build synctests

package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// committingSources are graphs that commit.
var committingSources = map[string]sourceGraph{
	"committable": readAndCommit,
	"metadata": func(c *strConsumer, take takeRecord) stream.Graph {
		return commitAll(c.CommitWithMetadataSource(noMetadata), take)
	},
	"offset context": func(c *strConsumer, take takeRecord) stream.Graph {
		src := stream.TryMap(c.SourceWithOffsetContext().Pairs(), func(ctx context.Context, p stream.Pair[*strRecord, envelope.Committable]) (envelope.Committable, error) {
			return p.Context, take(ctx, p.Value)
		})
		return src.To(consumer.CommitterSink(settings.NewCommitter()))
	},
	"at most once": allSources["at most once"],
	"partitioned": func(c *strConsumer, take takeRecord) stream.Graph {
		return stream.Each(c.CommittablePartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strMessage]) stream.Graph {
			return commitAll(src, take)
		})
	},
	"manual offsets": func(c *strConsumer, take takeRecord) stream.Graph {
		return stream.Each(c.CommittablePartitionedManualOffsetSource(noOffsets, nil), 0, func(_ consumer.TopicPartition, src stream.Source[*strMessage]) stream.Graph {
			return commitAll(src, take)
		})
	},
}

func commitAll(src stream.Source[*strMessage], take takeRecord) stream.Graph {
	return stream.TryMap(src, func(ctx context.Context, m *strMessage) (envelope.Committable, error) {
		return m.Offset, take(ctx, &m.Record)
	}).To(consumer.CommitterSink(settings.NewCommitter()))
}

// latestOf are the settings of a member that begins at the end.
func latestOf(k *kafkatest.Broker, opts ...settings.ConsumerOption) settings.Consumer[string, string] {
	return readerOf(k, settings.StartFrom(settings.Latest), settings.RevokeTimeout(2*time.Second)).With(opts...)
}

// grow gives the topic so many partitions.
func grow(t testing.TB, k *kafkatest.Broker, to int) {
	t.Helper()
	cl, err := kgo.NewClient(k.ClientOptions()...)
	require.NoError(t, err)
	defer cl.Close()
	_, err = kadm.NewClient(cl).UpdatePartitions(context.Background(), to, "in")
	require.NoError(t, err)
}

// What is written behind the first start of a group is read, however its first run ends before
// there was anything to commit.
func TestLatestIsKeptByTheGroup(t *testing.T) {
	for name, graph := range committingSources {
		for _, kind := range groupKinds {
			for _, how := range []string{"fault", "drain", "other member", "stop"} {
				if how == "fault" && name == "at most once" { // it has delivered the record
					continue
				}
				t.Run(fmt.Sprint(name, "/", kind.name, "/", how), func(t *testing.T) {
					withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
						fillPartitions(t, k, "in", 2, 0, 50)
						got := newGathered()
						bad := how == "fault"
						member := func(i int) (*strConsumer, *stream.Control) {
							c := consumer.New(latestOf(k, kind.opts(i)...), consumer.Topics("in"))
							return c, begun(t, graph(c, func(_ context.Context, r *strRecord) error {
								if bad {
									bad = false
									return errors.New("a dependency is away")
								}
								got.add(r)
								return nil
							}))
						}
						a, first := member(0)
						pass(10 * time.Second)
						require.EqualValues(t, 50, kafkatest.CommittedOffset(t, k, readGroup, "in", 0), "the place that was looked up is committed without a record")
						require.EqualValues(t, 50, kafkatest.CommittedOffset(t, k, readGroup, "in", 1))
						switch how {
						case "other member":
							require.NoError(t, a.Pause())
							fillPartitions(t, k, "in", 2, 50, 10)
							member(1)
							pass(10 * time.Second)
							drainedAll(t, first)
						case "fault":
							fillPartitions(t, k, "in", 2, 50, 10)
							require.Error(t, outcome(t, first))
							member(0)
						case "drain":
							drainedAll(t, first)
							fillPartitions(t, k, "in", 2, 50, 10)
							member(0)
						case "stop":
							first.Stop()
							<-first.Done()
							fillPartitions(t, k, "in", 2, 50, 10)
							member(0)
						}
						becomes(t, "all", func() bool { return got.count() >= 20 })
						pass(10 * time.Second)
						for p := range int32(2) {
							require.Contains(t, got.of(p), fmt.Sprintf("%d/50", p))
							require.NotContains(t, got.of(p), fmt.Sprintf("%d/49", p), "what was there before")
						}
					})
				})
			}
		}
	}
}

// A handle that is run again goes on where it was, whether its source commits or not.
func TestAHandleGoesOnWhereItWas(t *testing.T) {
	for _, start := range []settings.StartPosition{settings.Earliest, settings.Latest} {
		t.Run(start.String(), func(t *testing.T) {
			onAllSources(t, 2, func(t *testing.T, k *kafkatest.Broker, graph sourceGraph) {
				fillPartitions(t, k, "in", 2, 0, 10)
				got := newGathered()
				c := consumer.New(readerOf(k, settings.StartFrom(start)), consumer.Topics("in"))
				for i := range 3 {
					ctl := begun(t, graph(c, func(_ context.Context, r *strRecord) error { got.add(r); return nil }))
					pass(10 * time.Second)
					drainedAll(t, ctl)
					fillPartitions(t, k, "in", 2, 10+10*i, 10)
				}
				first := 0
				if start == settings.Latest {
					first = 10
				}
				for p := range int32(2) {
					require.Equal(t, numberedFrom(p, first, 30-first), got.of(p))
				}
			})
		})
	}
}

// The same for partitions of one's own choice, with a group and without.
func TestAHandleOfPartitionsGoesOn(t *testing.T) {
	for name, cs := range map[string]func(*kafkatest.Broker, ...settings.ConsumerOption) settings.Consumer[string, string]{"group": readerOf, "no group": looseReader} {
		for sub, c := range map[string]struct {
			sub   consumer.Subscription
			first int
		}{
			"partitions": {consumer.Partitions(ats(2)...), 10},
			"offsets":    {consumer.Offsets(map[consumer.TopicPartition]int64{at(0): 5, at(1): 5}), 5},
		} {
			t.Run(name+"/"+sub, func(t *testing.T) {
				withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
					fillPartitions(t, k, "in", 2, 0, 10)
					got := newGathered()
					h := consumer.New(cs(k, settings.StartFrom(settings.Latest)), c.sub)
					for i := range 3 {
						ctl := begun(t, h.PlainSource().To(got.sink()))
						pass(time.Second)
						drainedAll(t, ctl)
						fillPartitions(t, k, "in", 2, 10+10*i, 10)
					}
					for p := range int32(2) {
						require.Equal(t, numberedFrom(p, c.first, 30-c.first), got.of(p))
					}
				})
			})
		}
	}
}

// The place that was looked up is committed once, where there is a committer; where something is
// committed already nothing is looked up.
func TestTheStartIsCommittedOnce(t *testing.T) {
	for _, committed := range []bool{false, true} {
		for _, armed := range []bool{true, false} {
			t.Run(fmt.Sprint("committed ", committed, ", with a committer ", armed), func(t *testing.T) {
				withTopic(t, 1, func(t *testing.T, k *kafkatest.Broker) {
					fillPartitions(t, k, "in", 1, 0, 50)
					got := newGathered()
					take := func(_ context.Context, r *strRecord) error { got.add(r); return nil }
					if committed {
						cl, err := kgo.NewClient(k.ClientOptions()...)
						require.NoError(t, err)
						var at kadm.Offsets
						at.AddOffset("in", 0, 20, -1)
						_, err = kadm.NewClient(cl).CommitOffsets(t.Context(), readGroup, at)
						require.NoError(t, err)
						cl.Close()
					}
					log := watchCommits(t, k, "in")
					graph := readAndCommit
					if !armed {
						graph = allSources["plain"]
					}
					ctl := begun(t, graph(consumer.New(latestOf(k), consumer.Topics("in")), take))
					pass(time.Minute)
					drainedAll(t, ctl)
					switch {
					case committed && armed:
						require.Equal(t, numberedFrom(0, 20, 30), got.of(0))
						for _, o := range log.of(0) {
							require.Greater(t, o.offset, int64(20))
						}
					case armed:
						require.Len(t, log.of(0), 1)
						require.EqualValues(t, 50, log.of(0)[0].offset)
					default:
						require.Empty(t, log.of(0))
					}
				})
			})
		}
	}
}

// A partition that the topic gets while the subscription stands is read from its first record on;
// what was in the others before is not. In every protocol, and: found by a member that runs; by the
// handle's next run; by a group that is started anew; by a member that joins later and may be given
// it.
func TestNewPartitionsBeginAtTheirStart(t *testing.T) {
	for _, kind := range groupKinds {
		for _, how := range []string{"running", "plain, running", "the handle again", "plain, the handle again", "the group anew", "another member"} {
			t.Run(kind.name+"/"+how, func(t *testing.T) {
				withTopic(t, 1, func(t *testing.T, k *kafkatest.Broker) {
					fillPartitions(t, k, "in", 1, 0, 50)
					got := newGathered()
					graph := readAndCommit
					if how == "plain, running" || how == "plain, the handle again" {
						graph = allSources["plain"]
					}
					take := func(_ context.Context, r *strRecord) error { got.add(r); return nil }
					handle := func(i int) *strConsumer {
						return consumer.New(latestOf(k, kind.opts(i)...).With(longLife...), consumer.Topics("in"))
					}
					c := handle(0)
					ctl := begun(t, graph(c, take))
					pass(5 * time.Second)
					fillPartitions(t, k, "in", 1, 50, 10)
					pass(5 * time.Second)
					again := how != "running" && how != "plain, running" && how != "another member"
					if again {
						drainedAll(t, ctl)
					}
					grow(t, k, 4)
					for p := int32(1); p < 4; p++ {
						var recs []*kgo.Record
						for _, v := range numberedFrom(p, 0, 10) {
							recs = append(recs, kgo.StringRecord(v))
						}
						kafkatest.ProduceTo(t, k, "in", p, recs...)
					}
					switch how {
					case "the handle again", "plain, the handle again":
						begun(t, graph(c, take))
					case "the group anew":
						begun(t, graph(handle(0), take))
					case "another member":
						begun(t, graph(handle(1), take))
						begun(t, graph(handle(2), take))
					}
					becomes(t, "all", func() bool { return got.count() >= 40 })
					pass(2 * time.Minute) // the topics are looked at four times more
					require.Equal(t, numberedFrom(0, 50, 10), got.of(0))
					for p := int32(1); p < 4; p++ {
						require.Equal(t, numberedFrom(p, 0, 10), got.of(p))
					}
				}, slowHeartbeats)
			})
		}
	}
}

// Partitions that were there when the subscription began are not new to a member that gets them
// later.
func TestOldPartitionsOfALaterMember(t *testing.T) {
	for _, kind := range groupKinds {
		for name, graph := range map[string]sourceGraph{"committable": readAndCommit, "plain": allSources["plain"]} {
			t.Run(kind.name+"/"+name, func(t *testing.T) {
				withTopic(t, 4, func(t *testing.T, k *kafkatest.Broker) {
					fillPartitions(t, k, "in", 4, 0, 50)
					got := newGathered()
					take := func(_ context.Context, r *strRecord) error { got.add(r); return nil }
					var all []*stream.Control
					for i := range 3 {
						all = append(all, begun(t, graph(consumer.New(latestOf(k, kind.opts(i)...), consumer.Topics("in")), take)))
					}
					pass(time.Minute)
					drainedAll(t, all[0])
					pass(time.Minute)
					fillPartitions(t, k, "in", 4, 50, 10)
					pass(time.Minute)
					for p := range int32(4) {
						require.Equal(t, numberedFrom(p, 50, 10), got.of(p))
					}
				})
			})
		}
	}
}

// A topic that comes later, or that brokers do not know at first: what is written to it from the
// start of the run on is read, and nothing that is older.
func TestLatestOfATopicThatIsNotKnownAtFirst(t *testing.T) {
	for name, graph := range map[string]sourceGraph{"committable": readAndCommit, "plain": allSources["plain"]} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, k *kafkatest.Broker) {
				got := newGathered()
				c := consumer.New(latestOf(k), consumer.Topics("in"))
				begun(t, graph(c, func(_ context.Context, r *strRecord) error { got.add(r); return nil }))
				pass(5 * time.Second)
				k.CreateTopic(t, "in", 1)
				fillPartitions(t, k, "in", 1, 0, 10)
				becomes(t, "all", func() bool { return got.count() == 10 })
			})
			withTopic(t, 1, func(t *testing.T, k *kafkatest.Broker) {
				fillPartitions(t, k, "in", 1, 0, 10)
				k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "in", Err: kerrUnknownTopic, Count: 5})
				got := newGathered()
				c := consumer.New(latestOf(k), consumer.Topics("in"))
				begun(t, graph(c, func(_ context.Context, r *strRecord) error { got.add(r); return nil }))
				pass(10 * time.Second)
				fillPartitions(t, k, "in", 1, 10, 10)
				pass(10 * time.Second)
				require.Equal(t, numberedFrom(0, 10, 10), got.of(0))
			})
		})
	}
}
