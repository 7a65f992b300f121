package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// P3: records into a topic, each with a value that comes back with its outcome,
// and the outcomes in the order of the records.

func flexiFlowInOrder() scenario {
	return scenario{id: "P3", title: "FlexiFlow with pass-through, results in order", cases: []*benchCase{
		flexiFlowCase("100B", 100, 2_000_000),
		flexiFlowCase("1KB", 1_000, 600_000),
	}}
}

func flexiFlowCase(name string, valueBytes, n int) *benchCase {
	return &benchCase{
		name: name, unit: perSecond, goal: goal{ratio: 0.95},
		load: func(kind string) load { return standardLoad(kind, valueBytes) },
		sides: func(size sizing) sides {
			n := size.of(n)
			return sides{
				ours: oursFlexiFlow(n),
				baselines: []side{
					{name: "Produce, promise, reorder ring with records used again", n: n, run: produceInOrder},
				},
				context: []side{
					{name: "the same with records of their own, in slabs of 512", n: n, run: produceInOrderFresh},
				},
			}
		},
	}
}

// inOrder is what both sides do with their results: the pass-through values must
// come back as they went in, and each record has an offset.
type inOrder struct{ next int64 }

func (o *inOrder) take(pass, offset int64, err error) error {
	if err != nil {
		return fmt.Errorf("record %d: %w", pass, err)
	}
	if pass != o.next || offset < 0 {
		return fmt.Errorf("result %d (offset %d) where %d was due", pass, offset, o.next)
	}
	o.next++
	return nil
}

func (o *inOrder) complete(n int) error {
	if o.next != int64(n) {
		return fmt.Errorf("%d results for %d records", o.next, n)
	}
	return nil
}

// produceInOrder fills the ring's slots from one goroutine and takes the results
// from another one.
func produceInOrder(ctx context.Context, t *trial) error {
	return inOrderWith(ctx, t, func(s *slot) *kgo.Record { return &s.own })
}

// produceInOrderFresh is the loop for results that somebody may keep: a record is
// never used twice.
func produceInOrderFresh(ctx context.Context, t *trial) error {
	var recs []kgo.Record
	return inOrderWith(ctx, t, func(*slot) *kgo.Record {
		if len(recs) == 0 {
			recs = make([]kgo.Record, slab)
		}
		rec := &recs[0]
		recs = recs[1:]
		return rec
	})
}

func inOrderWith(ctx context.Context, t *trial, record func(*slot) *kgo.Record) error {
	ps := makePayloads(t.load)
	return t.withClient(func(cl *kgo.Client) error {
		ring := newReorderRing(t.load.window)
		results := make(chan error, 1)
		go func() {
			var check inOrder
			for range t.n {
				s := ring.first()
				if err := check.take(s.pass, s.rec.Offset, s.err); err != nil {
					results <- err
					return
				}
				ring.drop()
			}
			results <- check.complete(t.n)
		}()

		var now time.Time
		for _, i := range t.input {
			s := ring.free()
			if i%slab == 0 {
				now = time.Now()
			}
			p := &ps[i%payloads]
			s.rec = record(s)
			*s.rec = kgo.Record{Topic: t.topic, Key: p.key, Value: p.value, Timestamp: now}
			s.pass, s.err = i, nil
			cl.Produce(ctx, s.rec, s.promise)
		}
		err := cl.Flush(ctx)
		return errors.Join(err, <-results)
	})
}
