package stream_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/stream"
)

// A cancellation that comes between an island's look around and its parking is not lost: the sink
// below is cancelled "from elsewhere" at just that moment.
func TestCancellationBeforeParking(t *testing.T) {
	sink := func() stream.Sink[int] {
		return stream.Sink[int](blueprint.NewSink(func(_ *core.Builder, at core.At) core.Stage[int] {
			link := &core.Link{}
			cancelled := false
			at.Island.Watch(func() {
				if cancelled {
					link.Cancel()
				}
				cancelled = true
				at.Island.Wake() // it is not parked yet
			})
			return core.Stage[int]{Push: func(int) {}, Done: func() {}, Link: link}
		}))
	}
	for name, src := range map[string]stream.Source[int]{
		"chan":     stream.FromChan[int](nil),
		"func":     stream.FromFunc(func(ctx context.Context, _ func(int) bool) error { <-ctx.Done(); return nil }),
		"boundary": stream.FromChan[int](nil).Async(),
		"merge":    stream.Merge(stream.FromChan[int](nil), stream.FromChan[int](nil)),
		"mapAsync": stream.MapAsync(stream.FromChan[int](nil), 2, failAt(-1)),
		"concat":   stream.Concat(stream.FromChan[int](nil)),
	} {
		inBubble(t, name, func(t *testing.T) {
			require.NoError(t, wait(t, start(t, src.To(sink()))))
		})
	}
}

// A drain that begins while a flush waits for space is seen when the flush is over.
func TestDrainDuringAFlushThatWaits(t *testing.T) {
	for name, holder := range map[string]func(stream.Source[int]) stream.Source[[]int]{
		"fused to its source":  func(s stream.Source[int]) stream.Source[[]int] { return stream.Batch(s, 10, 0) },
		"behind another stage": func(s stream.Source[int]) stream.Source[[]int] { return stream.Batch(s.Filter(even), 10, 0) },
	} {
		inBubble(t, name, func(t *testing.T) {
			var r *core.Run
			look := stream.NewFlow(func(src stream.Source[int]) stream.Source[int] {
				return stream.Source[int](blueprint.Operator(blueprint.Source[int](src), "look", func(b *core.Builder, _ string, at core.At, next func(core.At) core.Stage[int]) core.Stage[int] {
					r = b.Run
					return next(at)
				}))
			})
			ch, out := make(chan int), make(chan []int)
			ctl := start(t, holder(stream.Via(stream.FromChan(ch), look)).To(stream.ToChan(out)))
			ch <- 2
			synctest.Wait()
			hurry := r.Hurry("test") // it is flushed, and waits for somebody to receive it
			synctest.Wait()
			done := make(chan error, 1)
			go func() { done <- ctl.Drain(t.Context()) }()
			synctest.Wait()
			require.Equal(t, []int{2}, <-out)
			require.NoError(t, <-done)
			hurry.Release()
		})
	}
}
