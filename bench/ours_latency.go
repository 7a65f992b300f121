package main

import (
	"context"

	"github.com/vicuna-go/vicuna/envelope"
)

// oursLatency is P11.
func oursLatency(n int) *side {
	return &side{name: "CommittableSink", n: n, run: latencyOf(func(ctx context.Context, t *trial) error {
		var got tally
		return t.copying(t.member(), t.producerSettings(), &got, envelope.Single).Run(ctx)
	})}
}
