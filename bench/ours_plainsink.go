package main

import (
	"context"

	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/stream"
)

// oursPlainSink is P1 and P2. The library's records are there, as the payloads are
// in the loop's case; what is made from them are the client's.
func oursPlainSink(n int) *side {
	return &side{name: "PlainSink", n: n, run: func(ctx context.Context, t *trial) error {
		recs := t.records()
		return t.measure(func() error {
			records := stream.Map(stream.FromSlice(t.input), func(i int64) *record { return &recs[i%payloads] })
			return records.To(producer.PlainSink(t.producerSettings())).Run(ctx)
		})
	}}
}
