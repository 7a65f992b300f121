package kafkatest

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/serde"
)

// Produce writes records into the topic with a plain client, and waits until they
// are acknowledged. A record with a key goes to the key's partition, as with any
// Kafka client, one without to any; the Partition field is not looked at but
// filled in, as is the Offset. The topic is created where it is missing.
func Produce(t testing.TB, k *Broker, topic string, recs ...*kgo.Record) {
	t.Helper()
	k.produce(t, topic, recs)
}

// ProduceTo is [Produce] into one partition.
func ProduceTo(t testing.TB, k *Broker, topic string, partition int32, recs ...*kgo.Record) {
	t.Helper()
	for _, rec := range recs {
		rec.Partition = partition
	}
	k.produce(t, topic, recs, kgo.RecordPartitioner(kgo.ManualPartitioner()))
}

// ProduceValues is [Produce] for records that are a value and nothing else.
func ProduceValues(t testing.TB, k *Broker, topic string, values ...string) {
	t.Helper()
	recs := make([]*kgo.Record, len(values))
	for i, v := range values {
		recs[i] = kgo.StringRecord(v)
	}
	k.produce(t, topic, recs)
}

// ProduceAs is [Produce] for typed records, which go where they say: a topic of
// their own counts before the argument, an explicit partition before the key's. It
// returns where each record went.
func ProduceAs[K, V any](t testing.TB, k *Broker, topic string, key serde.Serializer[K], value serde.Serializer[V], recs ...*envelope.Record[K, V]) []envelope.Metadata {
	t.Helper()
	raw := make([]*kgo.Record, len(recs))
	for i, rec := range recs {
		raw[i] = serialize(t, topic, key, value, rec)
	}
	k.produce(t, topic, raw, kgo.RecordPartitioner(explicitOr(kgo.StickyKeyPartitioner(nil))))
	metadata := make([]envelope.Metadata, len(recs))
	for i, rec := range raw {
		metadata[i] = envelope.Metadata{
			Topic: rec.Topic, Partition: rec.Partition, Offset: rec.Offset, Timestamp: rec.Timestamp,
			KeySize: size(rec.Key), ValueSize: size(rec.Value),
		}
	}
	return metadata
}

func serialize[K, V any](t testing.TB, topic string, key serde.Serializer[K], value serde.Serializer[V], rec *envelope.Record[K, V]) *kgo.Record {
	t.Helper()
	raw := &kgo.Record{Topic: topic, Partition: -1, Headers: rec.Headers, Timestamp: rec.Timestamp}
	if rec.Topic != "" {
		raw.Topic = rec.Topic
	}
	if p, ok := rec.Partition.Get(); ok {
		raw.Partition = p
	}
	var err error
	if kv, ok := rec.Key.Get(); ok {
		raw.Key, err = key.Append([]byte{}, raw.Topic, kv)
		require.NoError(t, err, "kafkatest: a key")
	}
	if !rec.Tombstone {
		raw.Value, err = value.Append([]byte{}, raw.Topic, rec.Value)
		require.NoError(t, err, "kafkatest: a value")
	}
	return raw
}

// size is a key's or value's serialised size, -1 for null.
func size(data []byte) int {
	if data == nil {
		return -1
	}
	return len(data)
}

// explicitOr takes a record's partition where it is not negative, and asks
// another partitioner where it is.
func explicitOr(other kgo.Partitioner) kgo.Partitioner {
	return kgo.BasicConsistentPartitioner(func(topic string) func(*kgo.Record, int) int {
		p := other.ForTopic(topic)
		return func(rec *kgo.Record, n int) int {
			if rec.Partition >= 0 {
				return int(rec.Partition)
			}
			return p.Partition(rec, n)
		}
	})
}

func (k *Broker) produce(t testing.TB, topic string, recs []*kgo.Record, opts ...kgo.Opt) {
	t.Helper()
	if len(recs) == 0 {
		return
	}
	ctx, cancel := k.bounded(t)
	defer cancel()
	cl := k.client(t, append([]kgo.Opt{
		kgo.AllowAutoTopicCreation(),
		kgo.ProducerLinger(0),
		kgo.DefaultProduceTopic(topic),
	}, opts...)...)
	defer cl.Close() // also ends what is in flight after a timeout
	outcomes := make(chan error, len(recs))
	for _, rec := range recs {
		cl.Produce(ctx, rec, func(_ *kgo.Record, err error) { outcomes <- err })
	}
	for done := range recs {
		select {
		case err := <-outcomes:
			require.NoError(t, err, "kafkatest: producing to %q", topic)
		case <-ctx.Done():
			t.Fatalf("kafkatest: producing to %q: %d of %d records were acknowledged after %v", topic, done, len(recs), k.cfg.patience)
		}
	}
}
