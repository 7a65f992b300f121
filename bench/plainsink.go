package main

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// P1 and P2: records into a topic as fast as they go.

func plainSinkSmall() scenario {
	return scenario{id: "P1", title: "PlainSink, 100-byte values", cases: []*benchCase{
		plainSinkCase("100B", 100, 2_000_000, goal{ratio: 1, allocs: 0.1}, func(kind string) load {
			return standardLoad(kind, 100)
		}),
	}}
}

func plainSinkLarge() scenario {
	eight := func(size int) func(kind string) load {
		return func(kind string) load {
			l := standardLoad(kind, size)
			l.partitions = 8
			return l
		}
	}
	return scenario{id: "P2", title: "PlainSink, values lent and not copied, 8 partitions", cases: []*benchCase{
		plainSinkCase("1KB", 1_000, 600_000, goal{ratio: 0.98}, eight(1_000)),
		plainSinkCase("5KB", 5_000, 200_000, goal{ratio: 0.98}, eight(5_000)),
	}}
}

func plainSinkCase(name string, valueBytes, n int, g goal, l func(kind string) load) *benchCase {
	return &benchCase{
		name: name, unit: perSecond, goal: g, load: l,
		sides: func(size sizing) sides {
			n := size.of(n)
			return sides{
				ours: oursPlainSink(n),
				baselines: []side{
					{name: "Produce, one &kgo.Record{} each, shared promise", n: n, run: produceLoop},
				},
				context: []side{
					{name: "Produce, records in slabs of 512 with one reading of the clock", n: n, run: produceSlabs},
				},
			}
		},
	}
}

// outcomes is a promise for all records of a client. Promises run one after the
// other, and Flush returns after the last of them, so it needs no lock.
type outcomes struct{ first error }

func (o *outcomes) promise(_ *kgo.Record, err error) {
	if err != nil && o.first == nil {
		o.first = err
	}
}

// produceLoop is the loop that one would write: a record, a call.
func produceLoop(ctx context.Context, t *trial) error {
	ps := makePayloads(t.load)
	return t.withClient(func(cl *kgo.Client) error {
		var all outcomes
		promise := all.promise
		for _, i := range t.input {
			p := &ps[i%payloads]
			cl.Produce(ctx, &kgo.Record{Topic: t.topic, Key: p.key, Value: p.value}, promise)
		}
		err := cl.Flush(ctx)
		return errors.Join(err, all.first)
	})
}

// slab is how many records a careful loop makes at a time.
const slab = 512

// produceSlabs makes its records 512 at a time, with the same timestamp: about
// as fast as a loop without recycled records gets.
func produceSlabs(ctx context.Context, t *trial) error {
	ps := makePayloads(t.load)
	return t.withClient(func(cl *kgo.Client) error {
		var all outcomes
		promise := all.promise
		var recs []kgo.Record
		var now time.Time
		for _, i := range t.input {
			if len(recs) == 0 {
				recs, now = make([]kgo.Record, slab), time.Now()
			}
			p, rec := &ps[i%payloads], &recs[0]
			recs = recs[1:]
			rec.Topic, rec.Key, rec.Value, rec.Timestamp = t.topic, p.key, p.value, now
			cl.Produce(ctx, rec, promise)
		}
		err := cl.Flush(ctx)
		return errors.Join(err, all.first)
	})
}
