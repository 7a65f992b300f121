package docs_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/stream"
	"github.com/vicuna-go/vicuna/stream/streamtest"
)

// snippet: streamtest-flow

// enrich looks the even numbers up, four at a time.
func enrich(lookUp func(context.Context, int) (string, error)) stream.Flow[int, string] {
	return stream.NewFlow(func(ids stream.Source[int]) stream.Source[string] {
		return stream.MapAsync(ids.Filter(func(id int) bool { return id%2 == 0 }), 4, lookUp)
	})
}

func TestEnrichKeepsTheContract(t *testing.T) {
	streamtest.TestFlow(t, streamtest.FlowCase[int, string]{
		// The suite blocks, fails, panics and looks through call: the user function begins with it.
		New: func(_ *testing.T, call func(context.Context, int) error) stream.Flow[int, string] {
			return enrich(func(ctx context.Context, id int) (string, error) { return strconv.Itoa(id), call(ctx, id) })
		},
		Input: func(i int) int { return 2 * i },
		Output: func(in []int) (out []string) {
			for _, id := range in {
				out = append(out, strconv.Itoa(id))
			}
			return out
		},
	}, streamtest.Ordered(), streamtest.Concurrent(), streamtest.Fails(), streamtest.Panics(), streamtest.Parallel(4))
}

// end

// snippet: streamtest-probes
func TestEnrichStepByStep(t *testing.T) {
	src, sink := streamtest.NewSourceProbe[int](t), streamtest.NewSinkProbe[string](t)
	look := func(_ context.Context, id int) (string, error) { return strconv.Itoa(id), nil }
	ctl, err := stream.Via(src.Source(), enrich(look)).To(sink.Sink()).Start(t.Context())
	require.NoError(t, err)

	src.Send(1, 2) // waits until they are handled
	sink.Expect("2")
	sink.ExpectNone()
	src.Send(4)
	src.Complete()
	sink.Expect("4")
	sink.ExpectComplete()
	<-ctl.Done()
	require.NoError(t, ctl.Err())
}

// end

// snippet: streamtest-tracked
func TestEnrichLosesNoOffset(t *testing.T) {
	// Two partitions in memory, with offsets that are committed when it is safe.
	src := streamtest.NewTracked[int](2)
	src.Append(0, 1, 2, 3, 4)
	src.Append(1, 5, 6)
	src.End()

	fails := true
	look := func(_ context.Context, id int) (string, error) {
		if id == 4 && fails {
			return "", errors.New("no such thing")
		}
		return strconv.Itoa(id), nil
	}
	var got []string
	collect := stream.ForEach(func(_ context.Context, s string) error {
		got = append(got, s)
		return nil
	})
	g := stream.Via(src.Values(), enrich(look)).To(collect)

	require.Error(t, g.Run(t.Context()))
	require.LessOrEqual(t, src.Committed(0), int64(3), "4 stands at offset 3 and was not finished")

	fails = false
	require.NoError(t, g.Run(t.Context())) // goes on from what was committed
	require.EqualValues(t, 4, src.Committed(0))
	require.EqualValues(t, 2, src.Committed(1), "filtered elements are finished too")
	require.Subset(t, got, []string{"2", "4", "6"})
}

func TestBatchAtARevoke(t *testing.T) {
	src := streamtest.NewTracked[int](2)
	src.Append(0, 2)
	src.Append(1, 4)
	sink := streamtest.NewSinkProbe[[]int](t)
	reached := make(chan int, 2)
	// A batch of a thousand, or of an hour: a revoke does not wait for either. What the batch holds
	// of the partition has met no stage with effects, and is given back.
	ctl, err := stream.Batch(src.Values().Tap(func(v int) { reached <- v }), 1000, time.Hour).To(sink.Sink()).Start(t.Context())
	require.NoError(t, err)
	<-reached
	<-reached

	revoked := make(chan []streamtest.Revoked)
	go func() { revoked <- src.Revoke(time.Minute, 0) }()
	require.Equal(t, []streamtest.Revoked{{Partition: 0, Dropped: 0}}, <-revoked)
	require.EqualValues(t, 0, src.Committed(0))

	ctl.Stop()
	<-ctl.Done()
}

// end
