package lookup

import (
	"context"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/fault"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/settings"
)

// Tail is what lies from an offset of a partition up to an end.
type Tail struct {
	topics.Partition
	From, End int64

	topic [16]byte // its id, written by Leaders
}

// Failures are what stood in the way of answers, by partition.
type Failures map[topics.Partition]error

// Leaders says who leads the partitions of tails.
func (q *Questions) Leaders(ctx context.Context, tails []Tail) (map[int32][]Tail, Failures) {
	of, failed := map[int32][]Tail{}, Failures{}
	ps := make([]topics.Partition, 0, len(tails))
	for _, t := range tails {
		ps = append(ps, t.Partition)
	}
	meta, err := q.adm.ListTopics(ctx, topics.Names(ps)...)
	for _, t := range tails {
		topic := meta[t.Topic]
		at, there := topic.Partitions[t.Partition.Partition]
		switch {
		case err != nil:
			failed[t.Partition] = err
		case topic.Err != nil:
			failed[t.Partition] = topic.Err
		case !there:
			failed[t.Partition] = kerr.UnknownTopicOrPartition
		case at.Err != nil:
			failed[t.Partition] = at.Err
		case at.Leader < 0:
			failed[t.Partition] = kerr.LeaderNotAvailable
		default:
			t.topic = topic.ID
			of[at.Leader] = append(of[at.Leader], t)
		}
	}
	return of, failed
}

// What an answer about tails may bring, and of one partition. It is looked at and not used.
const (
	tailsBytes = 1 << 20
	tailBytes  = 64 << 10
)

// Unreadable returns the offset up to which each of the tails that a broker leads holds nothing to
// read, at most its end; its beginning where there is something, or where it is not known.
//
// All are asked for at once, and what is left open again. Of an answer that brings any batch the
// partitions without one are left open: there was no room for theirs, perhaps. A batch is never cut
// for that, so each answer closes or moves one tail at least, or is the last.
func (q *Questions) Unreadable(ctx context.Context, leader int32, tails []Tail) (map[topics.Partition]int64, Failures) {
	upTo, failed := map[topics.Partition]int64{}, Failures{}
	open := map[topics.Partition]Tail{}
	for _, t := range tails {
		upTo[t.Partition] = t.From
		if t.From < t.End {
			open[t.Partition] = t
		}
	}
	for len(open) > 0 {
		resp, err := q.fetch(ctx, leader, open)
		if err != nil {
			for p := range open {
				failed[p] = err
			}
			break
		}
		batches := false
		var empty []Tail
		for _, a := range q.answers(resp, open) {
			t := open[a.Partition]
			next, records, err := q.lookInto(t, a.answer)
			switch {
			case err != nil:
				failed[t.Partition] = err
				delete(open, t.Partition)
			case len(a.answer.RecordBatches) == 0:
				if q.reaches(a.answer) >= t.End {
					empty = append(empty, t)
				}
			case records || next <= t.From || next >= t.End:
				batches = true
				upTo[t.Partition] = min(max(next, t.From), t.End)
				delete(open, t.Partition)
			default:
				batches = true
				t.From = next
				upTo[t.Partition], open[t.Partition] = next, t
			}
		}
		if batches {
			continue
		}
		for _, t := range q.keptByLeader(ctx, empty) {
			upTo[t.Partition] = t.End
		}
		break
	}
	return upTo, failed
}

// lookInto returns where what a partition's leader has answered goes on, or the offset of its first
// record.
func (q *Questions) lookInto(t Tail, answer *kmsg.FetchResponseTopicPartition) (next int64, records bool, err error) {
	decompress, _ := q.cl.OptValue(kgo.WithDecompressor).(kgo.Decompressor)
	opts := kgo.ProcessFetchPartitionOpts{
		KeepControlRecords: true, Offset: t.From, IsolationLevel: kgo.ReadUncommitted(), Topic: t.Topic, Partition: t.Partition.Partition,
	}
	if q.cfg.Isolation() == settings.ReadCommitted {
		opts.IsolationLevel = kgo.ReadCommitted()
	}
	got, next := kgo.ProcessFetchPartition(opts, answer, decompress, nil)
	if len(got.Records) > 0 {
		return got.Records[0].Offset, true, got.Err
	}
	return next, false, got.Err
}

