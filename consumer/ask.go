package consumer

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/settings"
)

// asker asks the brokers about offsets, through the run's client.
type asker struct {
	adm   *kadm.Client
	group string
	cfg   settings.ConsumerConfig
}

func newAsker(cl *kgo.Client, cfg settings.ConsumerConfig) *asker {
	return &asker{adm: kadm.NewClient(cl), group: cfg.Group(), cfg: cfg}
}

// committed returns the group's offsets; partitions without one are left out.
func (a *asker) committed(ctx context.Context, ps []TopicPartition) (map[TopicPartition]int64, error) {
	offsets := map[TopicPartition]int64{}
	if len(ps) == 0 {
		return offsets, nil
	}
	if a.group == "" {
		return nil, ErrNoGroup
	}
	resp, err := a.adm.FetchOffsetsForTopics(ctx, a.group, topics.Names(ps)...)
	if isNoGroup(err) { // it has committed nothing yet
		return offsets, nil
	}
	if err != nil {
		return nil, &GroupError{Group: a.group, Err: err}
	}
	for _, p := range ps {
		o, ok := resp.Lookup(p.Topic, p.Partition)
		switch {
		case !ok:
		case o.Err != nil:
			return nil, &FetchError{Topic: p.Topic, Partition: p.Partition, Err: o.Err}
		case o.At >= 0:
			offsets[p] = o.At
		}
	}
	return offsets, nil
}

func isNoGroup(err error) bool { return errors.Is(err, kerr.GroupIDNotFound) }

func (a *asker) beginning(ctx context.Context, ps []TopicPartition) (map[TopicPartition]int64, error) {
	return list(ctx, ps, a.adm.ListStartOffsets)
}

// end returns where reading ends: with read_committed, at the last stable offset.
func (a *asker) end(ctx context.Context, ps []TopicPartition) (map[TopicPartition]int64, error) {
	if a.cfg.Isolation() == settings.ReadCommitted {
		return list(ctx, ps, a.adm.ListCommittedOffsets)
	}
	return list(ctx, ps, a.adm.ListEndOffsets)
}

// first returns where partitions without a committed offset begin.
func (a *asker) first(ctx context.Context, ps []TopicPartition) (map[TopicPartition]int64, error) {
	if a.cfg.StartFrom() == settings.Latest {
		return a.end(ctx, ps)
	}
	return a.beginning(ctx, ps)
}

// after returns the offsets of the first records that are younger, the end where there is none.
func (a *asker) after(ctx context.Context, t time.Time, ps []TopicPartition) (map[TopicPartition]int64, error) {
	return list(ctx, ps, func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
		return a.adm.ListOffsetsAfterMilli(ctx, t.UnixMilli()+1, topics...)
	})
}

func list(ctx context.Context, ps []TopicPartition, ask func(context.Context, ...string) (kadm.ListedOffsets, error)) (map[TopicPartition]int64, error) {
	offsets := map[TopicPartition]int64{}
	if len(ps) == 0 {
		return offsets, nil
	}
	names := topics.Names(ps)
	listed, err := ask(ctx, names...)
	if err != nil {
		return nil, unreadable(names, err)
	}
	for _, p := range ps {
		o, ok := listed.Lookup(p.Topic, p.Partition)
		switch {
		case !ok:
			return nil, &FetchError{Topic: p.Topic, Partition: p.Partition, Err: kerr.UnknownTopicOrPartition}
		case o.Err != nil:
			return nil, &FetchError{Topic: p.Topic, Partition: p.Partition, Err: o.Err}
		}
		offsets[p] = o.Offset
	}
	return offsets, nil
}

// unreadable is the failure of a question about topics, which does not say about which of them.
func unreadable(names []string, err error) error {
	return &FetchError{Topic: strings.Join(slices.Sorted(slices.Values(names)), ","), Partition: -1, Err: err}
}

// partitions lists all partitions of topics, and tells found of each topic.
func (a *asker) partitions(ctx context.Context, names []string, found func(topic string, id kadm.TopicID, partitions int32)) (ps []TopicPartition, err error) {
	details, err := a.adm.ListTopics(ctx, names...)
	if err != nil {
		return nil, unreadable(names, err)
	}
	for _, name := range names {
		t, ok := details[name]
		switch {
		case !ok:
			return nil, &FetchError{Topic: name, Partition: -1, Err: kerr.UnknownTopicOrPartition}
		case t.Err != nil:
			return nil, &FetchError{Topic: name, Partition: -1, Err: t.Err}
		}
		for id, p := range t.Partitions {
			if p.Err != nil && !kerr.IsRetriable(p.Err) {
				return nil, &FetchError{Topic: name, Partition: id, Err: p.Err}
			}
			ps = append(ps, TopicPartition{Topic: name, Partition: id})
		}
		found(name, t.ID, int32(len(t.Partitions)))
	}
	topics.Sort(ps)
	return ps, nil
}
