package stream_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/bubble"
	"github.com/vicuna-go/vicuna/stream"
)

func TestAll(t *testing.T) {
	endless := stream.FromSeq(func(yield func(int) bool) {
		for i := 0; yield(i); i++ {
		}
	})
	inBubble(t, "yields all, in order", func(t *testing.T) {
		n := 0
		for v, err := range stream.FromSlice(ints(5000)).All(t.Context()) {
			require.NoError(t, err)
			require.Equal(t, n, v)
			n++
		}
		require.Equal(t, 5000, n)
	})
	inBubble(t, "can be run again", func(t *testing.T) {
		all := stream.FromSlice(ints(5)).All(t.Context())
		for range 2 {
			n := 0
			for range all {
				n++
			}
			require.Equal(t, 5, n)
		}
	})
	inBubble(t, "breaking off stops the stream", func(t *testing.T) {
		n := 0
		for _, err := range endless.All(t.Context()) {
			require.NoError(t, err)
			if n++; n == 5000 {
				break
			}
		}
		require.Equal(t, 5000, n)
	})
	inBubble(t, "breaking off at the first", func(t *testing.T) {
		for range stream.FromChan(closed(1, 2)).All(t.Context()) {
			break
		}
	})
	inBubble(t, "an error comes last, with a zero element", func(t *testing.T) {
		var last error
		var got []int
		for v, err := range stream.TryMap(stream.FromSlice(ints(10)), failAt(3)).All(t.Context()) {
			require.NoError(t, last)
			if last = err; err != nil {
				require.Zero(t, v)
				continue
			}
			got = append(got, v)
		}
		require.ErrorIs(t, last, errBoom)
		require.Equal(t, ints(3)[:len(got)], append([]int{}, got...))
	})
	inBubble(t, "a drain by its context", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		n := 0
		var last error
		for _, err := range endless.All(ctx) {
			if last = err; err == nil {
				n++
			}
			if n == 10 {
				cancel(errCause)
			}
		}
		require.ErrorIs(t, last, stream.ErrDrained)
		require.ErrorIs(t, last, errCause)
		require.GreaterOrEqual(t, n, 10)
	})
	inBubble(t, "a panic in the body passes through", func(t *testing.T) {
		require.PanicsWithValue(t, "body", func() {
			for range endless.All(t.Context()) {
				panic("body")
			}
		})
	})
	inBubble(t, "Goexit in the body", func(t *testing.T) {
		done := make(chan struct{})
		var ctxs []context.Context
		go func() {
			defer close(done)
			src := stream.TryMap(endless, func(ctx context.Context, v int) (int, error) {
				if v == 0 {
					ctxs = append(ctxs, ctx)
				}
				return v, nil
			})
			for range src.All(t.Context()) {
				runtime.Goexit()
			}
		}()
		<-done
		require.ErrorIs(t, context.Cause(ctxs[0]), stream.ErrStopped)
	})
	inBubble(t, "a graph that cannot run", func(t *testing.T) {
		bad := stream.NewFlow(func(stream.Source[int]) stream.Source[int] { return stream.FromSlice(ints(1)) }).To(stream.Ignore[int]())
		var last error
		for _, err := range stream.FromSlice(ints(5)).Divert(even, bad).All(t.Context()) {
			last = err
		}
		require.ErrorIs(t, last, stream.ErrFlowInput)
	})
	inBubble(t, "within another", func(t *testing.T) {
		n := 0
		for range stream.FromSlice(ints(3)).All(t.Context()) {
			for range stream.FromSlice(ints(3)).All(t.Context()) {
				n++
			}
		}
		require.Equal(t, 9, n)
	})
}

func TestCollectFoldFirst(t *testing.T) {
	sum, err := stream.Fold(t.Context(), stream.FromSlice(ints(101)), 0, func(a, v int) int { return a + v })
	require.NoError(t, err)
	require.Equal(t, 5050, sum)
	_, err = stream.Fold(t.Context(), stream.FromSlice(ints(101)), 0, func(int, int) int { panic(errBoom) })
	require.ErrorIs(t, err, errBoom)

	got, err := stream.Collect(t.Context(), stream.TryMap(stream.FromSlice(ints(10)), failAt(4)))
	require.ErrorIs(t, err, errBoom)
	require.Equal(t, ints(4), got, "those that came before it")

	v, err := stream.First(t.Context(), stream.FromSlice(ints(10)).Drop(3))
	require.NoError(t, err)
	require.Equal(t, 3, v)
	_, err = stream.First(t.Context(), stream.FromSlice(ints(3)).Drop(3))
	require.ErrorIs(t, err, stream.ErrEmpty)
	_, err = stream.First(t.Context(), stream.TryMap(stream.FromSlice(ints(10)), failAt(0)))
	require.ErrorIs(t, err, errBoom)
	bubble.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errCause)
		_, err := stream.First(ctx, stream.FromChan(make(chan int)))
		require.ErrorIs(t, err, errCause)
	})
}
