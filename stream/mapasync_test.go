package stream_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/bubble"
	"github.com/vicuna-go/vicuna/stream"
)

func TestMapAsyncRunsSixteenAtOnce(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var running atomic.Int64
		release := make(chan struct{})
		src := stream.MapAsync(stream.FromSlice(ints(1000)), 16, func(_ context.Context, v int) (int, error) {
			running.Add(1)
			defer running.Add(-1)
			<-release
			return v, nil
		})
		var got seen[int]
		ctl := start(t, src.To(got.sink()))
		synctest.Wait()
		require.EqualValues(t, 16, running.Load())
		require.EqualValues(t, 16, stage(t, ctl, "mapAsync").Calls)
		close(release)
		require.NoError(t, wait(t, ctl))
		require.Equal(t, ints(1000), got.all())
	})
}

func TestMapAsyncKeepsTheOrder(t *testing.T) {
	random := func(_ context.Context, v int) (int, error) {
		<-time.After(rand.N(time.Second))
		return v, nil
	}
	inBubble(t, "random call times", func(t *testing.T) {
		began := time.Now()
		require.Equal(t, ints(2000), collect(t, stream.MapAsync(stream.FromSlice(ints(2000)), 16, random)))
		require.Less(t, time.Since(began), 2000*time.Second/16, "the calls overlap")
	})
	inBubble(t, "unordered has them all", func(t *testing.T) {
		got := collect(t, stream.MapAsyncUnordered(stream.FromSlice(ints(2000)), 16, random))
		require.False(t, slices.IsSorted(got))
		slices.Sort(got)
		require.Equal(t, ints(2000), got)
	})
	inBubble(t, "behind each other", func(t *testing.T) {
		src := stream.MapAsync(stream.MapAsync(stream.FromSlice(ints(500)), 7, random), 3, random)
		require.Equal(t, ints(500), collect(t, src))
	})
}

// Calls that wait for each other: n of them always get together, also over many rounds.
func TestMapAsyncCallsThatWaitForEachOther(t *testing.T) {
	for name, f := range map[string]func(stream.Source[int], int, func(context.Context, int) (int, error), ...stream.Option) stream.Source[int]{
		"ordered": stream.MapAsync[int, int], "unordered": stream.MapAsyncUnordered[int, int],
	} {
		inBubble(t, name, func(t *testing.T) {
			const n, rounds = 8, 100
			var mu sync.Mutex
			waiting := 0
			together := make(chan struct{})
			ctl := start(t, f(stream.FromSlice(ints(n*rounds)), n, func(_ context.Context, v int) (int, error) {
				mu.Lock()
				c := together
				if waiting++; waiting == n {
					waiting, together = 0, make(chan struct{})
					close(c)
				}
				mu.Unlock()
				<-c
				return v, nil
			}).To(stream.Ignore[int]()))
			require.NoError(t, wait(t, ctl))
		})
	}
}

// One slow call holds up nothing but itself.
func TestMapAsyncUnorderedDoesNotBlockBehindASlowCall(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		began := time.Now()
		var got seen[int]
		ctl := start(t, stream.MapAsyncUnordered(stream.FromSlice(ints(10_000)), 4, func(_ context.Context, v int) (int, error) {
			if v == 3 {
				<-time.After(time.Minute)
			}
			return v, nil
		}).To(got.sink()))
		synctest.Wait()
		require.Len(t, got.all(), 9_999)
		require.NoError(t, wait(t, ctl))
		require.Len(t, got.all(), 10_000)
		require.Equal(t, time.Minute, time.Since(began))
	})
}

// Beside a slow call the others go on as far as the window reaches, and no further.
func TestMapAsyncWindow(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		release := make(chan struct{})
		ctl := start(t, stream.MapAsync(stream.FromSlice(ints(10_000)), 4, func(_ context.Context, v int) (int, error) {
			calls.Add(1)
			if v == 0 {
				<-release
			}
			return v, nil
		}).To(stream.Ignore[int]()))
		synctest.Wait()
		require.EqualValues(t, 1024, calls.Load())
		close(release)
		require.NoError(t, wait(t, ctl))
		require.EqualValues(t, 10_000, calls.Load())
	})
}

func TestMapAsyncFault(t *testing.T) {
	for name, f := range map[string]func(stream.Source[int], int, func(context.Context, int) (int, error), ...stream.Option) stream.Source[int]{
		"ordered": stream.MapAsync[int, int], "unordered": stream.MapAsyncUnordered[int, int],
	} {
		inBubble(t, name, func(t *testing.T) {
			_, err := stream.Collect(t.Context(), f(stream.FromSlice(ints(10_000)), 4, failAt(700)).Named("call"))
			require.ErrorIs(t, err, errBoom)
			var placed *stream.StageError
			require.ErrorAs(t, err, &placed)
			require.Equal(t, "call", placed.Stage)
		})
		inBubble(t, name+", skipped", func(t *testing.T) {
			ctl := start(t, f(stream.FromSlice(ints(1000)), 4, failAt(700), stream.OnError(stream.Skip())).Named("call").To(stream.Ignore[int]()))
			require.NoError(t, wait(t, ctl))
			require.EqualValues(t, 1, stage(t, ctl, "call").Skipped)
		})
		inBubble(t, name+", cancelled behind while calls run", func(t *testing.T) {
			release := make(chan struct{})
			var out seen[int]
			ctl := start(t, f(stream.FromSlice(ints(10_000)), 4, func(_ context.Context, v int) (int, error) {
				if v > 5 {
					<-release
				}
				return v, nil
			}).Take(2).To(out.sink()))
			synctest.Wait()
			require.Len(t, out.all(), 2)
			close(release)
			require.NoError(t, wait(t, ctl))
		})
	}
}
