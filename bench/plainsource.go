package main

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// P4: records out of a topic as fast as they come, without a group.

func plainSource() scenario {
	return scenario{id: "P4", title: "plain source, 100-byte values", cases: []*benchCase{
		plainSourceCase("synthetic", repeated, kindEmbedded),
		plainSourceCase("stored", stored, ""),
	}}
}

func plainSourceCase(name string, reads reading, broker string) *benchCase {
	return &benchCase{
		name: name, unit: perSecond, goal: goal{ratio: 0.95, allocs: 0.02},
		load:  func(kind string) load { return standardLoad(kind, repeatedBytes) },
		reads: reads, readOnly: true, broker: broker,
		sides: func(size sizing) sides {
			n := size.of(2_000_000)
			return sides{
				ours: oursPlainSource(n),
				baselines: []side{
					{name: "PollFetches and EachPartition", n: n, run: pollLoop},
				},
				context: []side{
					{name: "the same, records recycled into pools", n: n, run: pollLoopPooled},
				},
			}
		},
	}
}

// pollLoop touches each record where it lies in the client's memory.
func pollLoop(ctx context.Context, t *trial) error {
	return pollWith(ctx, t, t.alone(), func(*kgo.Record) {})
}

// pollLoopPooled gives each record back to the client when it was looked at,
// which is possible where nobody keeps one.
func pollLoopPooled(ctx context.Context, t *trial) error {
	return pollWith(ctx, t, append(t.alone(), kgo.WithPools(&pools{})), (*kgo.Record).Recycle)
}

func pollWith(ctx context.Context, t *trial, opts []kgo.Opt, done func(*kgo.Record)) error {
	var got tally
	err := t.withReader(opts, func(cl *kgo.Client) error {
		for got.records < int64(t.n) {
			fs, err := poll(ctx, cl, 0)
			if err != nil {
				return err
			}
			fs.EachPartition(func(p kgo.FetchTopicPartition) {
				// What has no end gives more than is asked for.
				for _, rec := range p.Records[:min(len(p.Records), t.n-int(got.records))] {
					got.take(rec.Value, rec.Offset)
					done(rec)
				}
			})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return got.check(t)
}

// pools keeps what the client decompresses and decodes into.
type pools struct{ records, bytes sync.Pool }

func (p *pools) GetRecords(n int) []kgo.Record {
	if s, ok := p.records.Get().(*[]kgo.Record); ok && cap(*s) >= n {
		return (*s)[:0]
	}
	return make([]kgo.Record, 0, n)
}

func (p *pools) PutRecords(s []kgo.Record) { p.records.Put(&s) }

func (p *pools) GetDecompressBytes(compressed []byte, _ kgo.CompressionCodecType) []byte {
	if s, ok := p.bytes.Get().(*[]byte); ok {
		return (*s)[:0]
	}
	return make([]byte, 0, 8*len(compressed))
}

func (p *pools) PutDecompressBytes(s []byte) { p.bytes.Put(&s) }
