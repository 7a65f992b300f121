package producer

import (
	"errors"
	"fmt"
	"runtime/debug"
	"unsafe"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// Errors of records that cannot be produced.
var (
	// ErrNilRecord says that a nil record, or envelope, came along the stream.
	ErrNilRecord = errors.New("vicuna: the record is nil")
	// ErrNoTopic says that a record names no topic.
	ErrNoTopic = errors.New("vicuna: the record names no topic")
	// ErrNotSent says that a record of a MultiMessage was not sent because another one cannot be.
	ErrNotSent = errors.New("vicuna: not sent: another record of its envelope cannot be")
	// ErrPartitionIgnored says that a record names a partition and the shared client's partitioner
	// would ignore it; see [Wrap].
	ErrPartitionIgnored = errors.New("vicuna: the record names a partition, and the client's partitioner ignores that: give the client settings.PartitionerOpt")
)

// handedNil is an [ErrNilRecord] that a stage was handed: the mistake is the stage's before it.
type handedNil string

const (
	nilRecord   handedNil = "record"
	nilEnvelope handedNil = "envelope"
)

func (e handedNil) Error() string {
	return "the stage before this one handed on a nil " + string(e) + ": its function is to return " + map[handedNil]string{
		nilRecord: "a record (envelope.New)", nilEnvelope: "an envelope (envelope.Single, Multi, or PassThrough where nothing is to be sent)",
	}[e] + ", or an error"
}

func (e handedNil) Unwrap() error { return ErrNilRecord }

// encoder makes a client's record from a typed one. Not for concurrent use.
//
// Serialised bytes are appended to an arena, so that a record costs no allocation of its own; an
// arena stays alive while one of its records is in flight. What a serde can lend is not copied.
type encoder[K, V any] struct {
	keys       serde.Serializer[K]
	values     serde.Serializer[V]
	lendKey    serde.Lender[K]
	lendValue  serde.Lender[V]
	client     *Client
	partitions bool  // the client heeds a partition that a record names
	lane       *lane // of the last record's topic
	arena      []byte
}

var errNegative = errors.New("partitions are numbered from 0")

const arenaSize = 64 << 10

func newEncoder[K, V any](ps settings.Producer[K, V], c *Client) *encoder[K, V] {
	e := &encoder[K, V]{keys: ps.KeySerde(), values: ps.ValueSerde(), client: c, partitions: c.is.ExplicitPartitions}
	e.lendKey, _ = e.keys.(serde.Lender[K])
	e.lendValue, _ = e.values.(serde.Lender[V])
	return e
}

// encode fills the entry's record and its size. Timestamps that are not set are left to the caller.
func (e *encoder[K, V]) encode(rec *envelope.Record[K, V], to *entry) (err error) {
	if rec == nil {
		return ErrNilRecord
	}
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("topic %q: %w", rec.Topic, &stream.PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	r := &to.rec
	if r.Topic = rec.Topic; r.Topic == "" {
		return ErrNoTopic
	}
	if e.lane == nil || e.lane.topic != rec.Topic {
		e.lane = e.client.laneOf(rec.Topic)
	}
	to.lane = e.lane
	to.named = -1
	if p, ok := rec.Partition.Get(); ok {
		if !e.partitions {
			return fmt.Errorf("vicuna: topic %q, partition %d: %w", rec.Topic, p, ErrPartitionIgnored)
		}
		if p < 0 { // the client would take it for none
			return &RecordError{Topic: rec.Topic, Partition: p, Err: &PartitionError{Topic: rec.Topic, Partition: p, Err: errNegative}}
		}
		to.named = p
	}
	r.Partition = to.named
	r.Headers = rec.Headers
	r.Timestamp = rec.Timestamp
	r.Key, r.Value = nil, nil
	if k, ok := rec.Key.Get(); ok {
		if r.Key, err = serialize(&e.arena, e.keys, e.lendKey, rec.Topic, k); err != nil {
			return fmt.Errorf("vicuna: topic %q, key: %w", rec.Topic, err)
		}
	}
	if !rec.Tombstone {
		if r.Value, err = serialize(&e.arena, e.values, e.lendValue, rec.Topic, rec.Value); err != nil {
			return fmt.Errorf("vicuna: topic %q, value: %w", rec.Topic, err)
		}
	}
	size := len(r.Key) + len(r.Value)
	for i := range r.Headers {
		size += len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	to.bytes = int64(size)
	return nil
}

// encodeAll makes entries for the records of one envelope and adds up their sizes. Where one cannot
// be made, bad is its index; the others' entries are not used again.
func (e *encoder[K, V]) encodeAll(recs []envelope.Record[K, V], from *slabs, to []*entry) (entries []*entry, bytes int64, bad int, err error) {
	entries = to
	for i := range recs {
		n := from.next()
		if err = e.encode(&recs[i], n); err != nil {
			return entries, 0, i, err
		}
		bytes += n.bytes
		entries = append(entries, n)
	}
	return entries, bytes, 0, nil
}

func serialize[T any](arena *[]byte, s serde.Serializer[T], lend serde.Lender[T], topic string, v T) ([]byte, error) {
	if lend != nil {
		if b, ok := lend.Borrow(v); ok {
			return b, nil
		}
	}
	if cap(*arena)-len(*arena) < arenaSize/64 {
		*arena = make([]byte, 0, arenaSize)
	}
	n, room := len(*arena), cap(*arena)
	b, err := s.Append((*arena)[n:n:room], topic, v)
	if err != nil {
		return nil, err
	}
	if b == nil {
		b = (*arena)[n:n:n] // empty is not null
	}
	switch end := endWithin((*arena)[n:room], b); {
	case end >= 0:
		*arena = (*arena)[:n+end]
	case len(b) < arenaSize/4:
		*arena = nil // what is left of it is too little for such values
	}
	return b[:len(b):len(b)], nil
}

// endWithin is where b ends in room, or -1 where it lies elsewhere. A serialiser that appends to
// what it was given may return any part of it, with any capacity: only the address tells.
func endWithin(room, b []byte) int {
	if len(b) == 0 {
		return 0
	}
	base, at := uintptr(unsafe.Pointer(unsafe.SliceData(room))), uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	if at < base || at >= base+uintptr(len(room)) {
		return -1
	}
	return int(at-base) + len(b)
}
