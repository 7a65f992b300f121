package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What follows is for looking at what an example has left behind: plain clients of franz-go, which
// share nothing with the stages.

// Read returns all records that are in one of the example's topics now.
func (b *Broker) Read(ctx context.Context, topic string) ([]*kgo.Record, error) {
	left := 0
	from := map[int32]kgo.Offset{}
	ends := map[int32]int64{}
	err := b.withAdmin(ctx, func(ctx context.Context, admin *kadm.Client) error {
		offsets, err := admin.ListEndOffsets(ctx, b.Topic(topic))
		if err == nil {
			err = offsets.Error()
		}
		offsets.Each(func(o kadm.ListedOffset) {
			if o.Offset > 0 {
				left++
				from[o.Partition], ends[o.Partition] = kgo.NewOffset().AtStart(), o.Offset
			}
		})
		return err
	})
	if err != nil || left == 0 {
		return nil, err
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.seeds()...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{b.Topic(topic): from}))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	var all []*kgo.Record
	for left > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("reading %s: %w", topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			all = append(all, r)
			if r.Offset+1 == ends[r.Partition] {
				left--
			}
		})
	}
	return all, nil
}

// Committed returns how many records of one of the example's topics a group has committed, and how
// many there are, over all partitions.
func (b *Broker) Committed(ctx context.Context, group, topic string) (committed, end int64, err error) {
	err = b.withAdmin(ctx, func(ctx context.Context, admin *kadm.Client) error {
		// -1: nothing was committed
		offsets, err := admin.FetchOffsetsForTopics(ctx, b.Group(group), b.Topic(topic))
		if err == nil {
			err = offsets.Error()
		}
		if err != nil {
			return err
		}
		offsets.Each(func(o kadm.OffsetResponse) { committed += max(o.At, 0) })
		ends, err := admin.ListEndOffsets(ctx, b.Topic(topic))
		if err == nil {
			err = ends.Error()
		}
		ends.Each(func(o kadm.ListedOffset) { end += o.Offset })
		return err
	})
	return committed, end, err
}
