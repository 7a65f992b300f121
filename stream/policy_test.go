package stream_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/bubble"
	"github.com/vicuna-go/vicuna/stream"
)

// stage reads a stage's counters.
func stage(t *testing.T, ctl *stream.Control, name string) stream.StageSnapshot {
	t.Helper()
	snapshot := ctl.Snapshot()
	for _, s := range snapshot.Stages {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no stage %q in %+v", name, snapshot)
	return stream.StageSnapshot{}
}

// flaky fails at its first n calls for the element 3, and says when it was called for it.
func flaky(n int, err error) (f func(context.Context, int) (int, error), calls func() []time.Duration) {
	began := time.Now()
	var at seen[time.Duration]
	return func(_ context.Context, v int) (int, error) {
		if v != 3 {
			return v, nil
		}
		at.add(time.Since(began))
		if len(at.all()) <= n {
			return 0, err
		}
		return v, nil
	}, at.all
}

type attempt = func(src stream.Source[int], f func(context.Context, int) (int, error), opts ...stream.Option) stream.Source[int]

// retriers are the stages that can retry.
var retriers = map[string]attempt{
	"TryMap": stream.TryMap[int, int],
	"MapAsync": func(src stream.Source[int], f func(context.Context, int) (int, error), opts ...stream.Option) stream.Source[int] {
		return stream.MapAsync(src, 4, f, opts...)
	},
	"MapAsyncUnordered": func(src stream.Source[int], f func(context.Context, int) (int, error), opts ...stream.Option) stream.Source[int] {
		return stream.MapAsyncUnordered(src, 4, f, opts...)
	},
	"ForEach": func(src stream.Source[int], f func(context.Context, int) (int, error), opts ...stream.Option) stream.Source[int] {
		return src.Divert(func(int) bool { return true }, stream.ForEach(func(ctx context.Context, v int) error {
			_, err := f(ctx, v)
			return err
		}, opts...).Named("try"))
	},
}

func TestPolicies(t *testing.T) {
	backoff := stream.Backoff{First: time.Second, Max: 4 * time.Second, NoJitter: true}
	for name, try := range retriers {
		run := func(t *testing.T, f func(context.Context, int) (int, error), p stream.Policy) (*stream.Control, error) {
			src := try(stream.FromSlice(ints(10)), f, stream.OnError(p))
			if name != "ForEach" {
				src = src.Named("try")
			}
			ctl := start(t, src.To(stream.Ignore[int]()))
			return ctl, wait(t, ctl)
		}
		inBubble(t, name+" stops", func(t *testing.T) {
			f, calls := flaky(1, errBoom)
			_, err := run(t, f, stream.Stop())
			require.ErrorIs(t, err, errBoom)
			require.Len(t, calls(), 1)
			var placed *stream.StageError
			require.ErrorAs(t, err, &placed)
			require.Equal(t, "try", placed.Stage)
		})
		inBubble(t, name+" skips and counts", func(t *testing.T) {
			f, calls := flaky(1, errBoom)
			ctl, err := run(t, f, stream.Skip())
			require.NoError(t, err)
			require.Len(t, calls(), 1)
			require.EqualValues(t, 1, stage(t, ctl, "try").Skipped)
		})
		inBubble(t, name+" skips a panic", func(t *testing.T) {
			ctl, err := run(t, func(_ context.Context, v int) (int, error) { return 10 / (v - 3), nil }, stream.Skip())
			require.NoError(t, err)
			require.EqualValues(t, 1, stage(t, ctl, "try").Skipped)
		})
		inBubble(t, name+" retries with back-off", func(t *testing.T) {
			f, calls := flaky(5, errBoom)
			ctl, err := run(t, f, stream.Retry(backoff))
			require.NoError(t, err)
			require.Equal(t, []time.Duration{0, 1 * time.Second, 3 * time.Second, 7 * time.Second, 11 * time.Second, 15 * time.Second}, calls())
			require.EqualValues(t, 5, stage(t, ctl, "try").Retried)
			require.Zero(t, stage(t, ctl, "try").Skipped)
		})
		inBubble(t, name+" retries a panic", func(t *testing.T) {
			first := true
			_, err := run(t, func(_ context.Context, v int) (int, error) {
				if v == 3 && first {
					first = false
					panic("once")
				}
				return v, nil
			}, stream.Retry(backoff))
			require.NoError(t, err)
		})
		inBubble(t, name+" has used up its attempts", func(t *testing.T) {
			b := backoff
			b.Attempts = 3
			f, calls := flaky(9, errBoom)
			_, err := run(t, f, stream.Retry(b))
			require.ErrorIs(t, err, errBoom)
			require.Len(t, calls(), 3)
			f, calls = flaky(9, errBoom)
			ctl, err := run(t, f, stream.Retry(b).Else(stream.Skip()))
			require.NoError(t, err)
			require.Len(t, calls(), 3)
			require.EqualValues(t, 1, stage(t, ctl, "try").Skipped)
			require.EqualValues(t, 2, stage(t, ctl, "try").Retried)
		})
		inBubble(t, name+" retries what is worth it", func(t *testing.T) {
			b := backoff
			b.If = func(err error) bool { return !errors.Is(err, errBoom) }
			f, calls := flaky(9, errBoom)
			_, err := run(t, f, stream.Retry(b))
			require.ErrorIs(t, err, errBoom)
			require.Len(t, calls(), 1)
			f, calls = flaky(2, errCause)
			_, err = run(t, f, stream.Retry(b))
			require.NoError(t, err)
			require.Len(t, calls(), 3)
		})
		inBubble(t, name+" is stopped while it waits", func(t *testing.T) {
			f, _ := flaky(9, errBoom)
			src := try(stream.FromSlice(ints(10)), f, stream.OnError(stream.Retry(stream.Backoff{First: time.Hour, Max: time.Hour})))
			ctl := start(t, src.To(stream.Ignore[int]()))
			synctest.Wait()
			began := time.Now()
			ctl.Stop()
			require.ErrorIs(t, wait(t, ctl), stream.ErrStopped)
			require.Zero(t, time.Since(began))
		})
		inBubble(t, name+" goes on waiting in a drain, where the element would be lost", func(t *testing.T) {
			f, calls := flaky(1, errBoom)
			src := try(stream.FromSlice(ints(4)), f, stream.OnError(stream.Retry(stream.Backoff{First: 10 * time.Second, NoJitter: true})))
			ctl := start(t, src.To(stream.Ignore[int]()))
			synctest.Wait()
			require.NoError(t, ctl.Drain(t.Context()))
			require.Len(t, calls(), 2)
		})
	}
}

func TestBackoffJitter(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f, calls := flaky(6, errBoom)
		_, err := stream.Collect(t.Context(), stream.TryMap(stream.FromSlice(ints(4)), f, stream.OnError(stream.Retry(stream.Backoff{}))))
		require.NoError(t, err)
		at := calls()
		pause := 100 * time.Millisecond // the default, doubling
		for i := 1; i < len(at); i++ {
			d := at[i] - at[i-1]
			require.GreaterOrEqual(t, d, pause/2)
			require.LessOrEqual(t, d, pause)
			pause *= 2
		}
	})
}

