package main

import (
	"context"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

type committableEnvelope = envelope.Envelope[[]byte, []byte, envelope.Committable]

// oursCopy is P6 with one envelope made for each record.
func oursCopy(n int) *side {
	return copySide("CommittableSink", n, func() func(record, envelope.Committable) committableEnvelope {
		return envelope.Single[[]byte, []byte, envelope.Committable]
	})
}

// oursCopySlab is P6 with envelopes from a slab.
func oursCopySlab(n int) *side {
	return copySide("CommittableSink, envelopes from a slab", n, func() func(record, envelope.Committable) committableEnvelope {
		return new(envelope.Slab[[]byte, []byte, envelope.Committable]).Single
	})
}

// oursCopyRecycled is P6 with envelopes from a slab, and elements that are used again.
func oursCopyRecycled(n int) *side {
	return copySide("CommittableSink, envelopes from a slab, elements recycled", n, func() func(record, envelope.Committable) committableEnvelope {
		return new(envelope.Slab[[]byte, []byte, envelope.Committable]).Single
	}, consumer.Recycle())
}

func copySide(name string, n int, single func() func(record, envelope.Committable) committableEnvelope, opts ...consumer.Option) *side {
	return &side{name: name, n: n, run: func(ctx context.Context, t *trial) error {
		var got tally
		single := single()
		err := t.measure(func() error {
			return t.copying(t.memberWith(opts), t.producerSettings(), &got, single).Run(ctx)
		})
		if err != nil {
			return err
		}
		return got.check(t)
	}}
}

// copying is the graph of P6, P11 and P13.
func (t *trial) copying(
	from stream.Source[*message], ps settings.Producer[[]byte, []byte], got *tally, single func(record, envelope.Committable) committableEnvelope,
) stream.Graph {
	envelopes := stream.Map(from, func(m *message) committableEnvelope {
		got.take(m.Value, m.Record.Offset())
		return single(t.copied(m), m.Offset)
	})
	return envelopes.To(producer.CommittableSink(ps, settings.NewCommitter()))
}
