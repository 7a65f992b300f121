package envelope

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Header is one header of a record: a key, and a value that may be null (nil).
// It is the client's own type, so that headers pass through without a copy.
type Header = kgo.RecordHeader

// None is the pass-through of envelopes that carry nothing.
type None = struct{}

// Record is a record to be produced, with its key and value still typed. It is
// plain data: fill it in as a literal, or use [New], [Keyless] and
// [NewTombstone].
//
// A record that was handed to a producer stage must not be changed before its
// result has come back: serializers may lend the bytes of its key and value to
// the client instead of copying them.
type Record[K, V any] struct {
	// Topic is where the record goes. Required.
	Topic string
	// Partition is the explicit partition. Unset: the partitioner chooses,
	// by the key where there is one.
	Partition Partition
	// Key is the record's key. Unset: a null key.
	Key Optional[K]
	// Value is the record's value. Not looked at where Tombstone is set.
	Value V
	// Tombstone makes the value null on the wire, which deletes the key's
	// earlier records from a compacted topic. The value's serializer is not
	// called.
	Tombstone bool
	// Headers are sent in this order; a key may stand in it more than once.
	Headers []Header
	// Timestamp has millisecond precision on the wire. Zero: the time at
	// which the record is handed to the client.
	Timestamp time.Time
}

// New returns a record with a key and a value.
//
// Where a Record is asked for and not a pointer, as in [Single], *New(…) gives
// it without an allocation.
func New[K, V any](topic string, key K, value V) *Record[K, V] {
	return &Record[K, V]{Topic: topic, Key: Some(key), Value: value}
}

// Keyless returns a record with a null key. The key's type is named, the
// value's is inferred: Keyless[string]("audit", event).
func Keyless[K, V any](topic string, value V) *Record[K, V] {
	return &Record[K, V]{Topic: topic, Value: value}
}

// NewTombstone returns a record with a key and a null value. The value's type
// is named, the key's is inferred: NewTombstone[Invoice]("invoices", "nr-7").
func NewTombstone[V, K any](topic string, key K) *Record[K, V] {
	return &Record[K, V]{Topic: topic, Key: Some(key), Tombstone: true}
}