// reaches is the offset up to which an answer could have brought records.
func (q *Questions) reaches(answer *kmsg.FetchResponseTopicPartition) int64 {
	if q.cfg.Isolation() == settings.ReadCommitted {
		return answer.LastStableOffset
	}
	return answer.HighWatermark
}

// answered is what a leader has said of a partition.
type answered struct {
	topics.Partition
	answer *kmsg.FetchResponseTopicPartition
}

// answers are those that there are to open tails. Who names another replica has not answered.
func (q *Questions) answers(resp *kmsg.FetchResponse, open map[topics.Partition]Tail) (all []answered) {
	names := map[[16]byte]string{} // newer answers know topics by their ids alone
	for p, t := range open {
		if t.topic != ([16]byte{}) {
			names[t.topic] = p.Topic
		}
	}
	for i := range resp.Topics {
		topic := &resp.Topics[i]
		name := topic.Topic
		if name == "" {
			name = names[topic.TopicID]
		}
		for j := range topic.Partitions {
			a := answered{topics.Partition{Topic: name, Partition: topic.Partitions[j].Partition}, &topic.Partitions[j]}
			if _, asked := open[a.Partition]; asked && a.answer.PreferredReadReplica < 0 {
				all = append(all, a)
			}
		}
	}
	return all
}

// fetch asks a leader for what lies in tails. It is not to wait: what is there is there.
func (q *Questions) fetch(ctx context.Context, leader int32, tails map[topics.Partition]Tail) (*kmsg.FetchResponse, error) {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 0, 1, tailsBytes
	if q.cfg.Isolation() == settings.ReadCommitted {
		req.IsolationLevel = 1
	}
	of := map[string]int{}
	ps := slices.Collect(maps.Keys(tails))
	topics.Sort(ps)
	for _, p := range ps {
		t := tails[p]
		i, known := of[p.Topic]
		if !known {
			i = len(req.Topics)
			of[p.Topic] = i
			topic := kmsg.NewFetchRequestTopic()
			topic.Topic, topic.TopicID = p.Topic, t.topic
			req.Topics = append(req.Topics, topic)
		}
		partition := kmsg.NewFetchRequestTopicPartition()
		partition.Partition, partition.FetchOffset, partition.PartitionMaxBytes = p.Partition, t.From, tailBytes
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, partition)
	}
	answer, err := q.cl.Broker(int(leader)).Request(ctx, req)
	if err != nil {
		return nil, err
	}
	resp := answer.(*kmsg.FetchResponse)
	return resp, kerr.ErrorForCode(resp.ErrorCode)
}

// keptByLeader are the tails that leaders keep themselves, and not in remote storage, from where an
// answer may be late. It does not say what stood in the way: they are asked for again.
func (q *Questions) keptByLeader(ctx context.Context, tails []Tail) (kept []Tail) {
	if len(tails) == 0 {
		return nil
	}
	ps := make([]topics.Partition, 0, len(tails))
	for _, t := range tails {
		ps = append(ps, t.Partition)
	}
	first, err := q.adm.ListLocalLogStartOffsets(ctx, topics.Names(ps)...)
	for _, t := range tails {
		at, there := first.Lookup(t.Topic, t.Partition.Partition)
		problem := err
		switch {
		case problem == nil && !there:
			problem = &fault.FetchError{Topic: t.Topic, Partition: t.Partition.Partition, Err: kerr.UnknownTopicOrPartition}
		case problem == nil:
			problem = at.Err
		}
		// who does not know the question has no remote storage
		if problem == nil && at.Offset <= t.From || problem != nil && !Passing(problem) {
			kept = append(kept, t)
		}
	}
	return kept
}
