package stream_test

import (
	"context"
	"slices"
	"testing"
	"time"
	"iter"
	"errors"

	"github.com/stretchr/testify/require"
	"github.com/vicuna-go/vicuna/stream"
)

func ints(n int) []int { s := make([]int, n); for i := range s { s[i] = i }; return s }

func TestSmoke(t *testing.T) {
	ctx := t.Context()
	got, err := stream.Collect(ctx, stream.Map(stream.FromSlice(ints(10000)).Filter(func(i int) bool { return i%2 == 0 }).Async(), func(i int) int { return i * 2 }))
	require.NoError(t, err)
	require.Len(t, got, 5000)
	got, err = stream.Collect(ctx, stream.MapAsync(stream.FromSlice(ints(10000)), 16, func(_ context.Context, i int) (int, error) { return i, nil }))
	require.NoError(t, err)
	require.Equal(t, ints(10000), got)
	got, err = stream.Collect(ctx, stream.MapAsyncUnordered(stream.FromSlice(ints(10000)), 16, func(_ context.Context, i int) (int, error) { return i, nil }))
	require.NoError(t, err)
	slices.Sort(got)
	require.Equal(t, ints(10000), got)
	got, err = stream.Collect(ctx, stream.FlatMap(stream.FromSlice(ints(1000)), func(i int) iter.Seq[int] { return slices.Values([]int{i, i}) }).Take(77))
	require.NoError(t, err)
	require.Len(t, got, 77)
	b, err := stream.Collect(ctx, stream.Batch(stream.FromSlice(ints(1000)), 300, time.Second))
	require.NoError(t, err)
	require.Len(t, b, 4)
	got, err = stream.Collect(ctx, stream.Merge(stream.FromSlice(ints(1000)), stream.Concat(stream.FromSlice(ints(10)), stream.FromSeq(slices.Values(ints(500))))))
	require.NoError(t, err)
	require.Len(t, got, 1510)
	n := 0
	for v, err := range stream.FromSlice(ints(100000)).All(ctx) { require.NoError(t, err); n++; if n == 5000 { break } ; _ = v }
	boom := errors.New("boom")
	_, err = stream.Collect(ctx, stream.TryMap(stream.FromSlice(ints(1000)), func(_ context.Context, i int) (int, error) { if i == 500 { return 0, boom }; return i, nil }))
	require.ErrorIs(t, err, boom)
	t.Log(err)
	_, err = stream.Collect(ctx, stream.Map(stream.FromSlice(ints(1000)), func(i int) int { return 1/(i-500) }))
	t.Log(err)
	c1, stop := context.WithCancelCause(ctx)
	ch := make(chan int)
	ctl, err := stream.FromChan(ch).To(stream.Broadcast(stream.Ignore[int](), stream.ForEach(func(context.Context, int) error { return nil }))).Start(c1)
	require.NoError(t, err)
	for i := range 1000 { ch <- i }
	stop(boom)
	<-ctl.Done()
	require.ErrorIs(t, ctl.Err(), stream.ErrDrained)
	require.ErrorIs(t, ctl.Err(), boom)
	t.Logf("%+v", ctl.Snapshot())
}
