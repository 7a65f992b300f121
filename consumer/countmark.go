package consumer

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// countMark is the metadata of commits that have no other: how many partitions the topic had when
// the group's subscription began. It is written with settings.Latest alone, where that matters.
const countMark = "vicuna: subscribed to partitions below %d"

// countIn reads it.
func countIn(metadata string) (n int32, ok bool) {
	_, err := fmt.Sscanf(metadata, countMark, &n)
	return n, err == nil && n > 0
}

// onCommits reads the group's commits of the partitions that this member was given.
func (s *session[K, V, T]) onCommits(resp *kmsg.OffsetFetchResponse) {
	for _, g := range resp.Groups {
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				if t.Topic != "" && p.Metadata != nil && p.Offset >= 0 {
					s.starts.learn(t.Topic, *p.Metadata)
				}
			}
		}
	}
}

// counts reads the group's commits of all partitions of topics.
func (a *asker) counts(ctx context.Context, topics []string, learn func(topic, metadata string)) error {
	resp, err := a.adm.FetchOffsetsForTopics(ctx, a.group, topics...)
	if err != nil {
		if isNoGroup(err) {
			return nil
		}
		return &GroupError{Group: a.group, Err: err}
	}
	for topic, ids := range resp {
		for id, o := range ids {
			if o.Err != nil && kerr.IsRetriable(o.Err) {
				return &FetchError{Topic: topic, Partition: id, Err: o.Err}
			}
			if o.Err == nil && o.At >= 0 {
				learn(topic, o.Metadata)
			}
		}
	}
	return nil
}
