package kclient

import (
	"errors"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Refusals is told what happens to a partition's records, at the moment at which
// it happens: the client holds the partition's lock meanwhile, so what is told for
// one partition has one order. It must neither wait nor call the client.
//
// franz-go has a hook for the second of the two. The first one it tells its logger
// alone; its promises come later, when further records may already be on their way.
type Refusals interface {
	// Refused says that a broker has refused a batch for its size. After it the
	// client fails all records that it has buffered for the partition, in their order.
	Refused(topic string)
	// Partitioned says that a record was buffered for its partition. Setting its
	// Context to one that has ended makes the client fail it before it is sent, if it
	// is the first of the partition then, together with all that are behind it.
	Partitioned(r *kgo.Record)
}

// TooLargeForBroker returns whether err is a broker's refusal of a batch for its
// size. The client itself refuses a record that is larger than a batch may be,
// which concerns that record alone.
func TooLargeForBroker(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) && strings.Contains(err.Error(), compressedBytes)
}

// RefusedBytes returns the size of the batch that TooLargeForBroker is about, before
// compression; 1 where the error does not say.
func RefusedBytes(err error) int64 {
	_, text, _ := strings.Cut(err.Error(), uncompressedBytes)
	text, _, _ = strings.Cut(text, ",")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 1
	}
	return n
}

// The client's texts for a refused batch, which have no type. A test holds it to
// them.
const (
	batchFailed       = "batch in a produce request failed"
	compressedBytes   = ", compressed_bytes="
	uncompressedBytes = "(uncompressed_bytes="
)

// partitionedHook hands the client's hook on.
type partitionedHook struct{ r Refusals }

func (h partitionedHook) OnProduceRecordPartitioned(r *kgo.Record, _ int32) { h.r.Partitioned(r) }

// refused finds the topic of a refused batch in what the client logs of it.
func refused(keyvals []any) (topic string, ok bool) {
	for i := 0; i+1 < len(keyvals); i += 2 {
		switch keyvals[i] {
		case "topic":
			topic, _ = keyvals[i+1].(string)
		case "err":
			err, isErr := keyvals[i+1].(error)
			ok = isErr && errors.Is(err, kerr.MessageTooLarge)
		}
	}
	return topic, ok
}

var _ kgo.HookProduceRecordPartitioned = partitionedHook{}
