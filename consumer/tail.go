package consumer

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/settings"
)

// A bounded run reads each partition up to the end that it had, and the last offsets before that
// may hold nothing that can be read: records that were compacted away, alone or with their batches,
// or aborted ones whose marker lies after the start of another open transaction. The client goes on
// after such a batch without a word, or gets nothing, and no record comes that shows that the end
// is reached.
//
//  1. A partition of which nothing has come for a while, and of which nothing waits here, is asked
//     for what lies from where it is read next: by a fetch of our own, past the client. What that
//     brings is looked at and not used: where there is a record, the client brings it, too.
//  2. A batch says where it ends, so what it does not hold is not there. An answer without a batch
//     says as much, where the log goes on to the end of the run and the offset is not one that the
//     broker keeps in remote storage, which may be slow to answer.
//  3. Everything else (an error, a throttled answer, a leader that is moving) says nothing, and is
//     asked again.

// tailPatience is how long nothing has come of a partition that is asked for its tail, and
// tailLongest how long it is waited for at most before it is asked again.
const (
	tailPatience = 2 * patience
	tailLongest  = 10 * time.Second
)

// tail is a partition that waits to be read to its end.
type tail struct {
	part  *part
	from  int64
	pause time.Duration
	due   time.Time
}

// watchTails finds out that partitions have nothing more to read before the end of a bounded run.
func (s *session[K, V, T]) watchTails(quit <-chan struct{}) {
	if !s.ends.await(s.ctx) {
		return
	}
	tick := time.NewTicker(tailPatience)
	defer tick.Stop()
	resting := map[TopicPartition]tail{}
	for !s.over() {
		select {
		case <-tick.C:
		case <-quit:
			return
		case <-s.ctx.Done():
			return
		}
		if s.crowded() {
			clear(resting) // nothing is fetched, so it says nothing that nothing comes
			continue
		}
		for _, t := range s.atRest(resting) {
			at, err := s.ask.unreadable(s.ctx, s.cl, t.part.TopicPartition, t.from, s.ends.ends[t.part.TopicPartition])
			if err == nil && at > t.from {
				s.skipTail(t, at)
			}
		}
	}
}

// atRest are the partitions that are to be asked now; resting is what it knows of them from the
// last time, and for the next.
func (s *session[K, V, T]) atRest(resting map[TopicPartition]tail) (due []tail) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range resting {
		if s.parts[p] == nil {
			delete(resting, p)
		}
	}
	for _, p := range s.parts {
		from := p.next
		if from < 0 {
			from = s.ends.first[p.TopicPartition]
		}
		waits := p.assignment != nil && p.located && !p.revoking && !p.missed && !p.userPaused && !p.held && len(p.staged) == 0 &&
			!p.rewinding() && p.assignment.Queued() == 0 && !s.ends.passed(p.TopicPartition, p.next)
		t, known := resting[p.TopicPartition]
		switch {
		case !waits:
			delete(resting, p.TopicPartition)
			continue
		case !known || t.part != p || t.from != from:
			resting[p.TopicPartition] = tail{part: p, from: from, pause: tailPatience, due: now.Add(tailPatience)}
			continue
		case now.Before(t.due):
			continue
		}
		t.pause = min(2*t.pause, tailLongest)
		t.due = now.Add(t.pause)
		resting[p.TopicPartition] = t
		due = append(due, t)
	}
	return due
}

// skipTail notes that there is nothing to read of a partition up to an offset, unless something has
// come of it meanwhile.
func (s *session[K, V, T]) skipTail(t tail, to int64) {
	s.mu.Lock()
	p := t.part
	same := p.next == t.from || p.next < 0 && t.from == s.ends.first[p.TopicPartition]
	if s.parts[p.TopicPartition] == p && same && !p.revoking && !p.missed && !p.rewinding() {
		p.next = to
	}
	s.mu.Unlock()
	s.bell.Ring()
}

// unreadable returns the offset up to which a partition holds nothing to read, at most end; from
// where there is something, or where it is not known.
func (a *asker) unreadable(ctx context.Context, cl *kgo.Client, p TopicPartition, from, end int64) (int64, error) {
	at := from
	for at < end {
		answer, err := a.fetch(ctx, cl, p, at)
		if err != nil || answer == nil {
			return at, err
		}
		decompress, _ := cl.OptValue(kgo.WithDecompressor).(kgo.Decompressor)
		opts := kgo.ProcessFetchPartitionOpts{KeepControlRecords: true, Offset: at, IsolationLevel: kgo.ReadUncommitted(), Topic: p.Topic, Partition: p.Partition}
		reaches := answer.HighWatermark
		if a.cfg.Isolation() == settings.ReadCommitted {
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
		case len(answer.RecordBatches) == 0 && reaches >= end && a.keptByLeader(ctx, p, at):
			at = end
		default:
			return at, nil
		}
	}
	return min(at, end), nil
}

// fetch asks a partition's leader for what lies from an offset on; nil where it has not answered
// that.
func (a *asker) fetch(ctx context.Context, cl *kgo.Client, p TopicPartition, from int64) (*kmsg.FetchResponseTopicPartition, error) {
	meta, err := a.adm.ListTopics(ctx, p.Topic)
	if err != nil {
		return nil, err
	}
	leader, ok := meta[p.Topic].Partitions[p.Partition]
	if !ok || leader.Err != nil || leader.Leader < 0 {
		return nil, leader.Err
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes = int32(a.cfg.FetchMaxWait().Milliseconds()), 1
	req.MaxBytes = 1 // a batch is not cut for that: the first one comes whole
	if a.cfg.Isolation() == settings.ReadCommitted {
		req.IsolationLevel = 1
	}
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = p.Topic, meta[p.Topic].ID
	partition := kmsg.NewFetchRequestTopicPartition()
	partition.Partition, partition.FetchOffset, partition.PartitionMaxBytes = p.Partition, from, 1
	topic.Partitions = append(topic.Partitions, partition)
	req.Topics = append(req.Topics, topic)
	answer, err := cl.Broker(int(leader.Leader)).Request(ctx, req)
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
func (a *asker) keptByLeader(ctx context.Context, p TopicPartition, offset int64) bool {
	first, err := list(ctx, []TopicPartition{p}, a.adm.ListLocalLogStartOffsets)
	if err != nil {
		return !passingAnswer(err) // who does not know the question has no remote storage
	}
	return first[p] <= offset
}
