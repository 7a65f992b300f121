package main

import (
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
)

// producerSettings are clientOptions in the library's own words.
func (t *trial) producerSettings() settings.Producer[[]byte, []byte] {
	return settings.NewProducer(serde.Bytes(), serde.Bytes(),
		settings.Bootstrap(t.addrs...),
		settings.Linger(t.load.linger),
		settings.BatchBytes(t.load.batchBytes),
		settings.Compression(t.load.compression),
		settings.Window(t.load.window, windowBytes),
	)
}

// windowBytes is the library's default. No case here comes near it, so it needs
// no counterpart on the other side.
const windowBytes = 256 << 20

type record = envelope.Record[[]byte, []byte]

// records returns the payloads as the library's records.
func (t *trial) records() []record {
	recs := make([]record, payloads)
	for i, p := range makePayloads(t.load) {
		recs[i] = record{Topic: t.topic, Value: p.value}
		if p.key != nil {
			recs[i].Key = envelope.Some(p.key)
		}
	}
	return recs
}
