package kafkatest

import (
	"errors"
	"time"

	"github.com/vicuna-go/vicuna/envelope"
)

// NewResult returns what a producer flow gives for a record that was written at
// this offset, for tests of the stages behind the flow. Partition and timestamp in
// its metadata are the record's, partition 0 and the present where unset; the sizes
// are -1, as nothing was serialised.
func NewResult[K, V, P any](rec envelope.Record[K, V], offset int64, p P) *envelope.Result[K, V, P] {
	return &envelope.Result[K, V, P]{
		Record: &rec, Metadata: metadata(&rec, offset), PassThrough: p,
	}
}

// NewFailedResult returns what a producer flow that skips failures gives for a
// record that was not written.
func NewFailedResult[K, V, P any](rec envelope.Record[K, V], err error, p P) *envelope.Result[K, V, P] {
	return &envelope.Result[K, V, P]{Record: &rec, PassThrough: p, Err: err}
}

// NewMultiResult returns what a producer flow gives for an envelope of several
// records, of these parts. Its error joins theirs.
func NewMultiResult[K, V, P any](parts []envelope.Part[K, V], p P) *envelope.MultiResult[K, V, P] {
	errs := make([]error, len(parts))
	for i, part := range parts {
		errs[i] = part.Err
	}
	return &envelope.MultiResult[K, V, P]{Parts: parts, PassThrough: p, Err: errors.Join(errs...)}
}

// NewPart returns the part of a record that was written at this offset, with
// metadata as in [NewResult].
func NewPart[K, V any](rec *envelope.Record[K, V], offset int64) envelope.Part[K, V] {
	return envelope.Part[K, V]{Record: rec, Metadata: metadata(rec, offset)}
}

// NewFailedPart returns the part of a record that was not written.
func NewFailedPart[K, V any](rec *envelope.Record[K, V], err error) envelope.Part[K, V] {
	return envelope.Part[K, V]{Record: rec, Err: err}
}

// NewPassThroughResult returns what a producer flow gives for an envelope without
// a record. The record's types are named, the pass-through's is inferred.
func NewPassThroughResult[K, V, P any](p P) *envelope.PassThroughResult[K, V, P] {
	return &envelope.PassThroughResult[K, V, P]{PassThrough: p}
}

func metadata[K, V any](rec *envelope.Record[K, V], offset int64) envelope.Metadata {
	partition, _ := rec.Partition.Get()
	timestamp := rec.Timestamp
	if timestamp.IsZero() {
		timestamp = time.Now().Truncate(time.Millisecond)
	}
	return envelope.Metadata{
		Topic: rec.Topic, Partition: partition, Offset: offset, Timestamp: timestamp,
		KeySize: -1, ValueSize: -1,
	}
}
