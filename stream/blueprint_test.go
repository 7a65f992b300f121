package stream_test

import (
	"context"
	"iter"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/bubble"
	"github.com/vicuna-go/vicuna/stream"
)

func TestZeroValues(t *testing.T) {
	require.Empty(t, collect(t, stream.Source[int]{}))
	require.Empty(t, collect(t, stream.Map(stream.Source[int]{}.Named("zero").Filter(even), strconv.Itoa)))
	require.NoError(t, stream.FromSlice(ints(10)).To(stream.Sink[int]{}).Run(t.Context()))
	require.NoError(t, stream.FromSlice(ints(10)).To(stream.Sink[int]{}.Named("zero")).Run(t.Context()))
	require.NoError(t, stream.FromSlice(ints(10)).To(stream.Broadcast(stream.Sink[int]{}, stream.Sink[int]{})).Run(t.Context()))
	require.Equal(t, []int{1}, collect(t, stream.FromSlice(ints(2)).Divert(even, stream.Sink[int]{})))
	require.ErrorIs(t, stream.Graph{}.Run(t.Context()), stream.ErrNoGraph)
	_, err := stream.Graph{}.Start(t.Context())
	require.ErrorIs(t, err, stream.ErrNoGraph)
}

func TestFlows(t *testing.T) {
	evens := stream.NewFlow(func(s stream.Source[int]) stream.Source[int] { return s.Filter(even) })
	text := stream.NewFlow(func(s stream.Source[int]) stream.Source[string] { return stream.Map(s.Async(), strconv.Itoa) })
	both := stream.Join(evens, text)
	require.Equal(t, []string{"0", "2", "4"}, collect(t, stream.Via(stream.FromSlice(ints(5)), both)))
	var got seen[string]
	sink := both.To(got.sink())
	for range 2 {
		require.NoError(t, stream.FromSlice(ints(5)).To(sink).Run(t.Context()))
	}
	require.Equal(t, []string{"0", "2", "4", "0", "2", "4"}, got.all())
}

// As a source, a flow's input can be read twice, or late, as every source can; in front of a sink
// it is a stream that exists once.
func TestFlowsThatReadTheirInputTwice(t *testing.T) {
	twice := stream.NewFlow(func(s stream.Source[int]) stream.Source[int] { return stream.Merge(s, s) })
	late := stream.NewFlow(func(s stream.Source[int]) stream.Source[int] { return stream.Concat(stream.FromSlice(ints(3)), s) })
	never := stream.NewFlow(func(stream.Source[int]) stream.Source[int] { return stream.FromSlice(ints(3)) })
	src := stream.FromSlice(ints(10))
	require.Len(t, collect(t, stream.Via(src, twice)), 20)
	require.Len(t, collect(t, stream.Via(src, late)), 13)
	require.Len(t, collect(t, stream.Via(src, never)), 3)
	for _, flow := range []stream.Flow[int, int]{twice, late, never} {
		require.ErrorIs(t, src.To(flow.To(stream.Ignore[int]())).Run(t.Context()), stream.ErrFlowInput)
	}
}

func TestNames(t *testing.T) {
	inBubble(t, "in snapshots", func(t *testing.T) {
		src := stream.Map(stream.FromSlice(ints(1000)).Named("numbers"), strconv.Itoa).Named("text").Buffer(600).Named("shelf")
		ctl := start(t, src.To(stream.Ignore[string]().Named("bin")))
		require.NoError(t, wait(t, ctl))
		var names []string
		for _, s := range ctl.Snapshot().Stages {
			names = append(names, s.Name)
			require.EqualValues(t, 1000, s.In, s.Name)
		}
		require.ElementsMatch(t, []string{"numbers", "text", "shelf", "bin"}, names)
	})
	for name, g := range map[string]stream.Graph{
		"Map":      stream.Map(stream.FromSlice(ints(9)), func(int) int { panic(errBoom) }).Named("x").To(stream.Ignore[int]()),
		"MapAsync": stream.MapAsync(stream.FromSlice(ints(9)), 2, failAt(2)).Named("x").To(stream.Ignore[int]()),
		"FlatMap behind another stage": stream.Map(stream.FlatMap(stream.FromSlice(ints(9)), func(v int) iter.Seq[int] {
			return func(yield func(int) bool) { yield(v); panic(errBoom) }
		}).Named("x"), func(v int) int { return v }).To(stream.Ignore[int]()),
		"a flow":  stream.Via(stream.FromSlice(ints(9)), stream.NewFlow(func(s stream.Source[int]) stream.Source[int] { return stream.TryMap(s.Async(), failAt(2)) })).Named("x").To(stream.Ignore[int]()),
		"ForEach": stream.FromSlice(ints(9)).To(stream.ForEach(func(context.Context, int) error { return errBoom }).Named("x")),
		"ForEach that retries": stream.FromSlice(ints(9)).To(stream.ForEach(func(context.Context, int) error { return errBoom },
			stream.OnError(stream.Retry(stream.Backoff{Attempts: 1}))).Named("x")),
		"FromFunc": stream.FromFunc(func(context.Context, func(int) bool) error { return errBoom }).Named("x").To(stream.Ignore[int]()),
	} {
		inBubble(t, "in the error of "+name, func(t *testing.T) {
			var placed *stream.StageError
			require.ErrorAs(t, g.Run(t.Context()), &placed)
			require.Equal(t, "x", placed.Stage)
			require.ErrorIs(t, placed, errBoom)
		})
	}
}

