package lookup

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/vicuna-go/vicuna/internal/fault"
)

// Metadata reads the group's commits of all partitions of topics.
func (q *Questions) Metadata(ctx context.Context, names []string, learn func(topic, metadata string)) error {
	resp, err := q.adm.FetchOffsetsForTopics(ctx, q.group, names...)
	if err != nil {
		if isNoGroup(err) {
			return nil
		}
		return &fault.GroupError{Group: q.group, Err: err}
	}
	for topic, ids := range resp {
		for id, o := range ids {
			if o.Err != nil && kerr.IsRetriable(o.Err) {
				return &fault.FetchError{Topic: topic, Partition: id, Err: o.Err}
			}
			if o.Err == nil && o.At >= 0 {
				learn(topic, o.Metadata)
			}
		}
	}
	return nil
}
