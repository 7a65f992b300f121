package main

import (
	"context"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/stream"
)

// oursFlexiFlow is P3: envelopes from a slab, results checked for their order.
func oursFlexiFlow(n int) *side {
	return &side{name: "FlexiFlow", n: n, run: func(ctx context.Context, t *trial) error {
		recs := t.records()
		var slab envelope.Slab[[]byte, []byte, int64]
		var check inOrder
		err := t.measure(func() error {
			envelopes := stream.Map(stream.FromSlice(t.input), func(i int64) envelope.Envelope[[]byte, []byte, int64] {
				return slab.Single(recs[i%payloads], i)
			})
			results := stream.Via(envelopes, producer.FlexiFlow[int64](t.producerSettings()))
			take := stream.ForEach(func(_ context.Context, res envelope.Results[[]byte, []byte, int64]) error {
				r := res.(*envelope.Result[[]byte, []byte, int64])
				return check.take(r.Pass(), r.Metadata.Offset, r.Err)
			})
			return results.To(take).Run(ctx)
		})
		if err != nil {
			return err
		}
		return check.complete(t.n)
	}}
}
