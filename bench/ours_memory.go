package main

import (
	"context"
	"time"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// oursMemory is P12. The records' limit is the default, which no case reaches.
func oursMemory(n int, slow time.Duration) *side {
	return &side{name: "CommittableSource", n: n, run: func(ctx context.Context, t *trial) error {
		return withHeap(t, slow, func(sink *slowSink) error {
			offsets := stream.Map(t.member(settings.Budget(memoryBudget, 1_000_000)), func(m *message) envelope.Committable {
				sink.take(m.Value, m.Record.Offset())
				return m.Offset
			})
			return offsets.To(consumer.CommitterSink(settings.NewCommitter())).Run(ctx)
		})
	}}
}
