//go:build synctests

package consumer_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// A sub-stream whose graph cannot be built, and is skipped, is followed by another one after a
// pause that grows, as any that finishes nothing; what stands in the way is told once, and when it
// is over.
func TestSubStreamThatCannotBeBuilt(t *testing.T) {
	const wrong = 4
	for name, graph := range map[string]func(c *strConsumer, build func() bool, got *grouptest.Deliveries) stream.Graph{
		"a source twice": func(c *strConsumer, build func() bool, got *grouptest.Deliveries) stream.Graph {
			return stream.Each(c.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
				if !build() {
					return stream.Merge(src, src).To(stream.Ignore[*strRecord]()) // it runs once
				}
				return src.To(got.Sink())
			}, stream.OnError(stream.Skip()))
		},
		"a committer": func(c *strConsumer, build func() bool, got *grouptest.Deliveries) stream.Graph {
			return stream.Each(c.CommittablePartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strMessage]) stream.Graph {
				cm := settings.NewCommitter()
				if !build() {
					cm = settings.NewCommitter(settings.MaxBatch(-1))
				}
				return grouptest.Offsets(src.Tap(func(m *strMessage) { got.Add(&m.Record) })).To(consumer.CommitterSink(cm))
			}, stream.OnError(stream.Skip()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
				w.Fill(2, 0, 10)
				var mu sync.Mutex
				var at []time.Time
				got := &grouptest.Deliveries{}
				ctl := w.Start(graph(w.Consumer(), func() bool {
					mu.Lock()
					defer mu.Unlock()
					at = append(at, time.Now())
					return len(at) > 2*wrong
				}, got))
				w.Until("all is read", func() bool { return got.Count() == 20 })
				got.RequireWhole(t, 2, 10)
				require.Len(t, at, 2*(wrong+1))
				// both partitions at the same time: after 100, 200, 400 and 800 ms
				require.InDelta(t, 1500*time.Millisecond, at[len(at)-1].Sub(at[0]), float64(100*time.Millisecond))
				require.Equal(t, 2, w.Log.Count("cannot be built"), "once of each partition")
				require.Equal(t, 2, w.Log.Count("could be built again"))
				w.Drain(ctl)
			})
		})
	}
}

// A pause before another sub-stream keeps no run from its end, and nothing begins after that.
func TestEndInThePauseBeforeASubStream(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Fill(1, 0, 10)
		var mu sync.Mutex
		calls := 0
		count := func() int {
			mu.Lock()
			defer mu.Unlock()
			return calls
		}
		ctl := w.Start(stream.Each(w.Consumer().PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
			mu.Lock()
			defer mu.Unlock()
			calls++
			return stream.Merge(src, src).To(stream.Ignore[*strRecord]()) // it runs once
		}, stream.OnError(stream.Skip())))
		w.Until("the pauses are long", func() bool { return count() > 5 })
		began, before := time.Now(), count()
		require.NoError(t, ctl.Drain(context.Background()))
		require.Less(t, time.Since(began), time.Second)
		w.Pass(time.Minute)
		require.Equal(t, before, count())
	})
}
