//go:build synctests

package consumer_test

import (
	"context"
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

// partitionedKinds are all partitioned sources, each with a graph that takes every record. loads is
// nil, or where a loader gets its offsets from.
func partitionedKinds(c *strConsumer, kids *children, got *gathered, load consumer.LoadOffsets) map[string]func() stream.Graph {
	plain := func(src stream.Source[strSub]) stream.Graph {
		return stream.Each(src, 0, func(p consumer.TopicPartition, s stream.Source[*strRecord]) stream.Graph {
			return kids.watch(p, s, func(_ context.Context, r *strRecord) error { got.add(r); return nil })
		})
	}
	committable := func(src stream.Source[stream.Sub[consumer.TopicPartition, *strMessage]]) stream.Graph {
		return stream.Each(src, 0, func(p consumer.TopicPartition, s stream.Source[*strMessage]) stream.Graph {
			records := stream.Map(s, func(m *strMessage) *strRecord { return &m.Record })
			return kids.watch(p, records, func(_ context.Context, r *strRecord) error { got.add(r); return nil })
		})
	}
	return map[string]func() stream.Graph{
		"plain":       func() stream.Graph { return plain(c.PlainPartitionedSource()) },
		"committable": func() stream.Graph { return committable(c.CommittablePartitionedSource()) },
		"metadata": func() stream.Graph {
			return committable(c.CommitWithMetadataPartitionedSource(func(r *strRecord) (string, error) { return r.Value, nil }))
		},
		"plain manual":       func() stream.Graph { return plain(c.PlainPartitionedManualOffsetSource(load, nil)) },
		"committable manual": func() stream.Graph { return committable(c.CommittablePartitionedManualOffsetSource(load, nil)) },
	}
}

var partitionedKindNames = []string{"plain", "committable", "metadata", "plain manual", "committable manual"}

// A member that is put out and gets its partitions again as another has new sub-streams of them,
// whatever the kind of source; each partition has one at a time.
func TestSubStreamsOfAnotherMember(t *testing.T) {
	for _, kind := range partitionedKindNames {
		t.Run(kind, func(t *testing.T) {
			withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
				const n = 100
				fillPartitions(t, k, "in", 2, 0, n)
				got, kids := newGathered(), newChildren()
				load := func(_ context.Context, ps []consumer.TopicPartition) (map[consumer.TopicPartition]int64, error) {
					from := offsetMap{}
					for _, p := range ps {
						from[p] = int64(len(got.of(p.Partition)))
					}
					return from, nil
				}
				opts := []settings.ConsumerOption{settings.SessionTimeout(6 * time.Second), settings.RebalanceTimeout(10 * time.Second), settings.RevokeTimeout(2 * time.Second)}
				c := consumer.New(readerOf(k, opts...), consumer.Topics("in"), consumer.CommitsElsewhere(settings.MaxInterval(time.Hour)))
				ctl := begun(t, partitionedKinds(c, kids, got, load)[kind]())
				becomes(t, "first", func() bool { return got.count() == 2*n })
				k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Group: readGroup, Err: kerr.UnknownMemberID, Count: 1})
				k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Group: readGroup, Err: kerr.RebalanceInProgress, Count: 1})
				pass(time.Minute)
				fillPartitions(t, k, "in", 2, n, n)
				pass(time.Minute)
				for p := range int32(2) {
					begun, ended := kids.of(p)
					require.Equal(t, 2, begun, "partition %d", p)
					require.Equal(t, 1, ended, "partition %d", p)
					require.Subset(t, got.of(p), numberedFrom(p, n, n))
				}
				drainedAll(t, ctl)
			})
		})
	}
}

// A member is put out while its loader still looks for offsets: it is asked again, and each
// partition has one sub-stream, which begins where the last answer says.
func TestPutOutWhileLoading(t *testing.T) {
	for _, kind := range []string{"plain manual", "committable manual"} {
		t.Run(kind, func(t *testing.T) {
			withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
				const n = 100
				fillPartitions(t, k, "in", 2, 0, n)
				got, kids, l := newGathered(), newChildren(), &loads{}
				load := func(ctx context.Context, ps []consumer.TopicPartition) (map[consumer.TopicPartition]int64, error) {
					l.load(ps)
					from := offsetMap{}
					calls, _ := l.all()
					for _, p := range ps {
						from[p] = int64(10 * len(calls))
					}
					if len(calls) == 1 {
						<-ctx.Done() // the session ends: the client does not use what comes now
					}
					return from, nil
				}
				opts := []settings.ConsumerOption{settings.SessionTimeout(6 * time.Second), settings.RebalanceTimeout(10 * time.Second), settings.RevokeTimeout(2 * time.Second)}
				c := consumer.New(readerOf(k, opts...), consumer.Topics("in"), consumer.CommitsElsewhere(settings.MaxInterval(time.Hour)))
				ctl := begun(t, partitionedKinds(c, kids, got, load)[kind]())
				becomes(t, "the first call", func() bool { calls, _ := l.all(); return len(calls) == 1 })
				k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Group: readGroup, Err: kerr.UnknownMemberID, Count: 1})
				k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Group: readGroup, Err: kerr.RebalanceInProgress, Count: 1})
				pass(time.Minute)
				calls, _ := l.all()
				require.GreaterOrEqual(t, len(calls), 2)
				from := 10 * len(calls)
				for p := range int32(2) {
					begun, ended := kids.of(p)
					t.Logf("partition %d: %d begun, %d ended, %d loads", p, begun, ended, len(calls))
					require.Equal(t, 1, begun-ended, "one at a time")
					require.Equal(t, numberedFrom(p, from, n-from), got.of(p))
				}
				drainedAll(t, ctl)
			})
		})
	}
}
