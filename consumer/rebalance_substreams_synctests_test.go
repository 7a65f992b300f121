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
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// partitionedKinds are all partitioned sources, each with a graph that takes every record. loads is
// nil, or where a loader gets its offsets from.
func partitionedKinds(c *strConsumer, kids *children, got *grouptest.Deliveries, load consumer.LoadOffsets) map[string]func() stream.Graph {
	plain := func(src stream.Source[strSub]) stream.Graph {
		return stream.Each(src, 0, func(p consumer.TopicPartition, s stream.Source[*strRecord]) stream.Graph {
			return kids.watch(p, s, got.Take)
		})
	}
	committable := func(src stream.Source[stream.Sub[consumer.TopicPartition, *strMessage]]) stream.Graph {
		return stream.Each(src, 0, func(p consumer.TopicPartition, s stream.Source[*strMessage]) stream.Graph {
			records := stream.Map(s, func(m *strMessage) *strRecord { return &m.Record })
			return kids.watch(p, records, got.Take)
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
			grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
				const n = 100
				w.Fill(2, 0, n)
				got, kids := &grouptest.Deliveries{}, newChildren()
				load := func(_ context.Context, ps []consumer.TopicPartition) (map[consumer.TopicPartition]int64, error) {
					from := offsetMap{}
					for _, p := range ps {
						from[p] = int64(len(got.Values(p.Partition)))
					}
					return from, nil
				}
				opts := []settings.ConsumerOption{settings.SessionTimeout(6 * time.Second), settings.RebalanceTimeout(10 * time.Second), settings.RevokeTimeout(2 * time.Second)}
				c := consumer.New(w.Settings(opts...), consumer.Topics("in"), consumer.CommitsElsewhere(settings.MaxInterval(time.Hour)))
				ctl := w.Start(partitionedKinds(c, kids, got, load)[kind]())
				w.Until("first", func() bool { return got.Count() == 2*n })
				w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Group: w.Group, Err: kerr.UnknownMemberID, Count: 1})
				w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Group: w.Group, Err: kerr.RebalanceInProgress, Count: 1})
				w.Pass(time.Minute)
				w.Fill(2, n, n)
				w.Pass(time.Minute)
				for p := range int32(2) {
					begun, ended := kids.of(p)
					require.Equal(t, 2, begun, "partition %d", p)
					require.Equal(t, 1, ended, "partition %d", p)
					require.Subset(t, got.Values(p), grouptest.Values(p, n, n))
				}
				w.Drain(ctl)
			})
		})
	}
}

// A member is put out while its loader still looks for offsets: it is asked again, and each
// partition has one sub-stream, which begins where the last answer says.
func TestPutOutWhileLoading(t *testing.T) {
	for _, kind := range []string{"plain manual", "committable manual"} {
		t.Run(kind, func(t *testing.T) {
			grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
				const n = 100
				w.Fill(2, 0, n)
				got, kids, l := &grouptest.Deliveries{}, newChildren(), &loads{}
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
				c := consumer.New(w.Settings(opts...), consumer.Topics("in"), consumer.CommitsElsewhere(settings.MaxInterval(time.Hour)))
				ctl := w.Start(partitionedKinds(c, kids, got, load)[kind]())
				w.Until("the first call", func() bool { calls, _ := l.all(); return len(calls) == 1 })
				w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Group: w.Group, Err: kerr.UnknownMemberID, Count: 1})
				w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Group: w.Group, Err: kerr.RebalanceInProgress, Count: 1})
				w.Pass(time.Minute)
				calls, _ := l.all()
				require.GreaterOrEqual(t, len(calls), 2)
				from := 10 * len(calls)
				for p := range int32(2) {
					begun, ended := kids.of(p)
					t.Logf("partition %d: %d begun, %d ended, %d loads", p, begun, ended, len(calls))
					require.Equal(t, 1, begun-ended, "one at a time")
					require.Equal(t, grouptest.Values(p, from, n-from), got.Values(p))
				}
				w.Drain(ctl)
			})
		})
	}
}
