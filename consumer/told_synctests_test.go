//go:build synctests

package consumer_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// line is the first one that has some text; "" where there is none.
func (l *readerLog) line(what string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, what) {
			return line
		}
	}
	return ""
}

// The course of a run's life is told in a few lines, and nothing while all is well.
func TestLifeIsTold(t *testing.T) {
	withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
		var log readerLog
		fillPartitions(t, k, "in", 2, 0, 100)
		first := begun(t, consumer.New(readerOf(k, log.option()).With(longLife...), consumer.Topics("in")).PlainSource().To(stream.Ignore[*strRecord]()))
		pass(2 * time.Second)
		second := begun(t, consumer.New(readerOf(k).With(longLife...), consumer.Topics("in")).PlainSource().To(stream.Ignore[*strRecord]()))
		pass(time.Hour)
		drainedAll(t, second)
		pass(time.Minute)
		drainedAll(t, first)
		for what, times := range map[string]int{
			"a consumer has started": 1, "partitions were assigned": 2, "partitions were revoked": 1, "is being drained": 1, "a consumer has ended": 1,
			`partitions="in[0 1]"`: 1, "level=WARN": 0,
		} {
			require.Equal(t, times, log.count(what), "%s in %s", what, log.text.String())
		}
	})
}

// Records that stay undone are told with their stage, and so are those that a revoke gives up.
func TestStuckRecordsAreNamed(t *testing.T) {
	for _, kind := range []string{"ordered", "unordered", "on the stream's goroutine", "sub-streams"} {
		t.Run(kind, func(t *testing.T) {
			withTopic(t, 1, func(t *testing.T, k *kafkatest.Broker) {
				var log readerLog
				fillPartitions(t, k, "in", 1, 0, 10)
				block := make(chan struct{})
				lookup := func(_ context.Context, m *strMessage) (envelope.Committable, error) {
					if m.Record.Offset() == 3 {
						<-block
					}
					return m.Offset, nil
				}
				named := func(src stream.Source[*strMessage]) stream.Graph {
					var to stream.Source[envelope.Committable]
					switch kind {
					case "unordered":
						to = stream.MapAsyncUnordered(src, 4, lookup)
					case "on the stream's goroutine":
						to = stream.TryMap(src, lookup)
					default:
						to = stream.MapAsync(src, 4, lookup)
					}
					return to.Named("lookup").To(consumer.CommitterSink(settings.NewCommitter()))
				}
				c := consumer.New(readerOf(k, log.option(), settings.StuckAfter(10*time.Second), settings.RevokeTimeout(5*time.Second)), consumer.Topics("in"))
				var g stream.Graph
				if kind == "sub-streams" {
					g = stream.Each(c.CommittablePartitionedSource(), 0, func(_ consumer.TopicPartition, s stream.Source[*strMessage]) stream.Graph { return named(s) })
				} else {
					g = named(c.CommittableSource())
				}
				ctl := begun(t, g)
				pass(25 * time.Second)
				stuck := log.line("record stuck")
				require.Contains(t, stuck, "in[0]@3 in stage ")
				require.Contains(t, stuck, "lookup")
				second := begun(t, consumer.New(readerOf(k, settings.Protocol(settings.Eager)), consumer.Topics("in")).PlainSource().To(stream.Ignore[*strRecord]()))
				_ = second
				third := begun(t, consumer.New(readerOf(k), consumer.Topics("in")).PlainSource().To(stream.Ignore[*strRecord]()))
				pass(30 * time.Second)
				if given := log.line("given up with records in flight"); given != "" {
					require.Contains(t, given, "in[0]: ")
					require.Contains(t, given, "in[0]@3 in stage ")
					require.Contains(t, given, "lookup")
				}
				close(block)
				third.Stop()
				ctl.Stop()
			})
		})
	}
}

// Partitions whose sub-streams wait for others that never end are told of, once; those of a bounded
// run, where each has its turn, are not.
func TestStarvedSubStreamsAreTold(t *testing.T) {
	for _, bounded := range []bool{false, true} {
		t.Run(map[bool]string{false: "endless", true: "bounded"}[bounded], func(t *testing.T) {
			withTopic(t, 3, func(t *testing.T, k *kafkatest.Broker) {
				var log readerLog
				fillPartitions(t, k, "in", 3, 0, 10)
				var opts []consumer.Option
				if bounded {
					opts = append(opts, consumer.ToEnd())
				}
				got := newGathered()
				c := consumer.New(readerOf(k, log.option(), settings.StuckAfter(10*time.Second)), consumer.Topics("in"), opts...)
				ctl := begun(t, stream.Each(c.PlainPartitionedSource(), 1, func(_ consumer.TopicPartition, s stream.Source[*strRecord]) stream.Graph {
					return s.To(stream.ForEach(func(_ context.Context, r *strRecord) error {
						got.add(r)
						<-time.After(3 * time.Second)
						return nil
					}))
				}))
				pass(10 * time.Minute)
				if bounded {
					require.Equal(t, 30, got.count())
					require.Zero(t, log.count("nobody reads them"))
					return
				}
				require.Equal(t, 10, got.count())
				require.Equal(t, 1, log.count("nobody reads them"))
				require.Contains(t, log.line("nobody reads them"), "in[")
				ctl.Stop()
			})
		})
	}
}

