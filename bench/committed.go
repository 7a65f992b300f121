package main

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
)

// P5: records out of a topic, and their offsets committed each 1,000.

const commitEach = 1000

func committedSource() scenario {
	return scenario{id: "P5", title: "committable source, committed each 1,000, 100-byte values", cases: []*benchCase{{
		name: "100B", unit: perSecond, goal: goal{ratio: 1},
		load:  func(kind string) load { return standardLoad(kind, 100) },
		reads: stored, readOnly: true, commits: true,
		sides: func(size sizing) sides {
			n := size.of(1_000_000)
			return sides{
				ours: oursCommitted(n),
				baselines: []side{
					{name: "PollFetches, CommitRecords with the last of each 1,000", n: n, run: pollAndCommit},
				},
				context: []side{
					{name: "PollRecords(1000), CommitRecords with all of them", n: n, run: pollAndCommitPolled},
				},
			}
		},
	}}}
}

// pollAndCommit takes all that is there, and hands CommitRecords one record for
// each partition that had any among the last 1,000.
func pollAndCommit(ctx context.Context, t *trial) error {
	var got tally
	err := t.withReader(t.asMember(), func(cl *kgo.Client) error {
		var last []*kgo.Record
		due := commitEach
		commit := func() error {
			err := cl.CommitRecords(ctx, last...)
			last, due = last[:0], commitEach
			return err
		}
		for got.records < int64(t.n) {
			fs, err := poll(ctx, cl, 0)
			if err != nil {
				return err
			}
			fs.EachPartition(func(p kgo.FetchTopicPartition) {
				for recs := p.Records; len(recs) > 0 && err == nil; {
					some := recs[:min(due, len(recs))]
					recs = recs[len(some):]
					for _, rec := range some {
						got.take(rec.Value, rec.Offset)
					}
					last = append(last, some[len(some)-1])
					if due -= len(some); due == 0 {
						err = commit()
					}
				}
			})
			if err != nil {
				return err
			}
		}
		if len(last) > 0 {
			return commit()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return got.check(t)
}

// pollAndCommitPolled is the same as most people would write it.
func pollAndCommitPolled(ctx context.Context, t *trial) error {
	var got tally
	err := t.withReader(t.asMember(), func(cl *kgo.Client) error {
		var recs []*kgo.Record
		for got.records < int64(t.n) {
			fs, err := poll(ctx, cl, commitEach)
			if err != nil {
				return err
			}
			recs = recs[:0]
			fs.EachRecord(func(rec *kgo.Record) {
				got.take(rec.Value, rec.Offset)
				recs = append(recs, rec)
			})
			if err := cl.CommitRecords(ctx, recs...); err != nil {
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
