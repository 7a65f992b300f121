package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// P11: how long a record takes from its first produce, through a copy, to whoever
// reads what the copy has written, at a rate that leaves the machine time.

const latencyRate = 5_000 // records a second

func latencyOfCopies() scenario {
	return scenario{id: "P11", title: "latency of a copy at 5,000 records/s, linger 0", cases: []*benchCase{{
		name: "100B", unit: medianTime, goal: goal{slower: 200 * time.Microsecond}, latency: true, uncounted: true,
		load: func(kind string) load {
			l := standardLoad(kind, 100)
			l.linger = 0
			return l
		},
		reads: live, commits: true,
		sides: func(size sizing) sides {
			n := size.of(5 * latencyRate)
			return sides{
				ours:      oursLatency(n),
				baselines: []side{{name: "the pipelined loop of P6", n: n, run: latencyOf(flowWithClient)}},
			}
		},
	}}}
}

// flowWithClient copies with a client of its own.
func flowWithClient(ctx context.Context, t *trial) error {
	cl, err := kgo.NewClient(append(t.clientOptions(), t.asMember()...)...)
	if err != nil {
		return err
	}
	defer cl.Close()
	var got tally
	return copyOn(ctx, cl, t, 100*time.Millisecond, &got)
}

// latencyOf runs a copy of n records between the same two ends on both sides: one
// client that produces and one that reads. The first record is not counted: it
// waits for the copy to have joined its group.
func latencyOf(run func(ctx context.Context, t *trial) error) func(ctx context.Context, t *trial) error {
	return func(ctx context.Context, t *trial) error {
		return t.measure(func() error {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			copied := make(chan error, 1)
			go func() {
				err := run(ctx, t)
				if err != nil {
					cancel() // nobody may wait for what will not come
				}
				copied <- err
			}()
			err := throughEnds(ctx, t)
			if err != nil {
				cancel()
			}
			return errors.Join(err, <-copied)
		})
	}
}

// throughEnds produces the trial's records at their rate, and reads them.
func throughEnds(ctx context.Context, t *trial) error {
	in, err := kgo.NewClient(t.clientOptions()...)
	if err != nil {
		return err
	}
	defer in.Close()
	from := *t
	from.source = t.topic
	out, err := kgo.NewClient(from.alone()...)
	if err != nil {
		return err
	}
	defer out.Close()

	first, seen := make(chan struct{}), make(chan error, 1)
	go func() { seen <- arrivals(ctx, out, t, first) }()

	if err := produceAt(ctx, in, t, 0); err != nil {
		return err
	}
	select {
	case <-first:
	case err := <-seen:
		return err
	}
	err = paced(ctx, in, t)
	if err != nil {
		return errors.Join(err, in.Flush(ctx)) // the reader ends with its context
	}
	err = in.Flush(ctx)
	if e := <-seen; e != nil {
		return errors.Join(err, e)
	}
	t.latency = t.latency[1:]
	return err
}

// stampBytes is the size of a stamped value: the record's number and when it was produced.
const stampBytes = 16

func produceAt(ctx context.Context, cl *kgo.Client, t *trial, i int) error {
	value := make([]byte, max(t.load.valueBytes, stampBytes))
	binary.LittleEndian.PutUint64(value, uint64(i))
	binary.LittleEndian.PutUint64(value[8:], uint64(time.Now().UnixNano()))
	rec := &kgo.Record{Topic: t.source, Value: value}
	if t.load.keyBytes > 0 {
		rec.Key = fmt.Appendf(nil, "%0*d", t.load.keyBytes, i%payloads)
	}
	cl.Produce(ctx, rec, nil)
	return ctx.Err()
}

// paced produces each record when it is due, and what a sleep has missed at once.
func paced(ctx context.Context, cl *kgo.Client, t *trial) error {
	const each = time.Second / latencyRate
	start := time.Now()
	for i := 1; i < t.n; {
		due := start.Add(time.Duration(i) * each)
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
			continue
		}
		if err := produceAt(ctx, cl, t, i); err != nil {
			return err
		}
		i++
	}
	return nil
}

// arrivals notes when each record is seen, and closes first with the first one.
func arrivals(ctx context.Context, cl *kgo.Client, t *trial, first chan<- struct{}) error {
	for n := 0; n < t.n; {
		fs, err := poll(ctx, cl, 0)
		if err != nil {
			return err
		}
		now := time.Now().UnixNano()
		var wrong error
		fs.EachRecord(func(rec *kgo.Record) {
			i := binary.LittleEndian.Uint64(rec.Value)
			if i >= uint64(t.n) || t.latency[i] != 0 {
				wrong = fmt.Errorf("record %d came twice or was never produced", i)
				return
			}
			t.latency[i] = max(1, time.Duration(now-int64(binary.LittleEndian.Uint64(rec.Value[8:]))))
			if n++; n == 1 {
				close(first)
			}
		})
		if wrong != nil {
			return wrong
		}
	}
	return nil
}