// A sub-stream that meets the same bad record again and again does so at intervals that grow, and
// holds up no other partition; when the record is got over it goes on at once.
func TestPoisonInASubStream(t *testing.T) {
	withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
		fillPartitions(t, k, "in", 2, 0, 100)
		got := newGathered()
		var mu sync.Mutex
		var tries []time.Time
		cured := false
		c := consumer.New(readerOf(k), consumer.Topics("in"))
		ctl := begun(t, stream.Each(c.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, s stream.Source[*strRecord]) stream.Graph {
			return s.To(stream.ForEach(func(_ context.Context, r *strRecord) error {
				mu.Lock()
				defer mu.Unlock()
				if r.Partition() == 0 && r.Offset() == 20 && !cured {
					tries = append(tries, time.Now())
					return errors.New("poison")
				}
				got.add(r)
				return nil
			}))
		}, stream.OnError(stream.Skip())))
		pass(10 * time.Minute)
		mu.Lock()
		require.Len(t, got.of(0), 20)
		require.Len(t, got.of(1), 100)
		require.Greater(t, len(tries), 50)
		require.Less(t, len(tries), 80, "about one in ten seconds")
		cured = true
		mu.Unlock()
		pass(20 * time.Second)
		got.requireWhole(t, 2, 100)
		drainedAll(t, ctl)
	})
}

// A sub-stream's graph with a source of its own that does not end outlives its partition, and is
// told of; the partition itself has gone in time.
func TestSubStreamGraphThatGoesOn(t *testing.T) {
	withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
		var log readerLog
		fillPartitions(t, k, "in", 2, 0, 10)
		ticks := make(chan *strRecord)
		c := consumer.New(readerOf(k, log.option(), settings.StuckAfter(10*time.Second)), consumer.Topics("in"))
		ctl := begun(t, stream.Each(c.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, s stream.Source[*strRecord]) stream.Graph {
			return stream.Merge(s, stream.FromChan(ticks)).To(stream.Ignore[*strRecord]())
		}))
		pass(time.Second)
		second := begun(t, consumer.New(readerOf(k), consumer.Topics("in")).PlainSource().To(stream.Ignore[*strRecord]()))
		pass(3 * time.Second)
		ps, err := c.Assignment()
		require.NoError(t, err)
		require.Len(t, ps, 1)
		pass(10 * time.Minute)
		require.Equal(t, 1, log.count("have not ended"))
		drainedAll(t, second)
		drainedAll(t, ctl)
	})
}

// A partition of which a revoke has told (Revoked) is not told of again by an end that comes
// meanwhile (Stopped).
func TestPartitionsAreToldOfOnce(t *testing.T) {
	withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
		var mu sync.Mutex
		told := map[consumer.TopicPartition][]string{}
		open, in := make(chan struct{}), make(chan struct{})
		tell := func(what string) func(context.Context, *consumer.Restricted, []consumer.TopicPartition) error {
			return func(_ context.Context, _ *consumer.Restricted, ps []consumer.TopicPartition) error {
				mu.Lock()
				for _, p := range ps {
					told[p] = append(told[p], what)
				}
				mu.Unlock()
				if what == "revoked" {
					close(in)
					<-open
				}
				return nil
			}
		}
		c := consumer.New(readerOf(k), consumer.Topics("in"), consumer.OnRebalance(consumer.Handler{Revoked: tell("revoked"), Stopped: tell("stopped")}))
		first := begun(t, c.PlainSource().To(stream.Ignore[*strRecord]()))
		pass(2 * time.Second)
		second := begun(t, consumer.New(readerOf(k), consumer.Topics("in")).PlainSource().To(stream.Ignore[*strRecord]()))
		<-in
		done := make(chan error)
		go func() { done <- first.Drain(context.Background()) }()
		pass(time.Second)
		close(open)
		require.NoError(t, <-done)
		drainedAll(t, second)
		require.Len(t, told, 2)
		for p, w := range told {
			require.Len(t, w, 1, "%v: %v", p, w)
		}
	})
}
