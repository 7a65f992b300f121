package main

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// readerOptions are those of a client made by hand that reads.
func (t *trial) readerOptions() []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(t.addrs...),
		kgo.FetchMaxWait(fetchWait),
		kgo.FetchMinBytes(1),
		kgo.FetchMaxBytes(fetchBytes),
		kgo.FetchMaxPartitionBytes(fetchPartitionBytes),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.MetadataMinAge(minMetadataAge),
	}
}

// alone reads all partitions without a group.
func (t *trial) alone() []kgo.Opt {
	from := map[int32]kgo.Offset{}
	for p := range t.load.partitions {
		from[p] = kgo.NewOffset().AtStart()
	}
	return append(t.readerOptions(), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{t.source: from}))
}

// asMember reads as a member of the trial's group that commits for itself.
func (t *trial) asMember() []kgo.Opt {
	return append(t.readerOptions(),
		kgo.ConsumerGroup(t.group),
		kgo.ConsumeTopics(t.source),
		kgo.DisableAutoCommit(),
	)
}

// withReader measures f with a client of its own, as withClient does.
func (t *trial) withReader(opts []kgo.Opt, f func(cl *kgo.Client) error) error {
	return t.measure(func() error {
		cl, err := kgo.NewClient(opts...)
		if err != nil {
			return err
		}
		defer cl.Close()
		return f(cl)
	})
}

// poll takes what is there, or up to limit records of it if that is not 0.
func poll(ctx context.Context, cl *kgo.Client, limit int) (kgo.Fetches, error) {
	var fs kgo.Fetches
	if limit > 0 {
		fs = cl.PollRecords(ctx, limit)
	} else {
		fs = cl.PollFetches(ctx)
	}
	return fs, fs.Err()
}

// A tally is what both sides do with a record that they read, and what is checked
// in the end. Of what is stored each record must have come exactly once: a count
// and a sum of offsets tell.
type tally struct {
	records, bytes, offsets int64
}

func (c *tally) take(value []byte, offset int64) {
	c.records++
	c.bytes += int64(len(value))
	c.offsets += offset
}

// check compares with what the trial's topic holds.
func (c *tally) check(t *trial) error {
	want := tally{records: int64(t.n), bytes: int64(t.n) * int64(t.load.valueBytes)}
	for _, end := range t.ends {
		want.offsets += end * (end - 1) / 2
	}
	if t.ends == nil { // a batch over and over: how far each partition got is chance
		want.offsets = c.offsets
	}
	if *c != want {
		return fmt.Errorf("read %d records of %d bytes with an offset sum of %d, want %d, %d and %d",
			c.records, c.bytes, c.offsets, want.records, want.bytes, want.offsets)
	}
	return nil
}
