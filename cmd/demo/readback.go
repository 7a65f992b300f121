package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// found is what a topic was found to hold.
type found struct {
	lines     ledger
	foreign   uint64 // records of no line
	disorder  uint64 // records behind one of a later line in their partition
	misplaced uint64 // keyed records out of their key's partition
	inUse     int    // partitions with records

	highest uint64 // the number of the last line that there is
	keyed   bool   // an order is expected of those with a key alone
	byKey   kgo.TopicPartitioner
	last    map[int32]uint64
}

func newFound(topic string, highest uint64, keyed bool) *found {
	// Where Kafka's clients put a key.
	return &found{highest: highest, keyed: keyed, byKey: kgo.StickyKeyPartitioner(nil).ForTopic(topic), last: map[int32]uint64{}}
}

// take looks at a record; it returns the number of its line, 0 where it has none.
func (f *found) take(r *kgo.Record) uint64 {
	number, ok := lineOf(r)
	if !ok || number == 0 || number > f.highest {
		f.foreign++
		return 0
	}
	f.lines.add(number, contents(number, r.Key != nil, string(r.Key), r.Value))
	if r.Key != nil && f.byKey.Partition(r, partitions) != int(r.Partition) {
		f.misplaced++
	}
	if r.Key != nil || !f.keyed {
		if number <= f.last[r.Partition] {
			f.disorder++
		}
		f.last[r.Partition] = number
	}
	return number
}

func lineOf(r *kgo.Record) (uint64, bool) {
	for _, h := range r.Headers {
		if h.Key == headerLine {
			n, err := strconv.ParseUint(string(h.Value), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// readTopic reads a topic up to the given ends, with a client that knows nothing of the stages.
func readTopic(ctx context.Context, b *broker, topic string, ends map[int32]int64, patience time.Duration, take func(*kgo.Record)) error {
	left, from := map[int32]int64{}, map[int32]kgo.Offset{}
	for p, end := range ends {
		if end > 0 {
			left[p], from[p] = end, kgo.NewOffset().AtStart()
		}
	}
	if len(left) == 0 {
		return nil
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.addrs...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}), kgo.FetchMaxWait(250*time.Millisecond))
	if err != nil {
		return err
	}
	defer cl.Close()
	for len(left) > 0 {
		poll, cancel := context.WithTimeout(ctx, patience)
		fetches := cl.PollFetches(poll)
		cancel()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if poll.Err() != nil && fetches.NumRecords() == 0 {
			return fmt.Errorf("no record has come for %v, and %d partitions are not at their ends", patience, len(left))
		}
		if err := fetches.Err(); err != nil && poll.Err() == nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			take(r)
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	return nil
}

// endOffsets returns the offset after the last record of each partition.
func endOffsets(ctx context.Context, b *broker, topic string) (map[int32]int64, error) {
	ends := map[int32]int64{}
	err := administer(ctx, b, func(ctx context.Context, admin *kadm.Client) error {
		offsets, err := admin.ListEndOffsets(ctx, topic)
		if err == nil {
			err = offsets.Error()
		}
		offsets.Each(func(o kadm.ListedOffset) { ends[o.Partition] = o.Offset })
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the end offsets of %s: %w", topic, err)
	}
	return ends, nil
}

// committedOffsets returns what the group has committed of the orders; 0 of partitions of which it
// has committed nothing.
func committedOffsets(ctx context.Context, b *broker, n names) (map[int32]int64, error) {
	committed := map[int32]int64{}
	for p := range int32(partitions) {
		committed[p] = 0
	}
	err := administer(ctx, b, func(ctx context.Context, admin *kadm.Client) error {
		offsets, err := admin.FetchOffsets(ctx, n.group)
		if errors.Is(err, kerr.GroupIDNotFound) {
			return nil // nobody was in it
		}
		if err == nil {
			err = offsets.Error()
		}
		offsets.Each(func(o kadm.OffsetResponse) {
			if o.Topic == n.orders {
				committed[o.Partition] = max(o.At, 0)
			}
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the committed offsets of %s: %w", n.group, err)
	}
	return committed, nil
}

// administer calls f with a client of its own.
func administer(ctx context.Context, b *broker, f func(context.Context, *kadm.Client) error) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.addrs...))
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, adminFor)
	defer cancel()
	return f(ctx, kadm.NewClient(cl))
}
