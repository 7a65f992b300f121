package stream_test

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/stream"
)

func TestFromSlice(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 257, 10_000} {
		got, err := stream.Collect(t.Context(), stream.FromSlice(ints(n)))
		require.NoError(t, err)
		require.Len(t, got, n)
	}
}

func TestFromRange(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 257, 10_000} {
		src := stream.FromRange(0, n)
		for range 2 {
			got := collect(t, src)
			require.Len(t, got, n)
			require.Equal(t, ints(n), append([]int{}, got...))
		}
	}
	require.Equal(t, []int{-2, -1, 0}, collect(t, stream.FromRange(-2, 1)))
	require.Empty(t, collect(t, stream.FromRange(1, -2)))
	require.Equal(t, []int{math.MinInt, math.MinInt + 1}, collect(t, stream.FromRange(math.MinInt, math.MaxInt).Take(2)))
	require.Equal(t, []int{math.MaxInt - 1}, collect(t, stream.FromRange(math.MaxInt-1, math.MaxInt)))
}

// What was not emitted when a drain began is told of; of a source that had nothing more it is not.
func TestFromRangeIsDrained(t *testing.T) {
	for n, want := range map[int]error{1000: stream.ErrDrained, 11: stream.ErrDrained, 10: nil} {
		inBubble(t, fmt.Sprint("of ", n), func(t *testing.T) {
			release := make(chan struct{})
			var got seen[int]
			ctl := start(t, stream.FromRange(0, n).Tap(got.add).Tap(func(i int) {
				if i == 9 {
					<-release
				}
			}).To(stream.Ignore[int]()))
			synctest.Wait()
			go func() { _ = ctl.Drain(context.Background()) }()
			synctest.Wait()
			close(release)
			require.ErrorIs(t, wait(t, ctl), want)
			require.Equal(t, ints(10), got.all())
		})
	}
}

func TestFromChan(t *testing.T) {
	inBubble(t, "an element is visible at once", func(t *testing.T) {
		ch := make(chan int)
		var got seen[int]
		ctl := start(t, stream.FromChan(ch).To(got.sink()))
		for i := range 5 {
			ch <- i
			synctest.Wait()
			require.Equal(t, ints(i+1), got.all())
		}
		close(ch)
		require.NoError(t, wait(t, ctl))
	})
	inBubble(t, "buffered, and closed", func(t *testing.T) {
		got, err := stream.Collect(t.Context(), stream.FromChan(closed(ints(100)...)))
		require.NoError(t, err)
		require.Equal(t, ints(100), got)
	})
	inBubble(t, "two runs share it", func(t *testing.T) {
		ch := make(chan int)
		var got seen[int]
		g := stream.FromChan(ch).To(got.sink())
		one, two := start(t, g), start(t, g)
		for i := range 100 {
			ch <- i
		}
		close(ch)
		require.NoError(t, wait(t, one))
		require.NoError(t, wait(t, two))
		require.ElementsMatch(t, ints(100), got.all())
	})
	inBubble(t, "what was received is processed in a drain, the rest stays in the channel", func(t *testing.T) {
		ch := make(chan int, 100)
		for i := range 100 {
			ch <- i
		}
		release := make(chan struct{})
		var got seen[int]
		ctl := start(t, stream.FromChan(ch).Tap(got.add).To(blocked[int](release)))
		synctest.Wait()
		go func() { _ = ctl.Drain(t.Context()) }()
		synctest.Wait()
		close(release)
		require.ErrorIs(t, wait(t, ctl), stream.ErrDrained)
		require.Equal(t, ints(100-len(ch)), got.all())
		require.NotEmpty(t, ch)
	})
}

// neverReturns is user code that makes elements and ignores that nobody wants them any more.
func neverReturns(release <-chan struct{}) map[string]stream.Source[int] {
	return map[string]stream.Source[int]{
		"seq": stream.FromSeq(iter.Seq[int](func(yield func(int) bool) {
			yield(1)
			<-release
		})),
		"func": stream.FromFunc(func(_ context.Context, emit func(int) bool) error {
			emit(1)
			<-release
			return nil
		}),
	}
}

