package stream_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/stream"
)

func TestMerge(t *testing.T) {
	inBubble(t, "takes turns", func(t *testing.T) {
		// One source is always full, the other one has its share all the same.
		var got seen[int]
		release := make(chan struct{})
		many := stream.FromSlice(ints(100_000))
		few := stream.Map(stream.FromSlice(ints(100)), func(v int) int { return -v - 1 })
		ctl := start(t, stream.Merge(many, few).Tap(got.add).To(blocked[int](release)))
		synctest.Wait() // until both have what they can have
		close(release)
		require.NoError(t, wait(t, ctl))
		all := got.all()
		require.Len(t, all, 100_100)
		last := 0
		for i, v := range all {
			if v < 0 {
				last = i
			}
		}
		require.Less(t, last, 1000, "where the last element of the small source came")
	})
	inBubble(t, "keeps the order within a source", func(t *testing.T) {
		got := collect(t, stream.Merge(stream.FromSlice(ints(5000)), stream.Map(stream.FromSlice(ints(5000)), func(v int) int { return v + 10_000 })))
		var low, high []int
		for _, v := range got {
			if v < 10_000 {
				low = append(low, v)
			} else {
				high = append(high, v-10_000)
			}
		}
		require.Equal(t, ints(5000), low)
		require.Equal(t, ints(5000), high)
	})
	inBubble(t, "beside a quiet source", func(t *testing.T) {
		var got seen[int]
		ctl := start(t, stream.Merge(stream.FromSlice(ints(10)), stream.FromChan(make(chan int))).To(got.sink()))
		synctest.Wait()
		require.Equal(t, ints(10), got.all())
		require.NoError(t, ctl.Drain(t.Context()))
	})
	inBubble(t, "cancels all", func(t *testing.T) {
		require.Len(t, collect(t, stream.Merge(stream.FromSlice(ints(10)), stream.FromChan(make(chan int)), stream.FromChan(make(chan int))).Take(3)), 3)
	})
	inBubble(t, "nothing", func(t *testing.T) {
		require.Empty(t, collect(t, stream.Merge[int]()))
		require.Empty(t, collect(t, stream.Merge(stream.Source[int]{}, stream.Source[int]{})))
	})
	inBubble(t, "a fault of one", func(t *testing.T) {
		_, err := stream.Collect(t.Context(), stream.Merge(stream.FromChan(make(chan int)), stream.TryMap(stream.FromSlice(ints(10)), failAt(3))))
		require.ErrorIs(t, err, errBoom)
	})
}

func TestConcat(t *testing.T) {
	inBubble(t, "starts each source at its turn", func(t *testing.T) {
		ch := make(chan int)
		began := false
		second := stream.FromFunc(func(_ context.Context, emit func(int) bool) error {
			began = true
			emit(7)
			return nil
		})
		var got seen[int]
		ctl := start(t, stream.Concat(stream.FromChan(ch), second).To(got.sink()))
		ch <- 1
		synctest.Wait()
		require.False(t, began)
		close(ch)
		require.NoError(t, wait(t, ctl))
		require.Equal(t, []int{1, 7}, got.all())
	})
	inBubble(t, "starts none after a drain has begun", func(t *testing.T) {
		began := false
		second := stream.FromFunc(func(context.Context, func(int) bool) error {
			began = true
			return nil
		})
		ctl := start(t, stream.Concat(stream.FromChan(make(chan int)), second).To(stream.Ignore[int]()))
		synctest.Wait()
		require.NoError(t, ctl.Drain(t.Context()))
		require.False(t, began)
		require.ErrorIs(t, ctl.Err(), stream.ErrDrained)
	})
	inBubble(t, "starts none when no more is wanted", func(t *testing.T) {
		began := false
		second := stream.FromFunc(func(context.Context, func(int) bool) error {
			began = true
			return nil
		})
		require.Equal(t, ints(3), collect(t, stream.Concat(stream.FromSlice(ints(10)), second).Take(3)))
		require.False(t, began)
	})
	inBubble(t, "nothing, and within itself", func(t *testing.T) {
		require.Empty(t, collect(t, stream.Concat[int]()))
		one := stream.FromSlice(ints(2))
		require.Equal(t, []int{0, 1, 0, 1, 0, 1}, collect(t, stream.Concat(one, stream.Source[int]{}, stream.Concat(one, one))))
	})
	inBubble(t, "a fault of the second", func(t *testing.T) {
		got, err := stream.Collect(t.Context(), stream.Concat(stream.FromSlice(ints(5)), stream.TryMap(stream.FromSlice(ints(10)), failAt(0))))
		require.ErrorIs(t, err, errBoom)
		require.LessOrEqual(t, len(got), 5)
	})
}

func TestBroadcast(t *testing.T) {
	take := func(n int, to stream.Sink[int]) stream.Sink[int] {
		return stream.NewFlow(func(s stream.Source[int]) stream.Source[int] { return s.Take(n) }).To(to)
	}
	inBubble(t, "to all", func(t *testing.T) {
		var a, b, c seen[int]
		require.NoError(t, stream.FromSlice(ints(5000)).To(stream.Broadcast(a.sink(), b.sink(), c.sink())).Run(t.Context()))
		for _, s := range []*seen[int]{&a, &b, &c} {
			require.Equal(t, ints(5000), s.all())
		}
	})
	inBubble(t, "one branch wants no more", func(t *testing.T) {
		var a, b seen[int]
		require.NoError(t, stream.FromSlice(ints(5000)).To(stream.Broadcast(take(10, a.sink()), b.sink())).Run(t.Context()))
		require.Equal(t, ints(10), a.all())
		require.Equal(t, ints(5000), b.all())
	})
	inBubble(t, "no branch wants more", func(t *testing.T) {
		ch := make(chan int)
		ctl := start(t, stream.FromChan(ch).To(stream.Broadcast(take(1, stream.Ignore[int]()), take(2, stream.Ignore[int]()))))
		ch <- 1
		ch <- 2
		require.NoError(t, wait(t, ctl))
	})
	inBubble(t, "a slow branch back-pressures", func(t *testing.T) {
		release := make(chan struct{})
		var fast seen[int]
		ctl := start(t, stream.FromSlice(ints(5000)).To(stream.Broadcast(fast.sink(), blocked[int](release))))
		synctest.Wait()
		require.InDelta(t, 512, len(fast.all()), 1)
		close(release)
		require.NoError(t, wait(t, ctl))
		require.Len(t, fast.all(), 5000)
	})
	inBubble(t, "in a branch", func(t *testing.T) {
		var a, b, c seen[int]
		require.NoError(t, stream.FromSlice(ints(100)).To(stream.Broadcast(stream.Broadcast(take(3, a.sink()), take(5, b.sink())), c.sink())).Run(t.Context()))
		require.Equal(t, []int{3, 5, 100}, []int{len(a.all()), len(b.all()), len(c.all())})
	})
	inBubble(t, "a fault of one", func(t *testing.T) {
		err := stream.FromSlice(ints(100)).To(stream.Broadcast(stream.Ignore[int](), stream.ForEach(func(context.Context, int) error { return errBoom }))).Run(t.Context())
		require.ErrorIs(t, err, errBoom)
	})
}
