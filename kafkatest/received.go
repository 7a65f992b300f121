package kafkatest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/serde"
)

// Received is a record that was read from a topic.
type Received[K, V any] struct {
	Topic     string
	Partition int32
	Offset    int64
	// Key is unset for a null key.
	Key envelope.Optional[K]
	// Value is V's zero value for a tombstone.
	Value V
	// Tombstone is whether the value is null.
	Tombstone bool
	Headers   []envelope.Header
	Timestamp time.Time
}

func deserialize[K, V any](rec *kgo.Record, key serde.Deserializer[K], value serde.Deserializer[V]) (Received[K, V], error) {
	r := Received[K, V]{
		Topic: rec.Topic, Partition: rec.Partition, Offset: rec.Offset,
		Tombstone: rec.Value == nil, Headers: rec.Headers, Timestamp: rec.Timestamp,
	}
	if rec.Key != nil {
		k, err := key.Deserialize(rec.Topic, rec.Key)
		if err != nil {
			return r, fmt.Errorf("the key: %w", err)
		}
		r.Key = envelope.Some(k)
	}
	if rec.Value != nil {
		v, err := value.Deserialize(rec.Topic, rec.Value)
		if err != nil {
			return r, fmt.Errorf("the value: %w", err)
		}
		r.Value = v
	}
	return r, nil
}

// byPosition sorts by topic, partition and offset.
func byPosition(recs []*kgo.Record) {
	slices.SortFunc(recs, func(a, b *kgo.Record) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
}

// listed is how many records a failure lists, and shown how many bytes of each.
const (
	listed = 20
	shown  = 80
)

// list shows records for a failure.
func list(recs []*kgo.Record) string {
	if len(recs) == 0 {
		return "\n\tnothing"
	}
	var b strings.Builder
	for i, rec := range recs {
		if i == listed {
			fmt.Fprintf(&b, "\n\t… and %d more", len(recs)-listed)
			break
		}
		fmt.Fprintf(&b, "\n\t%s[%d]@%d key %s value %s", rec.Topic, rec.Partition, rec.Offset, show(rec.Key), show(rec.Value))
	}
	return b.String()
}

func show(data []byte) string {
	switch {
	case data == nil:
		return "null"
	case len(data) > shown:
		return fmt.Sprintf("%q… (%d bytes)", data[:shown], len(data))
	default:
		return fmt.Sprintf("%q", data)
	}
}