func TestSourceThatNeverReturns(t *testing.T) {
	for _, name := range []string{"seq", "func"} {
		for how, end := range map[string]func(*stream.Control){
			"drain": func(c *stream.Control) { _ = c.Drain(context.Background()) },
			"stop":  (*stream.Control).Stop,
		} {
			inBubble(t, name+" at a "+how, func(t *testing.T) {
				release := make(chan struct{})
				var got seen[int]
				ctl := start(t, neverReturns(release)[name].Named("endless").To(got.sink()), stream.CloseTimeout(2*time.Second))
				synctest.Wait()
				began := time.Now()
				end(ctl)
				err := wait(t, ctl)
				require.Equal(t, 2*time.Second, time.Since(began))
				var stuck *stream.StuckError
				require.ErrorAs(t, err, &stuck)
				require.Equal(t, []string{"endless"}, stuck.Stages)
				require.ErrorContains(t, err, "endless")
				require.Equal(t, []int{1}, got.all())
				close(release)
			})
		}
		inBubble(t, name+" when no more is wanted", func(t *testing.T) {
			release := make(chan struct{})
			ctl := start(t, neverReturns(release)[name].Take(1).To(stream.Ignore[int]()), stream.CloseTimeout(2*time.Second))
			var stuck *stream.StuckError
			require.ErrorAs(t, wait(t, ctl), &stuck)
			close(release)
		})
	}
}

func TestFromFunc(t *testing.T) {
	// What emit says and what arrives agree, wherever the drain falls.
	t.Run("a drain keeps what emit has taken, and nothing else", func(t *testing.T) {
		for at := range 200 {
			var taken, got seen[int]
			begin := make(chan struct{})
			ctl := start(t, stream.FromFunc(func(_ context.Context, emit func(int) bool) error {
				for i := 0; emit(i); i++ {
					taken.add(i)
					if i == at {
						close(begin)
					}
				}
				return nil
			}).To(got.sink()))
			<-begin
			require.NoError(t, ctl.Drain(t.Context()))
			require.ErrorIs(t, ctl.Err(), stream.ErrDrained)
			require.Equal(t, taken.all(), got.all())
		}
	})
	inBubble(t, "its context ends when a drain begins", func(t *testing.T) {
		ctl := start(t, stream.FromFunc(func(ctx context.Context, _ func(int) bool) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}).To(stream.Ignore[int]()))
		require.NoError(t, ctl.Drain(t.Context()))
	})
	inBubble(t, "its context ends when nobody wants more", func(t *testing.T) {
		require.NoError(t, stream.FromFunc(func(ctx context.Context, emit func(int) bool) error {
			emit(1)
			<-ctx.Done()
			return ctx.Err()
		}).Take(1).To(stream.Ignore[int]()).Run(t.Context()))
	})
	inBubble(t, "another context's end is a fault", func(t *testing.T) {
		err := stream.FromFunc(func(context.Context, func(int) bool) error { return context.Canceled }).To(stream.Ignore[int]()).Run(t.Context())
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, stream.ErrDrained)
	})
	inBubble(t, "what it has emitted before a fault", func(t *testing.T) {
		got, err := stream.Collect(t.Context(), stream.FromFunc(func(_ context.Context, emit func(int) bool) error {
			emit(1)
			synctest.Wait()
			return errBoom
		}))
		require.ErrorIs(t, err, errBoom)
		require.Equal(t, []int{1}, got)
	})
}

func TestFromSeq(t *testing.T) {
	got, err := stream.Collect(t.Context(), stream.FromSeq(slices.Values(ints(5000))))
	require.NoError(t, err)
	require.Equal(t, ints(5000), got)

	err = stream.FromSeq(func(yield func(int) bool) {
		yield(1)
		panic(errBoom)
	}).Named("broken").To(stream.Ignore[int]()).Run(t.Context())
	require.ErrorIs(t, err, errBoom)
	var placed *stream.StageError
	require.ErrorAs(t, err, &placed)
	require.Equal(t, "broken", placed.Stage)
}

// A drain that begins within the last element of a chunk, when the next one is not made yet, has
// cut the numbers short.
func TestFromRangeIsCutShortBetweenChunks(t *testing.T) {
	for name, row := range map[string]struct {
		to  int
		end error
	}{
		"more were to come": {512, stream.ErrDrained},
		"it was the last":   {256, nil},
	} {
		t.Run(name, func(t *testing.T) {
			started := make(chan *stream.Control, 1)
			ctl, err := stream.Map(stream.FromRange(0, row.to), func(n int) int {
				if n == 255 {
					ctl := <-started
					// from within: it begins, and is not waited for
					_ = ctl.Drain(context.Background())
				}
				return n
			}).To(stream.Ignore[int]()).Start(t.Context())
			require.NoError(t, err)
			started <- ctl
			<-ctl.Done()
			require.ErrorIs(t, ctl.Err(), row.end)
		})
	}
}
