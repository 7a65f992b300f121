package proof_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/stream"
	"github.com/vicuna-go/vicuna/stream/streamtest"
)

// The first use has its package. Here it stands behind a source with tokens, in memory, of which
// both partitions are finished, through the sink and through the flow.
func produce(t *testing.T, k *kafkatest.Broker) {
	w := &world{t: t, k: k}
	const n = 2000
	src := streamtest.NewTracked[int](2)
	for i := range n {
		src.Append(int32(i%2), i)
	}
	src.End()
	record := func(i int) *envelope.Record[string, string] {
		return envelope.New(out, strconv.Itoa(i), strconv.Itoa(i))
	}
	even := func(i int) bool { return i/2%2 == 0 }
	toFlow := stream.NewFlow(func(s stream.Source[int]) stream.Source[envelope.Results[string, string, int]] {
		return stream.Via(stream.Map(s, func(i int) envelope.Envelope[string, string, int] {
			return envelope.Single(*record(i), i)
		}), producer.FlexiFlow[int](w.settings()))
	})
	var passed []int
	flow := toFlow.To(stream.ForEach(func(_ context.Context, r envelope.Results[string, string, int]) error {
		passed = append(passed, r.Pass())
		return r.Failed()
	}))
	rest := stream.Map(src.Values().Divert(even, flow), record)
	require.NoError(t, rest.To(producer.PlainSink(w.settings())).Run(t.Context()))

	counts := w.written()
	require.Len(t, counts, n)
	for value, times := range counts {
		require.Equal(t, 1, times, value)
	}
	require.Len(t, passed, n/2)
	require.EqualValues(t, n/2, src.Committed(0))
	require.EqualValues(t, n/2, src.Committed(1))
}
