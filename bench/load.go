package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// load is how a case produces; both sides of it do so with the same values.
type load struct {
	partitions  int32
	keyBytes    int // 0: no key
	valueBytes  int
	linger      time.Duration
	batchBytes  int
	compression kgo.CompressionCodec

	// window is how many records may be in flight. The library's own default,
	// since both sides must have the same.
	window int
}

const (
	window         = 45_000
	minMetadataAge = 250 * time.Millisecond
)

// How both sides fetch: as the library does by default.
const (
	fetchWait           = 250 * time.Millisecond
	fetchBytes          = 16 << 20
	fetchPartitionBytes = 1 << 20
)

// standardLoad is what suits each kind of broker best. On the embedded one it is
// one partition layout and snappy; on a real one, where the disk and the other
// process share the machine, keys, smaller batches and no compression.
func standardLoad(kind string, valueBytes int) load {
	l := load{
		partitions:  6,
		valueBytes:  valueBytes,
		linger:      5 * time.Millisecond,
		batchBytes:  1_000_012,
		compression: kgo.SnappyCompression(),
		window:      window,
	}
	if kind == kindKafka {
		l.partitions = 4
		l.keyBytes = 8
		l.batchBytes = 131_072
		l.compression = kgo.NoCompression()
	}
	return l
}

// clientOptions are those of a client made by hand: acks from all and
// idempotence are franz-go's defaults, and ours.
func (t *trial) clientOptions() []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(t.addrs...),
		kgo.ProducerLinger(t.load.linger),
		kgo.ProducerBatchMaxBytes(int32(t.load.batchBytes)),
		kgo.ProducerBatchCompression(t.load.compression),
		kgo.MaxBufferedRecords(t.load.window),
		kgo.MetadataMinAge(minMetadataAge),
	}
}

// withClient measures f with a client of its own, made and closed within the
// time: the library's side does that too.
func (t *trial) withClient(f func(cl *kgo.Client) error) error {
	return t.measure(func() error {
		cl, err := kgo.NewClient(t.clientOptions()...)
		if err != nil {
			return err
		}
		defer cl.Close()
		return f(cl)
	})
}

// A payload is a key and a value. Each run draws from the same few, so that
// making them is not part of what is measured.
type payload struct{ key, value []byte }

// payloads is a power of two, so that the next one is found with a mask.
const payloads = 1024

func makePayloads(l load) []payload {
	ps := make([]payload, payloads)
	for i := range ps {
		if l.keyBytes > 0 {
			ps[i].key = fmt.Appendf(nil, "%0*d", l.keyBytes, i)
		}
		text := fmt.Sprintf(`{"id":%08d,"name":"vicuna","text":"`, i)
		text += strings.Repeat("a small fast wild relative of the alpaca ", l.valueBytes/40+1)
		ps[i].value = []byte(text[:max(l.valueBytes-2, 0)] + `"}`)
	}
	return ps
}
