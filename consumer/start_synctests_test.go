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
	"github.com/vicuna-go/vicuna/internal/grouptest"
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
func latestOf(w *grouptest.World, opts ...settings.ConsumerOption) settings.Consumer[string, string] {
	return w.Settings(settings.StartFrom(settings.Latest), settings.RevokeTimeout(2*time.Second)).With(opts...)
}

// grow gives the topic so many partitions.
func grow(t testing.TB, w *grouptest.World, to int) {
	t.Helper()
	cl, err := kgo.NewClient(w.ClientOptions()...)
	require.NoError(t, err)
	defer cl.Close()
	_, err = kadm.NewClient(cl).UpdatePartitions(context.Background(), to, "in")
	require.NoError(t, err)
}

// What is written after the first start of a group is read, however its first run ends before
// there was anything to commit.
func TestLatestIsKeptByTheGroup(t *testing.T) {
	for name, graph := range committingSources {
		for _, kind := range grouptest.Protocols {
			for _, how := range []string{"fault", "drain", "other member", "stop"} {
				if how == "fault" && name == "at most once" { // it has delivered the record
					continue
				}
				t.Run(fmt.Sprint(name, "/", kind.Name, "/", how), func(t *testing.T) {
					grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
						w.Fill(2, 0, 50)
						got := &grouptest.Deliveries{}
						bad := how == "fault"
						member := func(i int) (*strConsumer, *stream.Control) {
							c := consumer.New(latestOf(w, kind.Member(i)...), consumer.Topics("in"))
							return c, w.Start(graph(c, func(_ context.Context, r *strRecord) error {
								if bad {
									bad = false
									return errors.New("a dependency is away")
								}
								got.Add(r)
								return nil
							}))
						}
						a, first := member(0)
						w.Pass(10 * time.Second)
						require.EqualValues(t, 50, w.Committed(0), "the place that was looked up is committed without a record")
						require.EqualValues(t, 50, w.Committed(1))
						switch how {
						case "other member":
							require.NoError(t, a.Pause())
							w.Fill(2, 50, 10)
							member(1)
							w.Pass(10 * time.Second)
							w.Drain(first)
						case "fault":
							w.Fill(2, 50, 10)
							require.Error(t, w.Outcome(first))
							member(0)
						case "drain":
							w.Drain(first)
							w.Fill(2, 50, 10)
							member(0)
						case "stop":
							grouptest.Stop(first)
							w.Fill(2, 50, 10)
							member(0)
						}
						w.Until("all", func() bool { return got.Count() >= 20 })
						w.Pass(10 * time.Second)
						for p := range int32(2) {
							require.Contains(t, got.Values(p), fmt.Sprintf("%d/50", p))
							require.NotContains(t, got.Values(p), fmt.Sprintf("%d/49", p), "what was there before")
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
			onAllSources(t, 2, func(t *testing.T, w *grouptest.World, graph sourceGraph) {
				w.Fill(2, 0, 10)
				got := &grouptest.Deliveries{}
				c := w.Consumer(settings.StartFrom(start))
				for i := range 3 {
					ctl := w.Start(graph(c, got.Take))
					w.Pass(10 * time.Second)
					w.Drain(ctl)
					w.Fill(2, 10+10*i, 10)
				}
				first := 0
				if start == settings.Latest {
					first = 10
				}
				for p := range int32(2) {
					require.Equal(t, grouptest.Values(p, first, 30-first), got.Values(p))
				}
			})
		})
	}
}

// The same for partitions of one's own choice, with a group and without.
func TestAHandleOfPartitionsGoesOn(t *testing.T) {
	for name, cs := range map[string]func(*grouptest.World, ...settings.ConsumerOption) settings.Consumer[string, string]{"group": (*grouptest.World).Settings, "no group": (*grouptest.World).Loose} {
		for sub, c := range map[string]struct {
			sub   consumer.Subscription
			first int
		}{
			"partitions": {consumer.Partitions(ats(2)...), 10},
			"offsets":    {consumer.Offsets(map[consumer.TopicPartition]int64{at(0): 5, at(1): 5}), 5},
		} {
			t.Run(name+"/"+sub, func(t *testing.T) {
				grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
					w.Fill(2, 0, 10)
					got := &grouptest.Deliveries{}
					h := consumer.New(cs(w, settings.StartFrom(settings.Latest)), c.sub)
					for i := range 3 {
						ctl := w.Start(h.PlainSource().To(got.Sink()))
						w.Pass(time.Second)
						w.Drain(ctl)
						w.Fill(2, 10+10*i, 10)
					}
					for p := range int32(2) {
						require.Equal(t, grouptest.Values(p, c.first, 30-c.first), got.Values(p))
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
				grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
					w.Fill(1, 0, 50)
					got := &grouptest.Deliveries{}
					take := got.Take
					if committed {
						w.CommitAs(w.Group, map[int32]int64{0: 20})
					}
					before := len(w.Journal.Commits())
					graph := readAndCommit
					if !armed {
						graph = allSources["plain"]
					}
					ctl := w.Start(graph(consumer.New(latestOf(w), consumer.Topics("in")), take))
					w.Pass(time.Minute)
					w.Drain(ctl)
					commits := w.Journal.CommitsOf(0, before)
					switch {
					case committed && armed:
						require.Equal(t, grouptest.Values(0, 20, 30), got.Values(0))
						for _, c := range commits {
							require.Greater(t, c.Offset, int64(20))
						}
					case armed:
						require.Len(t, commits, 1)
						require.EqualValues(t, 50, commits[0].Offset)
					default:
						require.Empty(t, commits)
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
	for _, kind := range grouptest.Protocols {
		for _, how := range []string{"running", "plain, running", "the handle again", "plain, the handle again", "the group anew", "another member"} {
			t.Run(kind.Name+"/"+how, func(t *testing.T) {
				grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
					w.Fill(1, 0, 50)
					got := &grouptest.Deliveries{}
					graph := readAndCommit
					if how == "plain, running" || how == "plain, the handle again" {
						graph = allSources["plain"]
					}
					take := got.Take
					handle := func(i int) *strConsumer {
						return consumer.New(latestOf(w, kind.Member(i)...).With(longLife...), consumer.Topics("in"))
					}
					c := handle(0)
					ctl := w.Start(graph(c, take))
					w.Pass(5 * time.Second)
					w.Fill(1, 50, 10)
					w.Pass(5 * time.Second)
					again := how != "running" && how != "plain, running" && how != "another member"
					if again {
						w.Drain(ctl)
					}
					grow(t, w, 4)
					for p := int32(1); p < 4; p++ {
						var recs []*kgo.Record
						for _, v := range grouptest.Values(p, 0, 10) {
							recs = append(recs, kgo.StringRecord(v))
						}
						kafkatest.ProduceTo(t, w.Broker, "in", p, recs...)
					}
					switch how {
					case "the handle again", "plain, the handle again":
						w.Start(graph(c, take))
					case "the group anew":
						w.Start(graph(handle(0), take))
					case "another member":
						w.Start(graph(handle(1), take))
						w.Start(graph(handle(2), take))
					}
					w.Until("all", func() bool { return got.Count() >= 40 })
					w.Pass(2 * time.Minute) // the topics are looked at four times more
					require.Equal(t, grouptest.Values(0, 50, 10), got.Values(0))
					for p := int32(1); p < 4; p++ {
						require.Equal(t, grouptest.Values(p, 0, 10), got.Values(p))
					}
				}, slowHeartbeats)
			})
		}
	}
}

// Partitions that were there when the subscription began are not new to a member that gets them
// later.
func TestOldPartitionsOfALaterMember(t *testing.T) {
	for _, kind := range grouptest.Protocols {
		for name, graph := range map[string]sourceGraph{"committable": readAndCommit, "plain": allSources["plain"]} {
			t.Run(kind.Name+"/"+name, func(t *testing.T) {
				grouptest.Calmly(t, 4, func(t *testing.T, w *grouptest.World) {
					w.Fill(4, 0, 50)
					got := &grouptest.Deliveries{}
					take := got.Take
					var all []*stream.Control
					for i := range 3 {
						all = append(all, w.Start(graph(consumer.New(latestOf(w, kind.Member(i)...), consumer.Topics("in")), take)))
					}
					w.Pass(time.Minute)
					w.Drain(all[0])
					w.Pass(time.Minute)
					w.Fill(4, 50, 10)
					w.Pass(time.Minute)
					for p := range int32(4) {
						require.Equal(t, grouptest.Values(p, 50, 10), got.Values(p))
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
			grouptest.Run(t, 0, func(t *testing.T, w *grouptest.World) {
				got := &grouptest.Deliveries{}
				c := consumer.New(latestOf(w), consumer.Topics("in"))
				w.Start(graph(c, got.Take))
				w.Pass(5 * time.Second)
				w.CreateTopic(t, "in", 1)
				w.Fill(1, 0, 10)
				w.Until("all", func() bool { return got.Count() == 10 })
			})
			grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
				w.Fill(1, 0, 10)
				w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "in", Err: errUnknownTopic, Count: 5})
				got := &grouptest.Deliveries{}
				c := consumer.New(latestOf(w), consumer.Topics("in"))
				w.Start(graph(c, got.Take))
				w.Pass(10 * time.Second)
				w.Fill(1, 10, 10)
				w.Pass(10 * time.Second)
				require.Equal(t, grouptest.Values(0, 10, 10), got.Values(0))
			})
		})
	}
}
