package main

import (
	"context"

	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/stream"
)

// oursPlainSink is P1 and P2: the records exist, as they do in the loop's case,
// and the library makes the client's records from them.
func oursPlainSink(n int) *side {
	return &side{name: "PlainSink", n: n, run: func(ctx context.Context, t *trial) error {
		recs := t.records()
		in := make([]*record, t.n)
		for i := range in {
			in[i] = &recs[i%payloads]
		}
		return t.measure(func() error {
			return stream.FromSlice(in).To(producer.PlainSink(t.producerSettings())).Run(ctx)
		})
	}}
}
