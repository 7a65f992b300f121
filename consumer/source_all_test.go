package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

type (
	takeRecord  = func(context.Context, *strRecord) error
	sourceGraph = func(c *strConsumer, take takeRecord) stream.Graph
)

func noMetadata(*strRecord) (string, error) { return "", nil }

func noOffsets(context.Context, []consumer.TopicPartition) (map[consumer.TopicPartition]int64, error) {
	return nil, nil
}

// takeMessage commits what take has returned for.
func takeMessage(take takeRecord) stream.Sink[*strMessage] {
	return stream.NewFlow(func(src stream.Source[*strMessage]) stream.Source[envelope.Committable] {
		return stream.TryMap(src, func(ctx context.Context, m *strMessage) (envelope.Committable, error) {
			return m.Offset, take(ctx, &m.Record)
		})
	}).To(consumer.CommitterSink(settings.NewCommitter()))
}

func takeContext(take takeRecord) stream.Sink[stream.Pair[*strRecord, envelope.Committable]] {
	return stream.NewFlow(func(src stream.Source[stream.Pair[*strRecord, envelope.Committable]]) stream.Source[envelope.Committable] {
		return stream.TryMap(src, func(ctx context.Context, p stream.Pair[*strRecord, envelope.Committable]) (envelope.Committable, error) {
			return p.Context, take(ctx, p.Value)
		})
	}).To(consumer.CommitterSink(settings.NewCommitter()))
}

func eachRecord(src stream.Source[strSub], take takeRecord) stream.Graph {
	return stream.Each(src, 0, func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
		return src.To(stream.ForEach(take))
	})
}

func eachMessage(src stream.Source[stream.Sub[consumer.TopicPartition, *strMessage]], take takeRecord) stream.Graph {
	return stream.Each(src, 0, func(_ consumer.TopicPartition, src stream.Source[*strMessage]) stream.Graph {
		return src.To(takeMessage(take))
	})
}

// allSources are the sources that there are.
var allSources = map[string]sourceGraph{
	"plain":       func(c *strConsumer, take takeRecord) stream.Graph { return c.PlainSource().To(stream.ForEach(take)) },
	"committable": func(c *strConsumer, take takeRecord) stream.Graph { return c.CommittableSource().To(takeMessage(take)) },
	"metadata": func(c *strConsumer, take takeRecord) stream.Graph {
		return c.CommitWithMetadataSource(noMetadata).To(takeMessage(take))
	},
	"offset context": func(c *strConsumer, take takeRecord) stream.Graph {
		return c.SourceWithOffsetContext().Pairs().To(takeContext(take))
	},
	"offset context, metadata": func(c *strConsumer, take takeRecord) stream.Graph {
		return c.SourceWithOffsetContextAndMetadata(noMetadata).Pairs().To(takeContext(take))
	},
	"at most once": func(c *strConsumer, take takeRecord) stream.Graph {
		return c.AtMostOnceSource(7).To(stream.ForEach(take))
	},
	"partitioned": func(c *strConsumer, take takeRecord) stream.Graph {
		return eachRecord(c.PlainPartitionedSource(), take)
	},
	"partitioned, committable": func(c *strConsumer, take takeRecord) stream.Graph {
		return eachMessage(c.CommittablePartitionedSource(), take)
	},
	"partitioned, metadata": func(c *strConsumer, take takeRecord) stream.Graph {
		return eachMessage(c.CommitWithMetadataPartitionedSource(noMetadata), take)
	},
	"manual offsets": func(c *strConsumer, take takeRecord) stream.Graph {
		return eachRecord(c.PlainPartitionedManualOffsetSource(noOffsets, nil), take)
	},
	"manual offsets, committable": func(c *strConsumer, take takeRecord) stream.Graph {
		return eachMessage(c.CommittablePartitionedManualOffsetSource(noOffsets, nil), take)
	},
}

// onAllSources runs a test for each source.
func onAllSources(t *testing.T, partitions int, fn func(t *testing.T, w *grouptest.World, graph sourceGraph)) {
	t.Helper()
	for name, graph := range allSources {
		t.Run(name, func(t *testing.T) {
			grouptest.Calmly(t, partitions, func(t *testing.T, w *grouptest.World) { fn(t, w, graph) })
		})
	}
}

