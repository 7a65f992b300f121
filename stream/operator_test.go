package stream_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/bubble"
	"github.com/vicuna-go/vicuna/stream"
)

func collect[T any](t *testing.T, src stream.Source[T]) []T {
	t.Helper()
	got, err := stream.Collect(t.Context(), src)
	require.NoError(t, err)
	return got
}

func TestOperators(t *testing.T) {
	src := stream.FromSlice(ints(10))
	require.Equal(t, []string{"0", "1", "2"}, collect(t, stream.Map(stream.FromSlice(ints(3)), strconv.Itoa)))
	require.Equal(t, []int{0, 2, 4, 6, 8}, collect(t, src.Filter(even)))
	require.Equal(t, []int{0, 20, 40}, collect(t, stream.FilterMap(src.Take(6), func(v int) (int, bool) { return 10 * v, even(v) })))
	require.Equal(t, []int{1, 2, 2}, collect(t, stream.FlatMap(src.Take(3), func(v int) iter.Seq[int] { return slices.Values(slices.Repeat([]int{v}, v)) })))
	require.Equal(t, []int{7, 8, 9}, collect(t, src.Drop(7)))
	require.Equal(t, []int{7, 8, 9}, collect(t, src.DropWhile(func(v int) bool { return v < 7 })))
	require.Equal(t, []int{0, 1, 2}, collect(t, src.TakeWhile(func(v int) bool { return v < 3 })))
	require.Equal(t, []int{0, 1, 2}, collect(t, src.Take(3)))
	require.Empty(t, collect(t, src.Take(-1)))
	require.Equal(t, ints(10), collect(t, src.Take(100).Drop(-1).Async().Buffer(0).Buffer(3)))
	require.Equal(t, [][]int{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9}}, collect(t, stream.Batch(src, 4, 0)))
	require.Equal(t, [][]int{ints(10)}, collect(t, stream.Batch(src, 0, time.Hour)))
	require.Equal(t, [][]int{{0, 1, 2, 3}, {4}, {5}, {6}, {7}, {8}, {9}}, collect(t, stream.BatchBytes(src, 0, 6, func(v int) int { return v }, 0)))
	require.Equal(t, [][]int{{0, 1}, {2, 3}, {4}, {5}, {6}, {7}, {8}, {9}}, collect(t, stream.BatchBytes(src, 2, 6, func(v int) int { return v }, time.Hour)))
	var tapped, diverted seen[int]
	require.Equal(t, []int{1, 3, 5, 7, 9}, collect(t, src.Tap(tapped.add).Divert(even, diverted.sink())))
	require.Equal(t, ints(10), tapped.all())
	require.Equal(t, []int{0, 2, 4, 6, 8}, diverted.all())
}

// A batch without any limit would take in the whole stream, and one whose elements have no size
// would keep no limit to the bytes: both are refused before anything runs, with all else that is
// wrong.
func TestBatchNeedsALimit(t *testing.T) {
	length := func(s string) int { return len(s) }
	src := stream.FromFunc(func(context.Context, func(string) bool) error {
		return errors.New("it has run")
	})
	for name, c := range map[string]struct {
		batches stream.Source[[]string]
		says    string
	}{
		"none":              {stream.Batch(src, 0, 0), "batch: neither count nor bytes nor every is given"},
		"below zero":        {stream.Batch(src, -1, -time.Second), "batch: neither count nor bytes nor every is given"},
		"a size alone":      {stream.BatchBytes(src, 0, 0, length, 0), "batch: neither count nor bytes nor every is given"},
		"bytes, no size":    {stream.BatchBytes(src, 0, 8, nil, 0), "batch: there is a limit to the bytes"},
		"no size, by count": {stream.BatchBytes(src, 5, 8, nil, time.Hour), "batch: there is a limit to the bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.batches.Named("rows").To(stream.Ignore[[]string]()).Start(t.Context())
			require.ErrorContains(t, err, "vicuna: "+c.says)
		})
	}
	twice := stream.Merge(stream.Batch(src, 0, 0), stream.BatchBytes(src, 1, 8, nil, 0)).To(stream.Ignore[[]string]())
	err := twice.Run(t.Context())
	require.ErrorContains(t, err, "neither count")
	require.ErrorContains(t, err, "limit to the bytes")
}

