package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// A filling is what a topic was filled with. Its readers share it: they change
// nothing, and filling it takes longer than reading.
type filling struct {
	load load
	n    int
}

// A source is a topic to read from.
type source struct {
	topic string
	ends  map[int32]int64
}

// filledTopic returns a topic with n records.
func (b *broker) filledTopic(ctx context.Context, l load, n int) (source, error) {
	key := filling{load: l, n: n}
	if s, ok := b.filled[key]; ok {
		return s, nil
	}
	topic, err := b.freshTopic(ctx, l.partitions)
	if err != nil {
		return source{}, err
	}
	if err := produceSlabs(ctx, &trial{n: n, load: l, addrs: b.addrs, topic: topic, input: numbers(n)}); err != nil {
		return source{}, fmt.Errorf("filling %s: %w", topic, err)
	}
	ends, err := b.ends(ctx, topic)
	if err != nil {
		return source{}, err
	}
	if sum := total(ends); sum != int64(n) {
		return source{}, fmt.Errorf("%s was filled with %d records and not %d", topic, sum, n)
	}
	if b.filled == nil {
		b.filled = map[filling]source{}
	}
	b.filled[key] = source{topic: topic, ends: ends}
	return b.filled[key], nil
}

// empty removes the topics that were filled.
func (b *broker) empty(ctx context.Context) error {
	var err error
	for key, s := range b.filled {
		delete(b.filled, key)
		_, e := b.admin.DeleteTopic(ctx, s.topic)
		err = errors.Join(err, e)
	}
	return err
}

// ends returns how far a topic's partitions are filled.
func (b *broker) ends(ctx context.Context, topic string) (map[int32]int64, error) {
	listed, err := b.admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("end offsets of %s: %w", topic, err)
	}
	ends := map[int32]int64{}
	listed.Each(func(o kadm.ListedOffset) { ends[o.Partition] = o.Offset })
	return ends, nil
}

// committed returns a group's offsets in a topic; a partition without one has 0.
func (b *broker) committed(ctx context.Context, group, topic string) (map[int32]int64, error) {
	fetched, err := b.admin.FetchOffsets(ctx, group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil // it has committed nothing
	}
	if err == nil {
		err = fetched.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("offsets of %s: %w", group, err)
	}
	at := map[int32]int64{}
	for p, o := range fetched[topic] {
		at[p] = max(o.At, 0)
	}
	return at, nil
}

func total(offsets map[int32]int64) int64 {
	var sum int64
	for _, o := range offsets {
		sum += o
	}
	return sum
}

// finished checks that a group has committed all that there is in a topic, and
// removes it.
func (b *broker) finished(ctx context.Context, group, topic string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	ends, err := b.ends(ctx, topic)
	if err != nil {
		return err
	}
	at, err := b.committed(ctx, group, topic)
	if err != nil {
		return err
	}
	for p, end := range ends {
		if at[p] != end {
			return fmt.Errorf("%s is committed up to %d in partition %d of %s, which ends at %d", group, at[p], p, topic, end)
		}
	}
	_, err = b.admin.DeleteGroup(ctx, group)
	return err
}

// freshTopic makes a topic and returns when all its partitions have a leader:
// else a client may have to wait for its next look at the metadata.
func (b *broker) freshTopic(ctx context.Context, partitions int32) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	topic := b.name("topic")
	if _, err := b.admin.CreateTopic(ctx, partitions, 1, nil, topic); err != nil {
		return "", fmt.Errorf("create %s: %w", topic, err)
	}
	for {
		topics, err := b.admin.ListTopics(ctx, topic)
		if err == nil && led(topics[topic], partitions) {
			return topic, nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("%s has no leaders: %w", topic, errors.Join(ctx.Err(), err))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func led(topic kadm.TopicDetail, partitions int32) bool {
	if topic.Err != nil || len(topic.Partitions) < int(partitions) {
		return false
	}
	for _, p := range topic.Partitions {
		if p.Err != nil || p.Leader < 0 {
			return false
		}
	}
	return true
}

// finish checks that the topic holds exactly n records and removes it.
func (b *broker) finish(ctx context.Context, topic string, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	ends, err := b.ends(ctx, topic)
	if err != nil {
		return err
	}
	if sum := total(ends); sum != int64(n) {
		return fmt.Errorf("%s holds %d records and not %d", topic, sum, n)
	}
	if _, err := b.admin.DeleteTopic(ctx, topic); err != nil {
		return fmt.Errorf("delete %s: %w", topic, err)
	}
	return nil
}
