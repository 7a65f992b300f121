package integration

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// perCodec is the number of records that each way of producing writes with each codec: 100,000 with
// all five.
const perCodec = 20_000

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

type (
	record  = envelope.Record[string, string]
	results = envelope.Results[string, string, int]
)

// producing makes the settings of a producer on the broker.
func producing(t testing.TB, opts ...settings.ProducerOption) settings.Producer[string, string] {
	t.Helper()
	ps := settings.NewProducer(serde.String(), serde.String(), append([]settings.ProducerOption{settings.Bootstrap(kafka.Addrs...)}, opts...)...)
	require.NoError(t, ps.Err())
	return ps
}

// ways are the ways of producing. Each writes all records and returns where they are, or nil where
// it is not told.
var ways = map[string]func(t *testing.T, ps settings.Producer[string, string], recs []*record) []envelope.Metadata{
	"PlainSink": func(t *testing.T, ps settings.Producer[string, string], recs []*record) []envelope.Metadata {
		require.NoError(t, stream.FromSlice(recs).To(producer.PlainSink(ps)).Run(t.Context()))
		return nil
	},
	"FlexiFlow": throughFlexiFlow,
	"Element":   throughElement,
}

// throughFlexiFlow sends envelopes of one, two and no records.
func throughFlexiFlow(t *testing.T, ps settings.Producer[string, string], recs []*record) []envelope.Metadata {
	var envs []envelope.Envelope[string, string, int]
	for i := 0; i < len(recs); {
		switch {
		case i%10 == 0 && i+1 < len(recs):
			envs = append(envs, envelope.PassThrough[string, string](i), envelope.Multi([]record{*recs[i], *recs[i+1]}, i))
			i += 2
		default:
			envs = append(envs, envelope.Single(*recs[i], i))
			i++
		}
	}
	where := make([]envelope.Metadata, len(recs))
	last, count := -1, 0
	require.NoError(t, stream.Via(stream.FromSlice(envs), producer.FlexiFlow[int](ps)).To(stream.ForEach(func(_ context.Context, r results) error {
		if r.Pass() < last {
			return fmt.Errorf("the result of record %d comes after that of %d", r.Pass(), last)
		}
		last = r.Pass()
		count++
		note(where, r)
		return r.Failed()
	})).Run(t.Context()))
	require.Len(t, envs, count, "one result for each envelope")
	return where
}

// note writes down where the records of a result are.
func note(where []envelope.Metadata, r results) {
	switch r := r.(type) {
	case *envelope.Result[string, string, int]:
		where[r.Pass()] = r.Metadata
	case *envelope.MultiResult[string, string, int]:
		for i, part := range r.Parts {
			where[r.PassThrough+i] = part.Metadata
		}
	}
}

// throughElement sends with callbacks, the last hundred with Send.
func throughElement(t *testing.T, ps settings.Producer[string, string], recs []*record) []envelope.Metadata {
	e, err := producer.NewElement(ps)
	require.NoError(t, err)
	where := make([]envelope.Metadata, len(recs))
	var failed atomic.Pointer[error]
	alone := max(0, len(recs)-100)
	for i, rec := range recs[:alone] {
		require.NoError(t, e.SendAsync(t.Context(), rec, func(m envelope.Metadata, err error) {
			if err != nil {
				failed.Store(&err)
			}
			where[i] = m
		}))
	}
	for i, rec := range recs[alone:] {
		m, err := e.Send(t.Context(), rec)
		require.NoError(t, err)
		where[alone+i] = m
	}
	require.NoError(t, e.Close(t.Context()))
	require.Nil(t, failed.Load())
	require.EqualValues(t, len(recs), e.Metrics().Acknowledged)
	return where
}

// Whatever is written, in whatever way and with whatever codec, is there once, whole, and where the
// result says.
func TestProducerDeliversEverything(t *testing.T) {
	for way, produce := range ways {
		for name, codec := range codecs {
			t.Run(way+" "+name, func(t *testing.T) {
				topic := kafka.CreateTopic(t, 6)
				recs := mixed(topic, perCodec)
				where := produce(t, producing(t, settings.Compression(codec)), recs)
				log := readAll(t, topic)
				checkLog(t, recs, log)
				checkWhere(t, where, log)
			})
		}
	}
}

// The distribution's own consumer reads the same.
func TestProducerForTheConsoleConsumer(t *testing.T) {
	for name, codec := range codecs {
		t.Run(name, func(t *testing.T) {
			topic := kafka.CreateTopic(t, 3)
			recs := mixed(topic, 500)
			where := throughFlexiFlow(t, producing(t, settings.Compression(codec)), recs)
			var log []*kgo.Record
			for _, l := range kafka.ConsoleConsume(t, topic, len(recs)) {
				log = append(log, &kgo.Record{
					Topic: topic, Partition: l.Partition, Offset: l.Offset, Timestamp: l.Timestamp, Headers: l.Headers, Key: l.Key, Value: l.Value,
				})
			}
			checkLog(t, recs, log)
			checkWhere(t, where, log)
		})
	}
}
