package kafkatest

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
)

// NewMessage returns what a consumer's committable source gives for a record that was read at this
// offset, for tests of the functions and stages after the source, and the offset that it carries,
// which counts its commits.
//
//	m, offset := kafkatest.NewMessage(*envelope.New("orders", "nr-1", Order{Total: 3}), 7)
//	require.NoError(t, handle(ctx, m))
//	require.Equal(t, 1, offset.Commits())
//
// Topic, headers and timestamp are the record's, partition 0 and the present where unset; a
// [envelope.Keyless] record has no key, and one of [envelope.NewTombstone] no value. The raw bytes
// are empty, as nothing was serialised, and nil where there is no key or value.
//
// Each call makes a message and an offset of its own. A graph of them has no consumer behind it: a
// committing stage calls Commit, once for each element that it finishes.
func NewMessage[K, V any](rec envelope.Record[K, V], offset int64) (*consumer.CommittableMessage[K, V], *FakeCommittable) {
	partition, _ := rec.Partition.Get()
	raw := &kgo.Record{
		Topic: rec.Topic, Partition: partition, Offset: offset, LeaderEpoch: -1, Headers: rec.Headers, Timestamp: rec.Timestamp,
	}
	if raw.Timestamp.IsZero() {
		raw.Timestamp = time.Now()
	}
	raw.Timestamp = raw.Timestamp.Truncate(time.Millisecond)
	key, hasKey := rec.Key.Get()
	if hasKey {
		raw.Key = []byte{}
	}
	value := rec.Value
	if rec.Tombstone {
		var none V
		value = none
	} else {
		raw.Value = []byte{}
	}
	commits := &FakeCommittable{}
	return &consumer.CommittableMessage[K, V]{Record: *consumer.NewRecord(raw, key, value), Offset: commits}, commits
}
