//go:build synctests

package consumer_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/internal/testlog"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// The course of a run's life is told in a few lines, and nothing while all is well.
func TestLifeIsTold(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		var log testlog.Log
		w.Fill(2, 0, 100)
		first := w.Start(consumer.New(w.Settings(log.Option()).With(longLife...), consumer.Topics("in")).PlainSource().To(stream.Ignore[*strRecord]()))
		w.Pass(2 * time.Second)
		second := w.Start(consumer.New(w.Settings().With(longLife...), consumer.Topics("in")).PlainSource().To(stream.Ignore[*strRecord]()))
		w.Pass(time.Hour)
		w.Drain(second)
		w.Pass(time.Minute)
		w.Drain(first)
		for what, times := range map[string]int{
			"a consumer has started": 1, "partitions were assigned": 2, "partitions were revoked": 1, "is being drained": 1, "a consumer has ended": 1,
			`partitions="in[0 1]"`: 1, "level=WARN": 0,
		} {
			require.Equal(t, times, log.Count(what), "%s in %s", what, log.String())
		}
	})
}

// Records that stay undone are told with their stage, and so are those that a revoke gives up.
func TestStuckRecordsAreNamed(t *testing.T) {
	for _, kind := range []string{"ordered", "unordered", "on the stream's goroutine", "sub-streams"} {
		t.Run(kind, func(t *testing.T) {
			grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
				var log testlog.Log
				w.Fill(1, 0, 10)
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
				c := w.Consumer(log.Option(), settings.StuckAfter(10*time.Second), settings.RevokeTimeout(5*time.Second))
				var g stream.Graph
				if kind == "sub-streams" {
					g = stream.Each(c.CommittablePartitionedSource(), 0, func(_ consumer.TopicPartition, s stream.Source[*strMessage]) stream.Graph { return named(s) })
				} else {
					g = named(c.CommittableSource())
				}
				ctl := w.Start(g)
				w.Pass(25 * time.Second)
				stuck := log.First("record stuck")
				require.Contains(t, stuck, "in[0]@3 in stage ")
				require.Contains(t, stuck, "lookup")
				second := w.Start(w.Consumer(settings.Protocol(settings.Eager)).PlainSource().To(stream.Ignore[*strRecord]()))
				_ = second
				third := w.Start(w.Consumer().PlainSource().To(stream.Ignore[*strRecord]()))
				w.Pass(30 * time.Second)
				if given := log.First("given up with records in flight"); given != "" {
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
			grouptest.Calmly(t, 3, func(t *testing.T, w *grouptest.World) {
				var log testlog.Log
				w.Fill(3, 0, 10)
				var opts []consumer.Option
				if bounded {
					opts = append(opts, consumer.ToEnd())
				}
				got := &grouptest.Deliveries{}
				c := consumer.New(w.Settings(log.Option(), settings.StuckAfter(10*time.Second)), consumer.Topics("in"), opts...)
				ctl := w.Start(stream.Each(c.PlainPartitionedSource(), 1, func(_ consumer.TopicPartition, s stream.Source[*strRecord]) stream.Graph {
					return s.To(stream.ForEach(func(_ context.Context, r *strRecord) error {
						got.Add(r)
						<-time.After(3 * time.Second)
						return nil
					}))
				}))
				w.Pass(10 * time.Minute)
				if bounded {
					require.Equal(t, 30, got.Count())
					require.Zero(t, log.Count("nobody reads them"))
					return
				}
				require.Equal(t, 10, got.Count())
				require.Equal(t, 1, log.Count("nobody reads them"))
				require.Contains(t, log.First("nobody reads them"), "in[")
				ctl.Stop()
			})
		})
	}
}

// A sub-stream that meets the same bad record again and again does so at intervals that grow, and
// holds up no other partition; when the record is got over it goes on at once.
func TestPoisonInASubStream(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Fill(2, 0, 100)
		got := &grouptest.Deliveries{}
		var mu sync.Mutex
		var tries []time.Time
		cured := false
		c := w.Consumer()
		ctl := w.Start(stream.Each(c.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, s stream.Source[*strRecord]) stream.Graph {
			return s.To(stream.ForEach(func(_ context.Context, r *strRecord) error {
				mu.Lock()
				defer mu.Unlock()
				if r.Partition() == 0 && r.Offset() == 20 && !cured {
					tries = append(tries, time.Now())
					return errors.New("poison")
				}
				got.Add(r)
				return nil
			}))
		}, stream.OnError(stream.Skip())))
		w.Pass(10 * time.Minute)
		mu.Lock()
		require.Len(t, got.Values(0), 20)
		require.Len(t, got.Values(1), 100)
		require.Greater(t, len(tries), 50)
		require.Less(t, len(tries), 80, "about one in ten seconds")
		cured = true
		mu.Unlock()
		w.Pass(20 * time.Second)
		got.RequireWhole(t, 2, 100)
		w.Drain(ctl)
	})
}

// A sub-stream's graph with a source of its own that does not end outlives its partition, and is
// told of; the partition itself has gone in time.
func TestSubStreamGraphThatGoesOn(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		var log testlog.Log
		w.Fill(2, 0, 10)
		ticks := make(chan *strRecord)
		c := w.Consumer(log.Option(), settings.StuckAfter(10*time.Second))
		ctl := w.Start(stream.Each(c.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, s stream.Source[*strRecord]) stream.Graph {
			return stream.Merge(s, stream.FromChan(ticks)).To(stream.Ignore[*strRecord]())
		}))
		w.Pass(time.Second)
		second := w.Start(w.Consumer().PlainSource().To(stream.Ignore[*strRecord]()))
		w.Pass(3 * time.Second)
		ps, err := c.Assignment()
		require.NoError(t, err)
		require.Len(t, ps, 1)
		w.Pass(10 * time.Minute)
		require.Equal(t, 1, log.Count("have not ended"))
		w.Drain(second)
		w.Drain(ctl)
	})
}

// A partition of which a revoke has told (Revoked) is not told of again by an end that comes
// meanwhile (Stopped).
func TestPartitionsAreToldOfOnce(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
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
		c := consumer.New(w.Settings(), consumer.Topics("in"), consumer.OnRebalance(consumer.Handler{Revoked: tell("revoked"), Stopped: tell("stopped")}))
		first := w.Start(c.PlainSource().To(stream.Ignore[*strRecord]()))
		w.Pass(2 * time.Second)
		second := w.Start(w.Consumer().PlainSource().To(stream.Ignore[*strRecord]()))
		<-in
		done := make(chan error)
		go func() { done <- first.Drain(context.Background()) }()
		w.Pass(time.Second)
		close(open)
		require.NoError(t, <-done)
		w.Drain(second)
		require.Len(t, told, 2)
		for p, w := range told {
			require.Len(t, w, 1, "%v: %v", p, w)
		}
	})
}
