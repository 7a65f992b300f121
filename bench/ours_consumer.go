package main

import (
	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

type message = consumer.CommittableMessage[[]byte, []byte]

// consumerSettings are readerOptions in the library's own words. How much a fetch
// brings follows from the budget: by default it is fetchBytes, or less where what
// it brings unpacks to more than the budget has room for.
func (t *trial) consumerSettings(more ...settings.ConsumerOption) settings.Consumer[[]byte, []byte] {
	return settings.NewConsumer(serde.Bytes(), serde.Bytes(), append([]settings.ConsumerOption{
		settings.Bootstrap(t.addrs...),
		settings.FetchMaxWait(fetchWait),
	}, more...)...)
}

// member reads the source to its present end as a member of the trial's group, or
// where that has none n records.
func (t *trial) member(more ...settings.ConsumerOption) stream.Source[*message] {
	return t.memberWith(nil, more...)
}

func (t *trial) memberWith(opts []consumer.Option, more ...settings.ConsumerOption) stream.Source[*message] {
	cs := t.consumerSettings(append(more, settings.Group(t.group))...)
	if t.ends == nil {
		return consumer.New(cs, consumer.Topics(t.source), opts...).CommittableSource().Take(t.n)
	}
	return consumer.New(cs, consumer.Topics(t.source), append(opts, consumer.ToEnd())...).CommittableSource()
}

// copied is the record to produce for one that was read. Nothing but the topic
// changes, as on the other side.
func (t *trial) copied(m *message) record {
	rec := record{Topic: t.topic, Value: m.Value}
	if m.HasKey() {
		rec.Key = envelope.Some(m.Key)
	}
	return rec
}
