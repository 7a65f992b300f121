package stream_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/stream"
)

// subs is a source of n sub-streams of three elements each.
func subs(n int) stream.Source[stream.Sub[int, int]] {
	return stream.Map(stream.FromSlice(ints(n)), func(k int) stream.Sub[int, int] {
		return stream.Sub[int, int]{Key: k, Source: stream.FromSlice([]int{10 * k, 10*k + 1, 10*k + 2})}
	})
}

func TestEach(t *testing.T) {
	inBubble(t, "runs all", func(t *testing.T) {
		var got seen[int]
		ctl := start(t, stream.Each(subs(50), 0, func(_ int, s stream.Source[int]) stream.Graph { return s.To(got.sink()) }))
		require.NoError(t, wait(t, ctl))
		require.Len(t, got.all(), 150)
		require.EqualValues(t, 50, stage(t, ctl, "each").In)
	})
	inBubble(t, "at most n at the same time", func(t *testing.T) {
		var running, most atomic.Int64
		ctl := start(t, stream.Each(subs(50), 4, func(_ int, s stream.Source[int]) stream.Graph {
			return s.Take(1).To(stream.ForEach(func(context.Context, int) error {
				if n := running.Add(1); n > most.Load() {
					most.Store(n)
				}
				<-time.After(time.Second)
				running.Add(-1)
				return nil
			}))
		}))
		began := time.Now()
		require.NoError(t, wait(t, ctl))
		require.EqualValues(t, 4, most.Load())
		require.Equal(t, 13*time.Second, time.Since(began))
	})
	inBubble(t, "as many as there are", func(t *testing.T) {
		var running atomic.Int64
		release := make(chan struct{})
		ctl := start(t, stream.Each(subs(50), 0, func(_ int, s stream.Source[int]) stream.Graph {
			return s.To(stream.ForEach(func(context.Context, int) error {
				running.Add(1)
				<-release
				return nil
			}))
		}))
		synctest.Wait()
		require.EqualValues(t, 50, running.Load())
		close(release)
		require.NoError(t, wait(t, ctl))
	})
	inBubble(t, "a failure fails the parent", func(t *testing.T) {
		ctl := start(t, stream.Each(subs(50), 2, func(k int, s stream.Source[int]) stream.Graph {
			return stream.TryMap(s, failAt(201)).Named("child").To(stream.Ignore[int]())
		}))
		err := wait(t, ctl)
		require.ErrorIs(t, err, errBoom)
		var placed *stream.StageError
		require.ErrorAs(t, err, &placed)
		require.Equal(t, "child", placed.Stage)
	})
	inBubble(t, "failures are skipped and counted", func(t *testing.T) {
		ctl := start(t, stream.Each(subs(10), 2, func(k int, s stream.Source[int]) stream.Graph {
			switch k {
			case 3:
				return stream.Graph{} // cannot be built
			case 5:
				return stream.Map(s, func(int) int { panic(errBoom) }).To(stream.Ignore[int]())
			}
			return stream.TryMap(s, failAt(71)).To(stream.Ignore[int]())
		}, stream.OnError(stream.Skip())))
		require.NoError(t, wait(t, ctl))
		require.EqualValues(t, 3, stage(t, ctl, "each").Skipped)
		require.Len(t, ctl.Snapshot().Stages, 3, "children that are over are gone")
	})
	inBubble(t, "a graph that cannot be built", func(t *testing.T) {
		ctl := start(t, stream.Each(subs(10), 2, func(int, stream.Source[int]) stream.Graph { return stream.Graph{} }))
		require.ErrorIs(t, wait(t, ctl), stream.ErrNoGraph)
	})
	inBubble(t, "a graph function that panics", func(t *testing.T) {
		ctl := start(t, stream.Each(subs(10), 2, func(int, stream.Source[int]) stream.Graph { panic(errBoom) }))
		require.ErrorIs(t, wait(t, ctl), errBoom)
	})
	inBubble(t, "cannot retry", func(t *testing.T) {
		err := stream.Each(subs(10), 2, func(_ int, s stream.Source[int]) stream.Graph { return s.To(stream.Ignore[int]()) },
			stream.OnError(stream.Retry(stream.Backoff{}))).Run(t.Context())
		require.ErrorContains(t, err, "cannot be retried")
	})
	// Children whose sources are quiet, and hold something.
	quiet := func(got *seen[[]int]) stream.Graph {
		ch := make(chan int, 10)
		ch <- 1
		live := stream.Map(stream.FromSlice(ints(3)), func(k int) stream.Sub[int, int] { return stream.Sub[int, int]{Key: k, Source: stream.FromChan(ch)} })
		return stream.Each(live, 0, func(_ int, s stream.Source[int]) stream.Graph { return stream.Batch(s, 10, time.Hour).To(got.sink()) })
	}
	inBubble(t, "a drain reaches the children, and their holders", func(t *testing.T) {
		var got seen[[]int]
		ctl := start(t, quiet(&got))
		synctest.Wait()
		require.Empty(t, got.all())
		began := time.Now()
		require.NoError(t, ctl.Drain(t.Context()))
		require.ErrorIs(t, ctl.Err(), stream.ErrDrained)
		require.Equal(t, [][]int{{1}}, got.all())
		require.Zero(t, time.Since(began))
	})
	inBubble(t, "a stop reaches the children", func(t *testing.T) {
		var got seen[[]int]
		ctl := start(t, quiet(&got))
		synctest.Wait()
		require.Len(t, ctl.Snapshot().Stages, 3+3*4)
		ctl.Stop()
		require.ErrorIs(t, wait(t, ctl), stream.ErrStopped)
		require.Empty(t, got.all())
	})
	inBubble(t, "a drain time-out", func(t *testing.T) {
		for _, opts := range [][]stream.Option{nil, {stream.OnError(stream.Skip())}} {
			ctl := start(t, stream.Each(subs(3), 0, func(_ int, s stream.Source[int]) stream.Graph { return s.To(blocked[int](nil)) }, opts...), stream.DrainTimeout(time.Second))
			synctest.Wait()
			require.ErrorIs(t, ctl.Drain(t.Context()), stream.ErrDrainTimeout)
		}
	})
}

// A live sub-source runs once, and inside its parent.
func TestSubSourceRunsOnce(t *testing.T) {
	var live stream.Source[int]
	twice := stream.Source[stream.Sub[int, int]](blueprint.NewSource(func(b *core.Builder, next func(core.At) core.Stage[stream.Sub[int, int]]) {
		live = stream.Source[int](blueprint.Live(b.Run, blueprint.Source[int](stream.FromSlice(ints(3)))))
		stream.ConnectForTest(stream.FromSlice([]stream.Sub[int, int]{{Source: live}, {Source: live}}), b, next)
	}))
	var got seen[int]
	err := stream.Each(twice, 1, func(_ int, s stream.Source[int]) stream.Graph { return s.To(got.sink()) }).Run(t.Context())
	require.ErrorIs(t, err, stream.ErrTaken)
	require.Equal(t, ints(3), got.all())
	require.ErrorIs(t, live.To(got.sink()).Run(t.Context()), stream.ErrTaken)
}
