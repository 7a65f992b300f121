package stream_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/stream"
)

func TestRunOutcome(t *testing.T) {
	inBubble(t, "nil where every source has completed", func(t *testing.T) {
		require.NoError(t, stream.FromSlice(ints(1000)).To(stream.Ignore[int]()).Run(t.Context()))
	})
	inBubble(t, "nil where nobody wanted more", func(t *testing.T) {
		require.NoError(t, stream.FromChan(make(chan int)).Take(0).To(stream.Ignore[int]()).Run(t.Context()))
	})
	inBubble(t, "drained, with the cause", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		ctl, err := stream.FromChan(make(chan int)).To(stream.Ignore[int]()).Start(ctx)
		require.NoError(t, err)
		synctest.Wait()
		require.NoError(t, ctl.Err(), "nil before the end")
		cancel(errCause)
		err = wait(t, ctl)
		require.ErrorIs(t, err, stream.ErrDrained)
		require.ErrorIs(t, err, errCause)
		require.ErrorContains(t, err, "the cause")
	})
	inBubble(t, "the context's own end is a cause", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := stream.FromChan(make(chan int)).To(stream.Ignore[int]()).Run(ctx)
		require.ErrorIs(t, err, stream.ErrDrained)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
	inBubble(t, "drain time-out, with the cause", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		ctl, err := stream.FromSlice(ints(10)).To(blocked[int](nil)).Start(ctx)
		require.NoError(t, err)
		synctest.Wait()
		cancel(errCause)
		began := time.Now()
		err = wait(t, ctl)
		require.ErrorIs(t, err, stream.ErrDrainTimeout)
		require.ErrorIs(t, err, errCause)
		require.NotErrorIs(t, err, stream.ErrDrained)
		require.Equal(t, stream.DefaultDrainTimeout, time.Since(began))
	})
	inBubble(t, "stopped", func(t *testing.T) {
		ctl := start(t, stream.FromSlice(ints(10)).To(blocked[int](nil)))
		synctest.Wait()
		ctl.Stop()
		require.ErrorIs(t, wait(t, ctl), stream.ErrStopped)
	})
	inBubble(t, "the first fault, whatever follows", func(t *testing.T) {
		ctl := start(t, stream.TryMap(stream.FromChan(closed(ints(10)...)), failAt(3)).Named("parse").To(stream.Ignore[int]()))
		err := wait(t, ctl)
		ctl.Stop()
		require.NoError(t, noDrainError(ctl.Drain(t.Context()), errBoom))
		require.ErrorIs(t, err, errBoom)
		require.NotErrorIs(t, err, stream.ErrStopped)
		var placed *stream.StageError
		require.ErrorAs(t, err, &placed)
		require.Equal(t, "parse", placed.Stage)
		require.False(t, placed.Located)
	})
	inBubble(t, "a fault during a drain", func(t *testing.T) {
		ctl := start(t, stream.FromSlice(ints(10)).To(stream.ForEach(func(context.Context, int) error {
			<-time.After(time.Second)
			return errBoom
		})))
		synctest.Wait()
		require.ErrorIs(t, ctl.Drain(t.Context()), errBoom)
	})
}

// noDrainError is nil where err is the error expected.
func noDrainError(err, want error) error {
	if errors.Is(err, want) {
		return nil
	}
	return errors.Join(errors.New("another error"), err)
}

// closed is a closed channel with elements.
func closed(vs ...int) <-chan int {
	ch := make(chan int, len(vs))
	for _, v := range vs {
		ch <- v
	}
	close(ch)
	return ch
}