// The policy covers the stage's own function, and never what follows.
func TestPolicyCoversItsOwnStage(t *testing.T) {
	calls := 0
	_, err := stream.Collect(t.Context(), stream.Map(
		stream.TryMap(stream.FromSlice(ints(10)), func(_ context.Context, v int) (int, error) { calls++; return v, nil }, stream.OnError(stream.Skip())),
		func(v int) int { return 1 / (v - 3) }))
	var p *stream.PanicError
	require.ErrorAs(t, err, &p)
	require.Equal(t, 4, calls)
}

func TestDivert(t *testing.T) {
	diverts := map[string]func(src stream.Source[int], f func(context.Context, int) (int, error), to stream.Sink[stream.Failed[int]], opts ...stream.Option) stream.Source[int]{
		"TryMap": stream.TryMapDivert[int, int],
		"MapAsync": func(src stream.Source[int], f func(context.Context, int) (int, error), to stream.Sink[stream.Failed[int]], opts ...stream.Option) stream.Source[int] {
			return stream.MapAsyncDivert(src, 4, f, to, opts...)
		},
	}
	for name, divert := range diverts {
		inBubble(t, name, func(t *testing.T) {
			var dead seen[stream.Failed[int]]
			got := collect(t, divert(stream.FromSlice(ints(6)), failAt(3), dead.sink()))
			require.Equal(t, []int{0, 1, 2, 4, 5}, got)
			require.Equal(t, []stream.Failed[int]{{Value: 3, Err: errBoom, Attempts: 1}}, dead.all())
		})
		inBubble(t, name+" behind retries", func(t *testing.T) {
			var dead seen[stream.Failed[int]]
			f, _ := flaky(9, errBoom)
			got := collect(t, divert(stream.FromSlice(ints(6)), f, dead.sink(), stream.OnError(stream.Retry(stream.Backoff{Attempts: 4}))))
			require.Equal(t, []int{0, 1, 2, 4, 5}, got)
			require.Equal(t, 4, dead.all()[0].Attempts)
		})
		inBubble(t, name+" a panic", func(t *testing.T) {
			var dead seen[stream.Failed[int]]
			collect(t, divert(stream.FromSlice(ints(6)), func(context.Context, int) (int, error) { panic("always") }, dead.sink()))
			require.Len(t, dead.all(), 6)
			var p *stream.PanicError
			require.ErrorAs(t, dead.all()[0].Err, &p)
		})
		inBubble(t, name+" into a sink that fails", func(t *testing.T) {
			_, err := stream.Collect(t.Context(), divert(stream.FromSlice(ints(6)), failAt(3), stream.ForEach(func(context.Context, stream.Failed[int]) error { return errCause }).Named("dead letters")))
			require.ErrorIs(t, err, errCause)
			var placed *stream.StageError
			require.ErrorAs(t, err, &placed)
			require.Equal(t, "dead letters", placed.Stage)
		})
		inBubble(t, name+" into a sink that wants no more", func(t *testing.T) {
			one := stream.NewFlow(func(s stream.Source[stream.Failed[int]]) stream.Source[stream.Failed[int]] { return s.Take(1) })
			got := collect(t, divert(stream.FromSlice(ints(10_000)), failAt(3), one.To(stream.Ignore[stream.Failed[int]]())))
			require.Less(t, len(got), 10_000)
		})
		inBubble(t, name+" back-pressures", func(t *testing.T) {
			release := make(chan struct{})
			var got seen[int]
			ctl := start(t, divert(stream.FromSlice(ints(6)), failAt(3), blocked[stream.Failed[int]](release)).To(got.sink()))
			synctest.Wait()
			require.Equal(t, ints(3), got.all())
			close(release)
			require.NoError(t, wait(t, ctl))
		})
	}
}
