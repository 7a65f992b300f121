package streamtest_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/bubble"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/stream"
	"github.com/vicuna-go/vicuna/stream/streamtest"
)

// Elements of dropped assignments are looked for as long as there can be any, and no longer.

// runOf tells the run that a stream is built into.
func runOf[T any](src stream.Source[T], r *atomic.Pointer[core.Run]) stream.Source[T] {
	return stream.Source[T](blueprint.Operator(blueprint.Source[T](src), "run", func(b *core.Builder, _ string, at core.At, next func(core.At) core.Stage[T]) core.Stage[T] {
		r.Store(b.Run)
		return next(at)
	}))
}

func slowly(_ context.Context, m *message) (*message, error) {
	wait(time.Millisecond)
	return m, nil
}

var sweptGraphs = map[string]func(src, other stream.Source[*message], end stream.Sink[*message]) stream.Graph{
	"fused": func(src, _ stream.Source[*message], end stream.Sink[*message]) stream.Graph { return src.To(end) },
	"behind boundaries": func(src, _ stream.Source[*message], end stream.Sink[*message]) stream.Graph {
		return src.Buffer(3).Async().To(end)
	},
	"ordered calls": func(src, _ stream.Source[*message], end stream.Sink[*message]) stream.Graph {
		return stream.MapAsync(src, 3, slowly).To(end)
	},
	"unordered calls": func(src, _ stream.Source[*message], end stream.Sink[*message]) stream.Graph {
		return stream.MapAsyncUnordered(src, 3, slowly).To(end)
	},
	"merged": func(src, other stream.Source[*message], end stream.Sink[*message]) stream.Graph {
		return stream.Merge(src, stream.FromChan(make(chan *message)), other).To(end)
	},
	"one behind the other": func(src, other stream.Source[*message], end stream.Sink[*message]) stream.Graph {
		return stream.Concat(other, src).To(end)
	},
	"beside an iterator": func(src, _ stream.Source[*message], end stream.Sink[*message]) stream.Graph {
		return stream.Concat(stream.Merge(stream.FromSeq(func(func(*message) bool) {}), src)).To(end)
	},
	"a branch to which nothing comes": func(src, _ stream.Source[*message], end stream.Sink[*message]) stream.Graph {
		dead := stream.NewFlow(func(s stream.Source[*message]) stream.Source[*message] { return s.Async().Async() })
		return src.Divert(func(*message) bool { return false }, dead.To(stream.Ignore[*message]())).To(stream.Broadcast(end, stream.Ignore[*message]()))
	},
	"a batch": func(src, _ stream.Source[*message], end stream.Sink[*message]) stream.Graph {
		return unbatch(stream.Batch(src.Async(), 10, 0)).To(end)
	},
	"a retry": func(src, _ stream.Source[*message], end stream.Sink[*message]) stream.Graph {
		return stream.TryMap(src, slowly, hourly).To(end)
	},
}

// While a sink is blocked, elements of the lost partition lie in the rings: they are looked for
// until all are thrown away.
func TestDroppedAreLookedForUntilThereAreNone(t *testing.T) {
	for name, graph := range sweptGraphs {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				src, other := tracked(2, 1000, streamtest.PollSize(10)), tracked(1, 0)
				other.End()
				var run atomic.Pointer[core.Run]
				gate, j := make(chan struct{}), &journal{}
				g := graph(runOf(src.Source(), &run), other.Source(), stream.ForEach(func(_ context.Context, m *message) error {
					<-gate
					j.note(m)
					return nil
				}))
				c := started(t, g)
				wait(time.Minute)
				require.False(t, run.Load().Dropping())
				for range 3 {
					src.Lose(0)
					src.Assign(0)
				}
				wait(time.Minute)
				require.True(t, run.Load().Dropping(), "the sink has not gone round")
				close(gate)
				wait(time.Minute)
				require.False(t, run.Load().Dropping())
				src.Lose(0) // when nothing is on its way
				wait(time.Minute)
				require.False(t, run.Load().Dropping())
				if name != "unordered calls" {
					seen := j.of(0)
					// without what was in work when it was lost
					seen = seen[max(0, len(seen)-1000):]
					require.Equal(t, upTo(1000), seen)
				}
				require.Len(t, j.of(1), 1000, "once")
				require.NoError(t, c.Drain(t.Context()))
			})
		})
	}
}

// The looks end under load too, where no ring is ever empty.
func TestDroppedAreForgottenUnderLoad(t *testing.T) {
	for name, graph := range sweptGraphs {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				src, other := tracked(2, 20_000), tracked(1, 0)
				other.End()
				var run atomic.Pointer[core.Run]
				n := &count{}
				c := started(t, graph(runOf(src.Source(), &run), other.Source(), stream.ForEach(func(context.Context, *message) error {
					wait(time.Millisecond)
					n.add(1)
					return nil
				})))
				wait(time.Second)
				src.Lose(0)
				wait(12 * time.Second) // more than all the rings and windows hold
				require.False(t, run.Load().Dropping())
				require.Less(t, n.is(), 20_000, "it goes on")
				c.Stop()
				<-c.Done()
			})
		})
	}
}

// Nothing is delivered twice by a run that has rewound a partition many times.
func TestRewindsWhileDroppedAreForgotten(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, sink := tracked(2, 300), &acks[*message]{}
		var run atomic.Pointer[core.Run]
		c := started(t, runOf(src.Source(), &run).Buffer(5).Async().To(sink.sink()))
		synctest.Wait()
		answered := 0
		for k := 0; src.Committed(0) < 300 || src.Committed(1) < 300; k++ {
			got := len(sink.got())
			for ; answered < got; answered++ {
				sink.reply(answered, answered%97 != 96)
			}
			synctest.Wait()
			require.False(t, run.Load().Dropping())
			require.Less(t, k, 100)
		}
		require.NoError(t, c.Drain(t.Context()))
	})
}
