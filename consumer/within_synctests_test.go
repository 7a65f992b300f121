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
	"github.com/vicuna-go/vicuna/stream"
)

// A function of the run's that drains it is told so at once, whatever it is and whatever context it
// drains with; the drain goes on, and ends as any other.
func TestDrainFromWithin(t *testing.T) {
	type control struct {
		ready chan struct{}
		ctl   *stream.Control
		once  sync.Once
		err   error
		took  time.Duration
	}
	own := func(d *control, ctx context.Context) {
		d.once.Do(func() {
			<-d.ready
			began := time.Now()
			d.err = d.ctl.Drain(ctx)
			d.took = time.Since(began)
		})
	}
	elsewhere := context.Background()
	ignore := stream.Ignore[*strRecord]()
	cases := map[string]func(d *control, w *grouptest.World) stream.Graph{
		"map": func(d *control, w *grouptest.World) stream.Graph {
			src := w.Consumer().PlainSource()
			return stream.Map(src, func(r *strRecord) *strRecord { own(d, elsewhere); return r }).To(ignore)
		},
		"for each": func(d *control, w *grouptest.World) stream.Graph {
			src := w.Consumer().PlainSource()
			return src.To(stream.ForEach(func(ctx context.Context, _ *strRecord) error { own(d, ctx); return nil }))
		},
		"map async": func(d *control, w *grouptest.World) stream.Graph {
			src := w.Consumer().PlainSource()
			return stream.MapAsync(src, 4, func(_ context.Context, r *strRecord) (*strRecord, error) { own(d, elsewhere); return r, nil }).To(ignore)
		},
		"a goroutine of a function's, with its context": func(d *control, w *grouptest.World) stream.Graph {
			src := w.Consumer().PlainSource()
			return src.To(stream.ForEach(func(ctx context.Context, _ *strRecord) error {
				var wg sync.WaitGroup
				wg.Go(func() { own(d, ctx) })
				wg.Wait()
				return nil
			}))
		},
		"a run within a function": func(d *control, w *grouptest.World) stream.Graph {
			src := w.Consumer().PlainSource()
			return src.To(stream.ForEach(func(ctx context.Context, r *strRecord) error {
				return stream.FromSlice([]int{1}).To(stream.ForEach(func(ctx context.Context, _ int) error { own(d, ctx); return nil })).Run(ctx)
			}))
		},
		"sub-stream": func(d *control, w *grouptest.World) stream.Graph {
			return eachRecord(w.Consumer().PlainPartitionedSource(), func(context.Context, *strRecord) error { own(d, elsewhere); return nil })
		},
		"a sub-stream's graph": func(d *control, w *grouptest.World) stream.Graph {
			src := w.Consumer().PlainPartitionedSource()
			return stream.Each(src, 0, func(_ consumer.TopicPartition, s stream.Source[*strRecord]) stream.Graph {
				own(d, elsewhere)
				return s.To(ignore)
			})
		},
		"source function": func(d *control, w *grouptest.World) stream.Graph {
			return stream.FromFunc(func(_ context.Context, emit func(*strRecord) bool) error { own(d, elsewhere); return nil }).To(ignore)
		},
		"assigned handler": func(d *control, w *grouptest.World) stream.Graph {
			h := consumer.Handler{Assigned: func(context.Context, *consumer.Restricted, []consumer.TopicPartition) error {
				own(d, elsewhere)
				return nil
			}}
			return consumer.New(w.Settings(), consumer.Topics("in"), consumer.OnRebalance(h)).PlainSource().To(ignore)
		},
		"event": func(d *control, w *grouptest.World) stream.Graph {
			return consumer.New(w.Settings(), consumer.Topics("in"), consumer.Events(func(consumer.Event) { own(d, elsewhere) })).PlainSource().To(ignore)
		},
		"offset loader": func(d *control, w *grouptest.World) stream.Graph {
			load := func(context.Context, []consumer.TopicPartition) (map[consumer.TopicPartition]int64, error) {
				own(d, elsewhere)
				return nil, nil
			}
			return eachRecord(w.Consumer().PlainPartitionedManualOffsetSource(load, nil), func(context.Context, *strRecord) error { return nil })
		},
	}
	for name, graph := range cases {
		t.Run(name, func(t *testing.T) {
			grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
				w.Fill(1, 0, 50)
				d := &control{ready: make(chan struct{})}
				d.ctl = w.Start(graph(d, w))
				close(d.ready)
				began := time.Now()
				select {
				case <-d.ctl.Done():
				case <-time.After(time.Minute):
					t.Fatal("it does not end")
				}
				require.Less(t, time.Since(began), 5*time.Second)
				require.ErrorIs(t, d.err, stream.ErrFromWithin)
				require.Zero(t, d.took)
				require.ErrorIs(t, d.ctl.Err(), stream.ErrDrained)
				require.NoError(t, d.ctl.Drain(t.Context()), "from elsewhere, after the end")
			})
		})
	}
}