// seen is a record with all that it tells.
type seenRecord struct {
	topic, key, value, rawKey, rawValue string
	partition, epoch                    int32
	offset                              int64
	hasKey, tombstone                   bool
	headers                             string
	at                                  time.Time
}

func seenOf(r *strRecord) seenRecord {
	return seenRecord{
		r.Topic(), r.Key, r.Value, string(r.RawKey()), string(r.RawValue()), r.Partition(), r.LeaderEpoch(), r.Offset(), r.HasKey(), r.Tombstone(),
		fmt.Sprint(r.Headers()), r.Timestamp().UTC(),
	}
}

// Every source gives every record, with all that it has.
func TestSourcesGiveEverything(t *testing.T) {
	onAllSources(t, 3, func(t *testing.T, w *grouptest.World, graph sourceGraph) {
		want := map[seenRecord]int{}
		epoch := time.Date(2020, 2, 3, 4, 5, 6, 7_000_000, time.UTC)
		for p := range int32(3) {
			var recs []*kgo.Record
			for i := range 50 {
				r := &kgo.Record{Timestamp: epoch.Add(time.Duration(i) * time.Millisecond)}
				s := seenRecord{topic: "in", partition: p, offset: int64(i), at: r.Timestamp, headers: "[]"}
				if i%2 == 0 {
					s.key, s.hasKey = fmt.Sprint("k", i%3*i), true
					if i == 4 {
						s.key = "" // a key, though an empty one
					}
					s.rawKey = s.key
					r.Key = []byte(s.key)
				}
				if i%5 == 0 {
					s.tombstone = true
				} else {
					s.value = fmt.Sprint("v", p, "/", i)
					if i == 6 {
						s.value = ""
					}
					s.rawValue = s.value
					r.Value = []byte(s.value)
				}
				if i%7 == 0 {
					r.Headers = []kgo.RecordHeader{{Key: "h", Value: []byte("1")}, {Key: "h", Value: []byte("2")}, {Key: "", Value: nil}}
					s.headers = fmt.Sprint(r.Headers)
				}
				want[s]++
				recs = append(recs, r)
			}
			for part := range slices.Chunk(recs, 8) {
				kafkatest.ProduceTo(t, w.Broker, "in", p, part...)
			}
		}
		var mu sync.Mutex
		got := map[seenRecord]int{}
		next := map[int32]int64{}
		c := w.ToEnd()
		require.NoError(t, graph(c, func(_ context.Context, r *strRecord) error {
			mu.Lock()
			defer mu.Unlock()
			got[seenOf(r)]++
			if r.Offset() != next[r.Partition()] {
				return fmt.Errorf("partition %d: offset %d, and not %d", r.Partition(), r.Offset(), next[r.Partition()])
			}
			if r.Err() != nil || r.Kgo() == nil {
				return errors.New("not as it should be")
			}
			next[r.Partition()]++
			return nil
		}).Run(t.Context()))
		require.Equal(t, want, got)
	})
}

// Records of several topics, and of topics that share their partitions' numbers.
func TestSeveralTopics(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		w.CreateTopic(t, "other", 2)
		w.Fill(2, 0, 20)
		for p := range int32(2) {
			var recs []*kgo.Record
			for range 30 {
				recs = append(recs, kgo.StringRecord("other"))
			}
			kafkatest.ProduceTo(t, w.Broker, "other", p, recs...)
		}
		c := consumer.New(w.Settings(), consumer.Topics("in", "other"), consumer.ToEnd())
		recs, err := stream.Collect(t.Context(), c.PlainSource())
		require.NoError(t, err)
		count := map[consumer.TopicPartition]int{}
		for _, r := range recs {
			count[consumer.TopicPartition{Topic: r.Topic(), Partition: r.Partition()}]++
		}
		require.Equal(t, map[consumer.TopicPartition]int{{Topic: "in", Partition: 0}: 20, {Topic: "in", Partition: 1}: 20, {Topic: "other", Partition: 0}: 30, {Topic: "other", Partition: 1}: 30}, count)
	})
}