func TestControl(t *testing.T) {
	quiet := func() stream.Graph { return stream.FromChan(make(chan int)).To(stream.Ignore[int]()) }
	inBubble(t, "stop twice", func(t *testing.T) {
		ctl := start(t, quiet())
		ctl.Stop()
		ctl.Stop()
		require.ErrorIs(t, wait(t, ctl), stream.ErrStopped)
		ctl.Stop()
		require.ErrorIs(t, ctl.Err(), stream.ErrStopped)
	})
	inBubble(t, "stop before the start has begun", func(t *testing.T) {
		calls := 0
		ctl := start(t, stream.FromSlice(ints(1000)).Tap(func(int) { calls++ }).To(stream.Ignore[int]()))
		ctl.Stop() // no goroutine has run: the test has not let go
		require.ErrorIs(t, wait(t, ctl), stream.ErrStopped)
		require.LessOrEqual(t, calls, 1000)
	})
	inBubble(t, "drain twice, and after the end", func(t *testing.T) {
		ctl := start(t, quiet())
		require.NoError(t, ctl.Drain(t.Context()))
		require.NoError(t, ctl.Drain(t.Context()))
		require.ErrorIs(t, ctl.Err(), stream.ErrDrained)
		done := start(t, stream.FromSlice(ints(10)).To(stream.Ignore[int]()))
		require.NoError(t, wait(t, done))
		require.NoError(t, done.Drain(t.Context()))
		require.NoError(t, done.Err())
	})
	inBubble(t, "drain with a context that ends first", func(t *testing.T) {
		release := make(chan struct{})
		ctl := start(t, stream.FromSlice(ints(1000)).To(blocked[int](release)))
		synctest.Wait()
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errCause)
		defer cancel()
		require.ErrorIs(t, ctl.Drain(ctx), errCause)
		close(release) // the drain goes on
		require.ErrorIs(t, wait(t, ctl), stream.ErrDrained)
	})
	inBubble(t, "drain at the same time as stop", func(t *testing.T) {
		for range 50 {
			ctl := start(t, stream.FromSlice(ints(1000)).Async().To(stream.Ignore[int]()))
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() { _ = ctl.Drain(t.Context()) })
				wg.Go(ctl.Stop)
			}
			wg.Wait()
			err := wait(t, ctl)
			require.True(t, err == nil || errors.Is(err, stream.ErrStopped) || errors.Is(err, stream.ErrDrained), "%v", err)
		}
	})
	inBubble(t, "snapshot at any time", func(t *testing.T) {
		release := make(chan struct{})
		ctl := start(t, stream.FromSlice(ints(1000)).To(blocked[int](release)))
		require.Equal(t, "running", ctl.Snapshot().State)
		synctest.Wait()
		go func() { _ = ctl.Drain(t.Context()) }()
		synctest.Wait()
		require.Equal(t, "draining", ctl.Snapshot().State)
		ctl.Stop()
		require.Contains(t, []string{"stopping", "over"}, ctl.Snapshot().State)
		_ = wait(t, ctl)
		require.Equal(t, "over", ctl.Snapshot().State)
	})
}

func TestRunOptions(t *testing.T) {
	g := stream.FromSlice(ints(1)).To(stream.Ignore[int]())
	err := g.Run(t.Context(), stream.DrainTimeout(0), stream.CloseTimeout(-time.Second))
	require.ErrorContains(t, err, "drain time-out")
	require.ErrorContains(t, err, "close time-out")
	_, err = g.Start(t.Context(), stream.DrainTimeout(-1))
	require.Error(t, err)
	for _, err := range stream.FromSlice(ints(1)).All(t.Context(), stream.DrainTimeout(0)) {
		require.Error(t, err)
	}
	_, err = stream.Collect(t.Context(), stream.FromSlice(ints(1)), stream.CloseTimeout(0))
	require.Error(t, err)
	require.NoError(t, g.Run(t.Context(), stream.DrainTimeout(time.Second), stream.CloseTimeout(time.Second)))
}

func TestContextCancelledBeforeRun(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errCause)
	var got seen[int]
	for range 100 {
		err := stream.FromSlice(ints(10)).To(got.sink()).Run(ctx)
		require.ErrorIs(t, err, stream.ErrDrained)
		require.ErrorIs(t, err, errCause)
	}
	require.Empty(t, got.all(), "a source that must not begin")
	require.NoError(t, stream.FromSlice([]int(nil)).To(got.sink()).Run(ctx), "there was nothing to cut off")
}

