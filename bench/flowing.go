package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The pipelined copy: one goroutine polls and produces without waiting for
// outcomes, the client's promises count them, another goroutine commits what is
// acknowledged without a gap. It is what a user with a profiler would come to, for
// a group of one: nothing here is ready for partitions that go to somebody else.

// A block is up to 512 records that lie side by side in one partition. They are
// produced from here, and it is finished when the last of them is acknowledged.
type block struct {
	out      [slab]kgo.Record
	in       []*kgo.Record // goes back to the client's pool in the end
	copied   [slab]*kgo.Record
	left     int // of the promises, which run one after the other
	finished bool
	next     int64 // the offset after its last record
	epoch    int32
	line     *line
	promise  func(*kgo.Record, error)
}

// A line is the blocks of one partition, oldest first, that are not committable.
type line struct {
	blocks []*block
	at     kgo.EpochOffset // committable up to here
}

// A flowing copy is one run of it.
type flowing struct {
	mu    sync.Mutex
	lines map[int32]*line
	moved bool // since the last commit
	idle  []*block

	failed atomic.Pointer[error] // set by a promise that failed, once
}

// copyOn copies the trial's n records. It commits what is done in each interval, and
// the rest at the end.
func copyOn(ctx context.Context, cl *kgo.Client, t *trial, interval time.Duration, got *tally) error {
	f := &flowing{lines: map[int32]*line{}}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				f.fail(f.commit(ctx, cl, t.source))
			}
		}
	}()
	err := f.copy(ctx, cl, t, got)
	err = errors.Join(err, cl.Flush(ctx))
	close(stop)
	<-stopped
	return errors.Join(err, f.err(), f.commit(ctx, cl, t.source))
}

func (f *flowing) copy(ctx context.Context, cl *kgo.Client, t *trial, got *tally) error {
	for got.records < int64(t.n) {
		fs, err := poll(ctx, cl, 0)
		if err != nil {
			return err
		}
		if err := f.err(); err != nil {
			return err
		}
		fs.EachPartition(func(p kgo.FetchTopicPartition) {
			for recs := p.Records; len(recs) > 0; {
				some := recs[:min(slab, len(recs))]
				recs = recs[len(some):]
				b := f.block(p.Partition, some)
				now := time.Now()
				for i, in := range b.in {
					got.take(in.Value, in.Offset)
					out := &b.out[i]
					*out = kgo.Record{Topic: t.topic, Key: in.Key, Value: in.Value, Timestamp: now}
					cl.Produce(ctx, out, b.promise)
				}
			}
		})
	}
	return nil
}

// block takes an idle block, or makes one, and lines it up. The client keeps the
// slice that the records are in for itself only until the next poll.
func (f *flowing) block(partition int32, recs []*kgo.Record) *block {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.lines[partition]
	if l == nil {
		l = &line{}
		f.lines[partition] = l
	}
	var b *block
	if n := len(f.idle); n > 0 {
		b, f.idle = f.idle[n-1], f.idle[:n-1]
	} else {
		b = &block{}
		b.promise = func(_ *kgo.Record, err error) { f.acknowledged(b, err) }
	}
	last := recs[len(recs)-1]
	b.in = b.copied[:copy(b.copied[:], recs)]
	b.left, b.finished, b.line = len(recs), false, l
	b.next, b.epoch = last.Offset+1, last.LeaderEpoch
	l.blocks = append(l.blocks, b)
	return b
}

// acknowledged counts one outcome, and with the last one of a block takes the
// finished blocks off its line.
func (f *flowing) acknowledged(b *block, err error) {
	if err != nil {
		f.fail(err)
		return // never finished
	}
	if b.left--; b.left > 0 {
		return
	}
	for _, in := range b.in {
		in.Recycle()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	b.finished = true
	l := b.line
	for len(l.blocks) > 0 && l.blocks[0].finished {
		first := l.blocks[0]
		l.blocks = l.blocks[1:]
		l.at = kgo.EpochOffset{Epoch: first.epoch, Offset: first.next}
		f.moved = true
		f.idle = append(f.idle, first)
	}
}

// commit sends what is committable and new, and waits for the answer.
func (f *flowing) commit(ctx context.Context, cl *kgo.Client, topic string) error {
	f.mu.Lock()
	if !f.moved {
		f.mu.Unlock()
		return nil
	}
	f.moved = false
	offsets := map[int32]kgo.EpochOffset{}
	for p, l := range f.lines {
		if l.at.Offset > 0 {
			offsets[p] = l.at
		}
	}
	f.mu.Unlock()
	var failed error
	cl.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{topic: offsets},
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
			if failed = err; err != nil {
				return
			}
			for _, t := range resp.Topics {
				for _, p := range t.Partitions {
					failed = errors.Join(failed, kerr.ErrorForCode(p.ErrorCode))
				}
			}
		})
	return failed
}

func (f *flowing) fail(err error) {
	if err != nil {
		f.failed.CompareAndSwap(nil, &err)
	}
}

func (f *flowing) err() error {
	if err := f.failed.Load(); err != nil {
		return *err
	}
	return nil
}
