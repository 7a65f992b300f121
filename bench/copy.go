package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// P6: records from one topic to another, and their offsets committed.

func committedCopy() scenario {
	return scenario{id: "P6", title: "committable source to committable sink, 100-byte values", cases: []*benchCase{
		copyCase("plain", goal{ratio: 1, allocs: 1.1}, oursCopy),
		copyCase("slab", goal{ratio: 1, allocs: 0.3}, oursCopySlab),
		copyCase("recycled", goal{ratio: 1, allocs: 0.3}, oursCopyRecycled),
	}}
}

func copyCase(name string, g goal, ours func(n int) *side) *benchCase {
	return &benchCase{
		name: name, unit: perSecond, goal: g,
		load:  func(kind string) load { return standardLoad(kind, 100) },
		reads: stored, commits: true,
		sides: func(size sizing) sides {
			n := size.of(1_000_000)
			step := func(limit int) side {
				name := "poll, produce, flush, commit: all that is there"
				if limit > 0 {
					name = fmt.Sprintf("poll, produce, flush, commit: %d each", limit)
				}
				return side{name: name, n: n, run: copyInSteps(limit)}
			}
			flowing := side{name: "pipelined, with pools and slabs", n: n, run: copyFlowing}
			s := sides{ours: ours(n), baselines: []side{step(1_000), step(10_000)}}
			if size.kind == kindKafka {
				// Where a step waits for a real broker, whoever cares about
				// speed would not take one.
				flowing.atLeast = 0.95
				s.baselines = append(s.baselines, step(0), flowing)
			} else {
				s.context = []side{step(0), flowing}
			}
			return s
		},
	}
}

// copyInSteps takes up to limit records, produces them, waits for all outcomes and
// commits. Between two steps nothing is in flight, so the records that it
// produces are used again and it commits what it polled.
func copyInSteps(limit int) func(ctx context.Context, t *trial) error {
	return func(ctx context.Context, t *trial) error {
		var got tally
		err := t.withReader(append(t.clientOptions(), t.asMember()...), func(cl *kgo.Client) error {
			var all outcomes
			promise := all.promise
			out := make([]kgo.Record, limit)
			for got.records < int64(t.n) {
				fs, err := poll(ctx, cl, limit)
				if err != nil {
					return err
				}
				if n := fs.NumRecords(); n > len(out) {
					out = make([]kgo.Record, n)
				}
				next, now := out, time.Now()
				fs.EachPartition(func(p kgo.FetchTopicPartition) {
					for _, in := range p.Records {
						got.take(in.Value, in.Offset)
						next[0] = kgo.Record{Topic: t.topic, Key: in.Key, Value: in.Value, Timestamp: now}
						cl.Produce(ctx, &next[0], promise)
						next = next[1:]
					}
				})
				if err := errors.Join(cl.Flush(ctx), all.first); err != nil {
					return err
				}
				if err := cl.CommitUncommittedOffsets(ctx); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		return got.check(t)
	}
}

// copyFlowing is the pipelined loop, which commits ten times a second.
func copyFlowing(ctx context.Context, t *trial) error {
	var got tally
	opts := append(t.clientOptions(), t.asMember()...)
	err := t.withReader(append(opts, kgo.WithPools(&pools{})), func(cl *kgo.Client) error {
		return copyOn(ctx, cl, t, 100*time.Millisecond, &got)
	})
	if err != nil {
		return err
	}
	return got.check(t)
}
