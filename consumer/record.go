package consumer

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/envelope"
)

// Record is a record that was read: its typed key and value, and where it comes from.
//
// It points at what the client has fetched; nothing is copied. Whoever keeps one for long keeps the
// broker's response alive with it: take a copy of what is needed. It is read-only.
//
// One that was made by hand, in a test of what handles records, has the key and the value that it
// was given, and nothing else: no topic, partition and offset 0, no headers, no raw bytes. See
// [NewRecord], and kafkatest.NewMessage.
type Record[K, V any] struct {
	// Key is the zero value where the record has none; see HasKey.
	Key K
	// Value is the zero value of a tombstone; see Tombstone.
	Value V

	kgo     *kgo.Record
	failure *failure
}

// failure is why a record is not as it should be.
type failure struct {
	part        string
	err         error
	undecodable bool
	control     bool // a transaction's marker, which is no record
}

// control is the failure of all markers.
var control = &failure{control: true}

// leaveOut marks it as a transaction's marker.
func (r *Record[K, V]) leaveOut() { r.failure = control }

// fail marks the record.
func (r *Record[K, V]) fail(f *failure) {
	f.err = &DecodeError{Topic: r.kgo.Topic, Partition: r.kgo.Partition, Offset: r.kgo.Offset, Part: f.part, Err: f.err}
	r.failure = f
}

// Topic is where the record was read.
func (r *Record[K, V]) Topic() string {
	if r.kgo == nil {
		return ""
	}
	return r.kgo.Topic
}

// Partition is the one of the topic.
func (r *Record[K, V]) Partition() int32 {
	if r.kgo == nil {
		return 0
	}
	return r.kgo.Partition
}

// Offset is the record's place in its partition.
func (r *Record[K, V]) Offset() int64 {
	if r.kgo == nil {
		return 0
	}
	return r.kgo.Offset
}

// LeaderEpoch is that of the leader that took the record, -1 where unknown.
func (r *Record[K, V]) LeaderEpoch() int32 {
	if r.kgo == nil {
		return -1
	}
	return r.kgo.LeaderEpoch
}

// Timestamp is the time of creation, or of appending where the topic says so, to a millisecond.
func (r *Record[K, V]) Timestamp() time.Time {
	if r.kgo == nil {
		return time.Time{}
	}
	return r.kgo.Timestamp
}

// Headers are the record's, in its order, several of one name kept. They are read-only.
func (r *Record[K, V]) Headers() []envelope.Header {
	if r.kgo == nil {
		return nil
	}
	return r.kgo.Headers
}

// HasKey reports whether the record has a key; an empty one is a key.
func (r *Record[K, V]) HasKey() bool { return r.kgo == nil || r.kgo.Key != nil }

// Tombstone reports whether the record has no value, which deletes its key in a compacted topic.
func (r *Record[K, V]) Tombstone() bool { return r.kgo != nil && r.kgo.Value == nil }

// RawKey is the key as it was read, nil where there is none.
func (r *Record[K, V]) RawKey() []byte {
	if r.kgo == nil {
		return nil
	}
	return r.kgo.Key
}

// RawValue is the value as it was read, nil for a tombstone.
func (r *Record[K, V]) RawValue() []byte {
	if r.kgo == nil {
		return nil
	}
	return r.kgo.Value
}

// Err is why the record could not be decoded, a [*DecodeError], where the settings say that such
// records are delivered (settings.DeliverUndecodable). Then Key and Value are what could be
// decoded, and the raw bytes are there. Else it is nil.
func (r *Record[K, V]) Err() error {
	if r.failure == nil || !r.failure.undecodable {
		return nil
	}
	return r.failure.err
}

// Kgo is the client's record, nil where the record was made by hand. It must not be produced as it
// is: the client writes to the fields of what it produces.
func (r *Record[K, V]) Kgo() *kgo.Record { return r.kgo }

// CommittableMessage is a record with its offset, to be committed when the work on it is done. The
// number is m.Record.Offset().
type CommittableMessage[K, V any] struct {
	Record[K, V]

	// Offset is what travels on to a Committer or a committable sink, or what user code that was
	// handed the message calls Commit on.
	Offset envelope.Committable

	at place[K, V]
}
