package streamtest

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/stream"
)

func children(r *recorded[int], n int, f func(context.Context, int) error, opts ...stream.Option) stream.Graph {
	subs := stream.Map(r.source(), func(v int) stream.Sub[int, int] {
		return stream.Sub[int, int]{Key: v, Source: stream.FromSlice([]int{v})}
	})
	return stream.Each(subs, n, func(_ int, s stream.Source[int]) stream.Graph { return s.To(stream.ForEach(f)) }, opts...)
}

func numbers(n int) []int {
	return elements(func(i int) int { return i }, n)
}

// The element that has brought a sub-stream is finished when its child is.
func TestEachFinishesWithItsChildren(t *testing.T) {
	f := declare(nil)
	f.run(t, "in flight", func(t *testing.T) {
		r, g := newRecorded(numbers(20)), newGate[int](false)
		ctl := start(t, children(r, 3, g.take))
		synctest.Wait()
		r.run.CollectPending()
		require.Len(t, g.all(), 3)
		for _, m := range r.marks {
			require.False(t, m.done)
		}
		close(g.open)
		require.NoError(t, over(t, ctl))
		everyDone(t, r.look())
	})
	f.run(t, "a fault", func(t *testing.T) {
		r := newRecorded(numbers(20))
		err := run(t, children(r, 1, nth[int](3, func() error { return errFault })))
		require.ErrorIs(t, err, errFault)
		r.run.CollectPending()
		for i, m := range r.marks {
			require.Equal(t, i < 2, m.done, "element %d", i)
		}
	})
	f.run(t, "a fault that is skipped", func(t *testing.T) {
		r := newRecorded(numbers(20))
		ctl := start(t, children(r, 1, nth[int](3, func() error { return errFault }), stream.OnError(stream.Skip())))
		require.NoError(t, over(t, ctl))
		everyDone(t, r.look())
		for _, s := range ctl.Snapshot().Stages {
			if s.Name == "each" {
				require.EqualValues(t, 1, s.Skipped)
			}
		}
	})
	f.run(t, "a drain", func(t *testing.T) {
		r, g := newRecorded(numbers(20)), newGate[int](false)
		ctl := start(t, children(r, 3, g.take))
		synctest.Wait()
		done := make(chan error)
		go func() { done <- ctl.Drain(t.Context()) }()
		synctest.Wait()
		close(g.open)
		require.NoError(t, <-done)
		seen := g.all()
		require.Len(t, seen, 3)
		for i, m := range r.look() {
			require.Equal(t, i < 3, m.done, "element %d: %+v", i, m)
			require.Equal(t, i >= 3, m.abandoned, "element %d: %+v", i, m)
		}
	})
}
