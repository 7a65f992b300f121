//go:build synctests

package consumer_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// seeing learns of the run that a source is built into.
func seeing[T any](src stream.Source[T], run *atomic.Pointer[core.Run]) stream.Source[T] {
	return stream.Source[T](blueprint.Operator(blueprint.Source[T](src), "seeing",
		func(b *core.Builder, _ string, at core.At, next func(core.At) core.Stage[T]) core.Stage[T] {
			run.Store(b.Run)
			return next(at)
		}))
}

// Nothing hurries any more when a run is over, whatever it hurried for: a budget that is used up,
// the end of its partitions, a drain, partitions that another member gets.
func TestNoHurryIsLeft(t *testing.T) {
	ends := map[string]func(*testing.T, *grouptest.World, *stream.Control){
		"to its end": func(_ *testing.T, _ *grouptest.World, ctl *stream.Control) { <-ctl.Done() },
		"drained": func(t *testing.T, _ *grouptest.World, ctl *stream.Control) {
			require.NoError(t, ctl.Drain(t.Context()))
		},
		"stopped": func(_ *testing.T, _ *grouptest.World, ctl *stream.Control) { ctl.Stop() },
		"after a revoke": func(t *testing.T, w *grouptest.World, ctl *stream.Control) {
			other := w.Start(w.Consumer().PlainSource().To(stream.Ignore[*strRecord]()))
			w.Pass(10 * time.Second)
			require.NoError(t, ctl.Drain(t.Context()))
			require.NoError(t, other.Drain(t.Context()))
		},
	}
	for name, end := range ends {
		for _, partitioned := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, partitioned %v", name, partitioned), func(t *testing.T) {
				grouptest.Calmly(t, 4, func(t *testing.T, w *grouptest.World) {
					var opts []consumer.Option
					if name == "to its end" {
						opts = append(opts, consumer.ToEnd())
					}
					c := w.New([]settings.ConsumerOption{settings.Budget(1<<20, 300)}, opts...)
					var run atomic.Pointer[core.Run]
					var hurried atomic.Bool
					batches := func(src stream.Source[*strRecord]) stream.Graph {
						return stream.Batch(seeing(src, &run), 1000, 24*time.Hour).To(stream.ForEach(func(context.Context, []*strRecord) error {
							if len(run.Load().Hurries()) > 0 {
								hurried.Store(true)
							}
							return nil
						}))
					}
					g := batches(c.PlainSource())
					if partitioned {
						g = stream.Each(c.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph { return batches(src) })
					}
					for p := range int32(4) {
						fatOf(t, w, p, 200, 1000, 100, kgo.GzipCompression())
					}
					ctl := w.Start(g)
					w.Pass(10 * time.Second)
					end(t, w, ctl)
					<-ctl.Done()
					require.True(t, hurried.Load())
					require.Empty(t, run.Load().Hurries())
				})
			})
		}
	}
}
