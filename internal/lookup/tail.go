package lookup

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/settings"
)

// Unreadable returns the offset up to which a partition holds nothing to read, at most end; from
// where there is something, or where it is not known.
func (q *Questions) Unreadable(ctx context.Context, p topics.Partition, from, end int64) (int64, error) {
	at := from
	for at < end {
		answer, err := q.fetch(ctx, p, at)
		if err != nil || answer == nil {
			return at, err
		}
		decompress, _ := q.cl.OptValue(kgo.WithDecompressor).(kgo.Decompressor)
		opts := kgo.ProcessFetchPartitionOpts{KeepControlRecords: true, Offset: at, IsolationLevel: kgo.ReadUncommitted(), Topic: p.Topic, Partition: p.Partition}
		reaches := answer.HighWatermark
		if q.cfg.Isolation() == settings.ReadCommitted {
			opts.IsolationLevel, reaches = kgo.ReadCommitted(), answer.LastStableOffset
		}
		got, next := kgo.ProcessFetchPartition(opts, answer, decompress, nil)
		switch {
		case got.Err != nil:
			return at, got.Err
		case len(got.Records) > 0:
			return min(got.Records[0].Offset, end), nil
		case next > at:
			at = next
		case len(answer.RecordBatches) == 0 && reaches >= end && q.keptByLeader(ctx, p, at):
			at = end
		default:
			return at, nil
		}
	}
	return min(at, end), nil
}

// fetch asks a partition's leader for what lies from an offset on; nil where it has not answered
// that.
func (q *Questions) fetch(ctx context.Context, p topics.Partition, from int64) (*kmsg.FetchResponseTopicPartition, error) {
	meta, err := q.adm.ListTopics(ctx, p.Topic)
	if err != nil {
		return nil, err
	}
	leader, ok := meta[p.Topic].Partitions[p.Partition]
	if !ok || leader.Err != nil || leader.Leader < 0 {
		return nil, leader.Err
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes = int32(q.cfg.FetchMaxWait().Milliseconds()), 1
	req.MaxBytes = 1 // a batch is not cut for that: the first one comes whole
	if q.cfg.Isolation() == settings.ReadCommitted {
		req.IsolationLevel = 1
	}
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = p.Topic, meta[p.Topic].ID
	partition := kmsg.NewFetchRequestTopicPartition()
	partition.Partition, partition.FetchOffset, partition.PartitionMaxBytes = p.Partition, from, 1
	topic.Partitions = append(topic.Partitions, partition)
	req.Topics = append(req.Topics, topic)
	answer, err := q.cl.Broker(int(leader.Leader)).Request(ctx, req)
	if err != nil {
		return nil, err
	}
	resp := answer.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err
	}
	for i := range resp.Topics {
		for j := range resp.Topics[i].Partitions {
			if got := &resp.Topics[i].Partitions[j]; got.Partition == p.Partition && got.PreferredReadReplica < 0 {
				return got, nil
			}
		}
	}
	return nil, nil
}

// keptByLeader reports whether the leader keeps an offset itself, and not in remote storage.
func (q *Questions) keptByLeader(ctx context.Context, p topics.Partition, offset int64) bool {
	first, err := list(ctx, []topics.Partition{p}, q.adm.ListLocalLogStartOffsets)
	if err != nil {
		return !Passing(err) // who does not know the question has no remote storage
	}
	return first[p] <= offset
}