// While a graph runs, its snapshot shows what has reached each stage and where elements wait.
func TestSnapshotCounts(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		ch := make(chan int)
		release := make(chan struct{})
		src := stream.Merge(stream.FromChan(ch), stream.FromFunc(func(ctx context.Context, emit func(int) bool) error {
			for i := range 5 {
				emit(i)
			}
			<-ctx.Done()
			return nil
		}))
		ctl := start(t, stream.Concat(stream.FromSlice([]int(nil)), src).To(stream.Broadcast(stream.Ignore[int](), blocked[int](release).Named("slow"))))
		for i := range 10 {
			ch <- i
		}
		synctest.Wait()
		require.EqualValues(t, 10, stage(t, ctl, "chan").In)
		require.EqualValues(t, 5, stage(t, ctl, "func").In)
		require.EqualValues(t, 15, stage(t, ctl, "merge").In)
		require.EqualValues(t, 15, stage(t, ctl, "concat").In)
		require.EqualValues(t, 15, stage(t, ctl, "broadcast").In)
		require.EqualValues(t, 15, stage(t, ctl, "ignore").In)
		waiting := 0
		for _, s := range ctl.Snapshot().Stages {
			waiting += s.Buffered
		}
		require.Equal(t, 15, waiting)
		close(release)
		close(ch)
		require.NoError(t, ctl.Drain(t.Context()))
		require.EqualValues(t, 15, stage(t, ctl, "slow").In)
		require.Zero(t, ctl.Snapshot().Dropped)
	})
}

func TestSourceWithContext(t *testing.T) {
	type request struct {
		id   string
		size int
	}
	requests := []request{{"a", 1}, {"b", 2}, {"c", 3}, {"d", 4}}
	src := stream.WithContext(stream.FromSlice(requests), func(r request) string { return r.id })
	sizes := stream.MapWithContext(src, func(r request) int { return r.size }).Named("sizes")
	var tapped seen[int]
	even := sizes.Filter(even).Tap(tapped.add).Async()
	double := stream.NewFlowWithContext(func(s stream.SourceWithContext[int, string]) stream.SourceWithContext[string, string] {
		tried := stream.TryMapWithContext(s, func(_ context.Context, v int) (int, error) { return 2 * v, nil })
		return stream.MapAsyncWithContext(tried, 4, func(_ context.Context, v int) (string, error) { return strconv.Itoa(v), nil })
	})
	want := []stream.Pair[string, string]{{Value: "4", Context: "b"}, {Value: "8", Context: "d"}}
	require.Equal(t, want, collect(t, stream.ViaWithContext(even, double).Pairs()))
	require.Equal(t, []int{2, 4}, tapped.all())

	pairs := stream.FlowOfPairs(stream.NewFlow(func(s stream.Source[stream.Pair[int, string]]) stream.Source[stream.Pair[int, string]] {
		return s.Take(1)
	}))
	var got seen[stream.Pair[int, string]]
	require.NoError(t, stream.ViaWithContext(stream.FromPairs(even.Pairs()), pairs).To(got.sink()).Run(t.Context()))
	require.Equal(t, []stream.Pair[int, string]{{Value: 2, Context: "b"}}, got.all())
}