// At whatever element the context is cancelled: what was taken in is finished, in order, and the
// outcome says whether anything was cut off.
func TestContextCancelledAtEveryElement(t *testing.T) {
	const n = 60
	for at := range n {
		ctx, cancel := context.WithCancelCause(t.Context())
		var got seen[int]
		src := stream.Map(stream.FromSlice(ints(n)), func(v int) int {
			if v == at {
				cancel(errCause)
			}
			return v
		}).Buffer(4)
		batches := stream.Batch(stream.MapAsync(src, 3, failAt(-1)), 7, time.Hour)
		err := batches.To(stream.ForEach(func(_ context.Context, b []int) error {
			for _, v := range b {
				got.add(v)
			}
			return nil
		})).Run(ctx)
		all := got.all()
		require.Equal(t, ints(len(all)), all)
		require.Greater(t, len(all), at)
		if err == nil {
			require.Len(t, all, n)
			continue
		}
		require.ErrorIs(t, err, stream.ErrDrained)
		require.ErrorIs(t, err, errCause)
	}
}

func TestUserContext(t *testing.T) {
	type key struct{}
	inBubble(t, "has the values, and ends at the hard stop only", func(t *testing.T) {
		parent, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
		ctxs := make(chan context.Context)
		ctl, err := stream.TryMap(stream.FromSlice(ints(10)), func(ctx context.Context, v int) (int, error) {
			ctxs <- ctx
			<-ctx.Done()
			return v, ctx.Err()
		}).To(stream.Ignore[int]()).Start(parent)
		require.NoError(t, err)
		ctx := <-ctxs
		require.Equal(t, "value", ctx.Value(key{}))
		cancel(errCause)
		synctest.Wait()
		require.NoError(t, ctx.Err())
		require.Equal(t, "draining", ctl.Snapshot().State)
		<-time.After(stream.DefaultDrainTimeout - time.Second)
		require.NoError(t, ctx.Err())
		err = wait(t, ctl)
		require.Error(t, ctx.Err())
		require.ErrorIs(t, context.Cause(ctx), stream.ErrDrainTimeout)
		require.ErrorIs(t, err, stream.ErrDrainTimeout, "the function's error is a consequence")
		require.NotErrorIs(t, err, context.Canceled)
	})
	inBubble(t, "is over when the run is", func(t *testing.T) {
		var kept context.Context
		require.NoError(t, stream.FromSlice(ints(1)).To(stream.ForEach(func(ctx context.Context, _ int) error {
			kept = ctx
			return nil
		})).Run(t.Context()))
		require.Error(t, kept.Err())
	})
}

func TestStuckUserCode(t *testing.T) {
	inBubble(t, "a function that never returns", func(t *testing.T) {
		release := make(chan struct{})
		ctl := start(t, stream.Map(stream.FromSlice(ints(10)), func(v int) int {
			<-release
			return v
		}).Named("slow").To(stream.Ignore[int]()), stream.CloseTimeout(3*time.Second))
		synctest.Wait()
		ctl.Stop()
		began := time.Now()
		err := wait(t, ctl)
		require.Equal(t, 3*time.Second, time.Since(began))
		var stuck *stream.StuckError
		require.ErrorAs(t, err, &stuck)
		require.ErrorIs(t, err, stream.ErrStopped)
		require.ErrorContains(t, err, "slow")
		require.Equal(t, 3*time.Second, stuck.After)
		close(release)
	})
	inBubble(t, "a panic that is an error", func(t *testing.T) {
		_, err := stream.Collect(t.Context(), stream.Map(stream.FromSlice(ints(10)), func(int) int { panic(errBoom) }))
		require.ErrorIs(t, err, errBoom)
		var p *stream.PanicError
		require.ErrorAs(t, err, &p)
		require.Contains(t, string(p.Stack), "life_test.go")
	})
	for name, g := range goexits() {
		inBubble(t, "Goexit in "+name, func(t *testing.T) {
			ctl := start(t, g)
			require.ErrorIs(t, wait(t, ctl), stream.ErrGoexit)
		})
	}
}

func TestTwoRunsOfOneBlueprint(t *testing.T) {
	src := stream.Batch(stream.MapAsync(stream.FromSlice(ints(5000)).Drop(10).Take(4000), 4, failAt(-1)), 100, time.Hour)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			got, err := stream.Collect(t.Context(), src)
			if err != nil || len(got) != 40 {
				t.Errorf("%d batches, %v", len(got), err)
			}
		})
	}
	wg.Wait()
}
