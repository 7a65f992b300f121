//go:build synctests

package service_test

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

const (
	atOnce  = 4     // calls at the same time
	backlog = 5_000 // orders that wait
)

// slowShape is what stands before slow calls.
type slowShape struct {
	name  string
	graph func(d *dependency, src stream.Source[order]) stream.Graph
	// calls is how many calls one after the other an end may take, and slack what it may take
	// beside them.
	calls int
	slack time.Duration
}

var slowShapes = []slowShape{
	{"alone", func(d *dependency, src stream.Source[order]) stream.Graph {
		return stream.MapAsync(src, atOnce, d.ask).To(committed())
	}, 1, 100 * time.Millisecond},
	{"filter", func(d *dependency, src stream.Source[order]) stream.Graph {
		return stream.MapAsync(src.Filter(func(o order) bool { return o.offset%3 != 0 }), atOnce, d.ask).To(committed())
	}, 2, 200 * time.Millisecond},
	{"flatMap", func(d *dependency, src stream.Source[order]) stream.Graph {
		three := stream.FlatMap(src, func(o order) iter.Seq[order] {
			return func(yield func(order) bool) {
				for i := 0; i < 3 && yield(o); i++ {
				}
			}
		})
		return stream.MapAsync(three, atOnce, d.ask).To(committed())
	}, 2, 200 * time.Millisecond},
	{"batch", func(d *dependency, src stream.Source[order]) stream.Graph {
		batches := stream.Batch(src, 100, 100*time.Millisecond)
		return stream.MapAsync(batches, atOnce, func(ctx context.Context, os []order) (order, error) {
			return d.ask(ctx, os[len(os)-1])
		}).To(committed())
	}, 2, 200 * time.Millisecond},
	{"lanes", func(d *dependency, src stream.Source[order]) stream.Graph {
		lane := stream.NewFlow(func(src stream.Source[order]) stream.Source[order] { return stream.MapAsync(src, atOnce, d.ask) }).To(committed())
		return src.To(stream.Broadcast(lane, lane))
	}, 2, 200 * time.Millisecond},
	{"tryMap", func(d *dependency, src stream.Source[order]) stream.Graph {
		parsed := stream.TryMap(src, func(_ context.Context, o order) (order, error) { return o, nil })
		return stream.MapAsync(parsed, atOnce, d.ask).To(committed())
	}, 2, 200 * time.Millisecond},
}

func committed() stream.Sink[order] {
	return stream.NewFlow(func(src stream.Source[order]) stream.Source[envelope.Committable] {
		return stream.Map(src, func(o order) envelope.Committable { return o.commit })
	}).To(consumer.CommitterSink(settings.NewCommitter()))
}

// An end, and a member that joins, take as long as the calls that run, not as long as all that
// wait: what has not begun is given back.
func TestEndsOfSlowCalls(t *testing.T) {
	eachSlowShape(t, func(w *world, s slowShape, call time.Duration) {
		m := w.member()
		m.start()
		m.works(2 * atOnce)
		w.Pass(call / 10) // the calls have just begun
		begun, began := m.dep.begun.Load(), time.Now()
		err := m.Run.Drain(context.Background())
		took, more := time.Since(began), m.dep.begun.Load()-begun
		w.t.Logf("P14 drain/%s/%v: %d ms, %d calls begun in it", s.name, call, took.Milliseconds(), more)
		require.NoError(w.t, err)
		require.LessOrEqual(w.t, took, time.Duration(s.calls)*call+s.slack)
		if s.calls == 1 {
			require.Zero(w.t, more, "calls were begun in the drain")
		}
	})
}

func TestJoinsBesideSlowCalls(t *testing.T) {
	eachSlowShape(t, func(w *world, s slowShape, call time.Duration) {
		m, joining := w.member(), w.member()
		m.start()
		m.works(2 * atOnce)
		joining.start()
		took := joining.assigned()
		w.t.Logf("P14 join/%s/%v: %d ms", s.name, call, took.Milliseconds())
		require.LessOrEqual(w.t, took, time.Duration(s.calls)*call+s.slack+900*time.Millisecond)
		m.terminate()
		joining.terminate()
	})
}

func eachSlowShape(t *testing.T, test func(w *world, s slowShape, call time.Duration)) {
	for _, s := range slowShapes {
		for _, call := range []time.Duration{50 * time.Millisecond, 500 * time.Millisecond} {
			for _, p := range protocols {
				t.Run(fmt.Sprintf("%s, %v, %s", s.name, call, p.Name), func(t *testing.T) {
					orders := source{name: "slow", graph: func(m *member) stream.Graph {
						return s.graph(m.dep, stream.Map(m.Handle.CommittableSource(), orderOfMessage))
					}}
					inWorld(t, p, orders, graphs[0], func() dependency { return dependency{shortest: call, longest: call} }, func(w *world) {
						w.fill(backlog)
						test(w, s, call)
					})
				})
			}
		}
	}
}
