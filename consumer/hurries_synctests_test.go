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
	"github.com/vicuna-go/vicuna/kafkatest"
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
	ends := map[string]func(*testing.T, *kafkatest.Broker, *stream.Control){
		"to its end": func(_ *testing.T, _ *kafkatest.Broker, ctl *stream.Control) { <-ctl.Done() },
		"drained": func(t *testing.T, _ *kafkatest.Broker, ctl *stream.Control) {
			require.NoError(t, ctl.Drain(t.Context()))
		},
		"stopped": func(_ *testing.T, _ *kafkatest.Broker, ctl *stream.Control) { ctl.Stop() },
		"after a revoke": func(t *testing.T, k *kafkatest.Broker, ctl *stream.Control) {
			other := begun(t, consumer.New(readerOf(k), consumer.Topics("in")).PlainSource().To(stream.Ignore[*strRecord]()))
			pass(10 * time.Second)
			require.NoError(t, ctl.Drain(t.Context()))
			require.NoError(t, other.Drain(t.Context()))
		},
	}
	for name, end := range ends {
		for _, partitioned := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, partitioned %v", name, partitioned), func(t *testing.T) {
				withTopic(t, 4, func(t *testing.T, k *kafkatest.Broker) {
					var opts []consumer.Option
					if name == "to its end" {
						opts = append(opts, consumer.ToEnd())
					}
					c := consumer.New(readerOf(k, settings.Budget(1<<20, 300)), consumer.Topics("in"), opts...)
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
						fatOf(t, k, p, 200, 1000, 100, kgo.GzipCompression())
					}
					ctl := begun(t, g)
					pass(10 * time.Second)
					end(t, k, ctl)
					<-ctl.Done()
					require.True(t, hurried.Load())
					require.Empty(t, run.Load().Hurries())
				})
			})
		}
	}
}
