package main

import (
	"context"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// oursCommitted is P5.
func oursCommitted(n int) *side {
	return &side{name: "CommitterSink", n: n, run: func(ctx context.Context, t *trial) error {
		var got tally
		err := t.measure(func() error {
			offsets := stream.Map(t.member(), func(m *message) envelope.Committable {
				got.take(m.Value, m.Record.Offset())
				return m.Offset
			})
			cm := settings.NewCommitter(settings.MaxBatch(commitEach))
			return offsets.To(consumer.CommitterSink(cm)).Run(ctx)
		})
		if err != nil {
			return err
		}
		return got.check(t)
	}}
}
