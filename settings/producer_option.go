package settings

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// AckLevel says which brokers must have a record before it counts as
// acknowledged. It is given to [Acks].
type AckLevel int8

const (
	// AcksAll waits for all in-sync replicas. The default, and the only
	// level that idempotence works with.
	AcksAll AckLevel = iota
	// AcksLeader waits for the partition's leader alone: a record is lost
	// when that broker fails before the others have it.
	AcksLeader
	// AcksNone waits for nobody: a record counts as acknowledged once it is
	// written to the network, and has no offset.
	AcksNone
)

// String returns the level as the Java property spells it: all, 1 or 0.
func (a AckLevel) String() string {
	switch a {
	case AcksAll:
		return "all"
	case AcksLeader:
		return "1"
	case AcksNone:
		return "0"
	default:
		return "AckLevel(" + strconv.Itoa(int(a)) + ")"
	}
}

// Acks sets who must have a record before it is acknowledged; the default is
// [AcksAll]. A lower level turns idempotence off, as in the Java client, with a
// warning in the log; together with Idempotence(true) it is a contradiction.
//
// Java: acks.
func Acks(level AckLevel) ProducerOption {
	return producerOption(func(c *producerConfig) {
		c.given("Acks", "acks", level.String())
		c.acks = level
	})
}

// Idempotence turns the broker's check against doubled and reordered records on
// or off. The default is on, or off where [Acks] is lower than AcksAll. Without
// it, one request at a time is in flight to a broker, so the order still holds.
//
// Java: enable.idempotence.
func Idempotence(on bool) ProducerOption {
	return producerOption(func(c *producerConfig) {
		c.given("Idempotence", "enable.idempotence", strconv.FormatBool(on))
		c.idempotence = &on
	})
}

// Compression sets the codecs for batches, best liked first; the first that the
// broker supports is used. The default is snappy, then none.
//
// Java: compression.type.
func Compression(codecs ...kgo.CompressionCodec) ProducerOption {
	codecs = slices.Clone(codecs)
	return producerOption(func(c *producerConfig) {
		c.given("Compression", "compression.type", codecNames(codecs))
		c.compression = codecs
	})
}

// Linger sets how long a partition's batch waits for more records before it is
// sent. The default is 5 ms for streams; an Element with a client of its own
// does not linger unless this is given. From 0 to 1 minute.
//
// Java: linger.ms.
func Linger(d time.Duration) ProducerOption {
	return producerOption(func(c *producerConfig) {
		c.given("Linger", "linger.ms", d.String())
		c.linger = d
	})
}

// BatchBytes sets the largest batch, in bytes before compression. A single
// record that is larger fails. The default is 1,000,012, what a broker accepts
// unless it is told otherwise (message.max.bytes). From 512 to 1 GiB, and never
// above the largest request (kgo.BrokerMaxWriteBytes, 100 MiB).
//
// Java: batch.size bounds a batch, max.request.size what fails; here it is one
// limit.
func BatchBytes(n int) ProducerOption {
	return producerOption(func(c *producerConfig) {
		c.given("BatchBytes", "batch.size", strconv.Itoa(n))
		c.batchBytes = n
	})
}

// Window sets how much may be in flight: handed to the client and not yet
// acknowledged, over everything that shares the client. A full window holds the
// stream. Both limits count, records and bytes (keys, values and headers); an
// envelope larger than the window is let in alone. The default is 45,000 records
// and 256 MiB.
//
// The client's own buffer is always made larger than the window, so that it is
// the window that holds a stream and a stop can reach it.
//
// Java: buffer.memory, for the bytes.
func Window(records, bytes int) ProducerOption {
	return producerOption(func(c *producerConfig) {
		c.given("Window", "buffer.memory", fmt.Sprintf("%d records, %d bytes", records, bytes))
		c.windowRecords, c.windowBytes = records, bytes
	})
}

// DeliveryTimeout sets how long a record may take from being sent to its
// outcome, all retries included; after that it fails. The default is 2 minutes.
// It must not be shorter than [Linger] and [RequestTimeout] together, the Java
// client's rule: where it is not given and those are longer, it grows with them,
// with a warning in the log.
//
// Java: delivery.timeout.ms.
func DeliveryTimeout(d time.Duration) ProducerOption {
	return producerOption(func(c *producerConfig) {
		c.given("DeliveryTimeout", "delivery.timeout.ms", d.String())
		c.deliveryTimeout = d
	})
}

// Partitioner sets who chooses the partition of a record that names none; the
// default is [DefaultPartitioner]. A partition that a record names itself always
// wins, whatever is set here.
//
// Java: partitioner.class.
func Partitioner(p kgo.Partitioner) ProducerOption {
	return producerOption(func(c *producerConfig) {
		c.given("Partitioner", "partitioner.class", c.unique(fmt.Sprintf("%T", p)))
		if p == nil {
			c.problem("Partitioner", "partitioner.class", "", "is nil; leave it out for the default")
			return
		}
		c.partitioner = ExplicitFirst(p)
	})
}