// A handle has one run at a time, and as many as you like one after the other.
func TestOneRunAtATime(t *testing.T) {
	onAllSources(t, 2, func(t *testing.T, w *grouptest.World, graph sourceGraph) {
		c := w.Consumer()
		w.Fill(2, 0, 5)
		for range 2 {
			got := &grouptest.Deliveries{}
			g := graph(c, got.Take)
			ctl := w.Start(g)
			_, err := g.Start(t.Context())
			require.ErrorIs(t, err, consumer.ErrRunning)
			require.ErrorIs(t, c.PlainSource().To(got.Sink()).Run(t.Context()), consumer.ErrRunning)
			w.Drain(ctl)
			require.ErrorIs(t, w.Outcome(ctl), stream.ErrDrained)
		}
		two := stream.Merge(c.PlainSource(), c.PlainSource()).To(stream.Ignore[*strRecord]())
		require.ErrorIs(t, two.Run(t.Context()), consumer.ErrRunning)
		_, err := c.Assignment()
		require.ErrorIs(t, err, consumer.ErrNotRunning, "a run that was not begun leaves nothing behind")
	})
}

// What is wrong is told when the stream is started, all at once.
func TestProblemsAreToldTogether(t *testing.T) {
	bad := settings.NewConsumer[string, string](nil, nil)
	err := consumer.New(bad, consumer.Topics()).AtMostOnceSource(0).To(stream.Ignore[*strRecord]()).Run(t.Context())
	require.ErrorIs(t, err, consumer.ErrSubscription)
	require.ErrorIs(t, err, consumer.ErrNoGroup)
	require.ErrorContains(t, err, "at least 1 is needed")
	var problem *settings.Problem
	require.ErrorAs(t, err, &problem)
}

// A graph that cannot be built for another reason leaves the handle free.
func TestAGraphThatIsNotBuiltFreesTheHandle(t *testing.T) {
	grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
		c := w.ToEnd()
		bad := consumer.New(w.Settings(), consumer.Topics())
		err := stream.Merge(c.PlainSource(), bad.PlainSource()).To(stream.Ignore[*strRecord]()).Run(t.Context())
		require.ErrorIs(t, err, consumer.ErrSubscription)
		require.NoError(t, c.PlainSource().To(stream.Ignore[*strRecord]()).Run(t.Context()))
	})
}

// Sources that need no group do without one where the partitions are the user's choice; the others
// say that they need one.
func TestGroupIsNeeded(t *testing.T) {
	onAllSources(t, 1, func(t *testing.T, w *grouptest.World, graph sourceGraph) {
		w.Fill(1, 0, 3)
		got := &grouptest.Deliveries{}
		take := got.Take
		require.ErrorIs(t, graph(consumer.New(w.Loose(), consumer.Topics("in")), take).Run(t.Context()), consumer.ErrNoGroup)
		err := graph(consumer.New(w.Loose(), consumer.Partitions(at(0)), consumer.ToEnd()), take).Run(t.Context())
		if errors.Is(err, consumer.ErrNoGroup) {
			require.Zero(t, got.Count())
			return
		}
		require.NoError(t, err)
		got.RequireWhole(t, 1, 3)
	})
}

// A stream may end before its source does, and leaves the group then.
func TestTake(t *testing.T) {
	grouptest.Calmly(t, 3, func(t *testing.T, w *grouptest.World) {
		w.Fill(3, 0, 500)
		c := consumer.New(w.Settings(), consumer.Topics("in"), consumer.CommitsElsewhere())
		recs, err := stream.Collect(t.Context(), c.PlainSource().Take(10))
		require.NoError(t, err)
		require.Len(t, recs, 10)
		msgs, err := stream.Collect(t.Context(), c.CommittableSource().Take(10))
		require.NoError(t, err)
		require.Len(t, msgs, 10)
		recs, err = stream.Collect(t.Context(), c.PlainSource().Take(0))
		require.NoError(t, err)
		require.Empty(t, recs)
	})
}

// Sub-streams that end early are followed by others, also where nobody wants them any more.
func TestTakeOfSubStreams(t *testing.T) {
	grouptest.Calmly(t, 3, func(t *testing.T, w *grouptest.World) {
		w.Fill(3, 0, 20)
		c := w.Consumer()
		got := &grouptest.Deliveries{}
		require.NoError(t, stream.Each(c.PlainPartitionedSource().Take(5), 0, func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
			return src.Take(4).To(got.Sink())
		}).Run(t.Context()))
		require.Equal(t, 20, got.Count())
	})
}