// A sequence of a FlatMap is left when nobody wants more of it, also one without an end.
func TestFlatMapIsLeft(t *testing.T) {
	left := false
	endless := func(v int) iter.Seq[int] {
		return func(yield func(int) bool) {
			defer func() { left = true }()
			for yield(v) {
			}
		}
	}
	require.Equal(t, []int{0, 0, 0}, collect(t, stream.FlatMap(stream.FromSlice(ints(10)), endless).Take(3)))
	require.True(t, left)
	bubble.Test(t, func(t *testing.T) {
		ctl := start(t, stream.FlatMap(stream.FromSlice(ints(10)), endless).To(blocked[int](nil)))
		synctest.Wait()
		ctl.Stop()
		require.ErrorIs(t, wait(t, ctl), stream.ErrStopped)
	})
}

func TestBatchByTime(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		ch := make(chan int)
		began := time.Now()
		at := func(d time.Duration, v int) { <-time.After(d - time.Since(began)); ch <- v }
		type batch struct {
			at    time.Duration
			items []int
		}
		var got seen[batch]
		ctl := start(t, stream.Batch(stream.FromChan(ch), 3, 10*time.Second).To(stream.ForEach(func(_ context.Context, b []int) error {
			got.add(batch{time.Since(began), b})
			return nil
		})))
		at(5*time.Second, 1)  // the time counts from the first element held
		at(14*time.Second, 2) // out at 15 s
		at(16*time.Second, 3) // out at 26 s
		at(30*time.Second, 4)
		at(31*time.Second, 5)
		at(32*time.Second, 6) // full
		at(40*time.Second, 7)
		close(ch) // the end
		require.NoError(t, wait(t, ctl))
		require.Equal(t, []batch{
			{15 * time.Second, []int{1, 2}}, {26 * time.Second, []int{3}}, {32 * time.Second, []int{4, 5, 6}}, {40 * time.Second, []int{7}},
		}, got.all())
	})
}

// A holder behind a holder: both let go in a drain, the one upstream first.
func TestDrainEmptiesEveryHolder(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		ch := make(chan int)
		var got seen[[][]int]
		src := stream.Batch(stream.Batch(stream.FromChan(ch), 3, 0), 10, time.Hour)
		ctl := start(t, src.To(got.sink()))
		for i := range 7 {
			ch <- i
		}
		synctest.Wait()
		require.Empty(t, got.all())
		require.NoError(t, ctl.Drain(t.Context()))
		var all []int
		for _, bs := range got.all() {
			for _, b := range bs {
				all = append(all, b...)
			}
		}
		require.Equal(t, ints(7), all)
	})
}

// A panic in a flush that no element has caused names its stage too.
func TestPanicBehindATimedFlush(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		ch := make(chan int)
		ctl := start(t, stream.Map(stream.Batch(stream.FromChan(ch), 10, time.Second), func([]int) int { panic(errBoom) }).Named("broken").To(stream.Ignore[int]()))
		ch <- 1
		err := wait(t, ctl)
		require.ErrorIs(t, err, errBoom)
		var placed *stream.StageError
		require.ErrorAs(t, err, &placed)
		require.Equal(t, "broken", placed.Stage)
	})
}

// A finished element is visible behind a boundary while the island before it is inside a slow
// function.
func TestBoundaryIsVisibleAtOnce(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var got seen[int]
		src := stream.Map(stream.FromSlice(ints(100)), func(v int) int {
			if v == 50 {
				<-time.After(time.Minute)
			}
			return v
		})
		ctl := start(t, src.Async().To(got.sink()))
		synctest.Wait()
		require.Equal(t, ints(50), got.all())
		require.NoError(t, wait(t, ctl))
		require.Equal(t, ints(100), got.all())
	})
}
