package main

import (
	"strconv"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

type (
	orders  = consumer.Consumer[string, []byte]
	order   = consumer.CommittableMessage[string, []byte]
	record  = envelope.Record[string, []byte]
	outcome = envelope.Envelope[string, []byte, envelope.Committable]
)

// fill is the first stream: the lines become the orders.
func fill(lines stream.Source[*line], ps settings.Producer[string, []byte], topic string, client *producer.Client) stream.Graph {
	return stream.Map(lines, func(l *line) *record { return toOrder(l, topic) }).
		To(producer.PlainSink(ps, producer.On(client)))
}

// invoice is the second one: each order becomes an invoice, and its offset is committed when the
// invoice, and all before it, are acknowledged.
func invoice(from *orders, ps settings.Producer[string, []byte], topic string) stream.Graph {
	return stream.Map(from.CommittableSource(), func(o *order) outcome { return toInvoice(o, topic) }).
		To(producer.CommittableSink(ps, settings.NewCommitter()))
}

// headerLine is where a record says which line it comes from.
const headerLine = "line"

func toOrder(l *line, topic string) *record {
	rec := &record{Topic: topic, Value: l.value, Headers: []envelope.Header{{Key: headerLine, Value: strconv.AppendUint(nil, l.number, 10)}}}
	if l.keyed {
		rec.Key = envelope.Some(l.key)
	}
	return rec
}

// toInvoice makes what goes out for an order. A cancelled one writes nothing, and passes its offset
// on all the same, in its turn.
func toInvoice(o *order, topic string) outcome {
	value, due := bill(o.Value)
	if !due {
		return envelope.PassThrough[string, []byte](o.Offset)
	}
	rec := record{Topic: topic, Value: value, Headers: o.Headers()}
	if o.HasKey() {
		rec.Key = envelope.Some(o.Key)
	}
	return envelope.Single(rec, o.Offset)
}
