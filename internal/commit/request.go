package commit

import (
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/topics"
)

// request is a member's commit that is made, and the outcome of each of its offsets.
type request struct {
	m       *Member
	all     []Offset
	index   map[topics.Partition]int
	offsets topics.ByPartition[kgo.EpochOffset]
	results []error
}

// newRequest makes a request of which no offset has an outcome.
func (m *Member) newRequest(all []Offset) *request {
	r := &request{
		m: m, all: all, index: make(map[topics.Partition]int, len(all)),
		offsets: topics.ByPartition[kgo.EpochOffset]{}, results: make([]error, len(all)),
	}
	for i, o := range all {
		r.index[o.Partition] = i
		r.offsets.Set(o.Partition, kgo.EpochOffset{Epoch: o.Epoch, Offset: o.Offset})
		r.results[i] = errNoAnswer
	}
	return r
}

// fail is the outcome of all offsets that have none yet.
func (r *request) fail(err error) {
	for i := range r.results {
		if errors.Is(r.results[i], errNoAnswer) {
			r.results[i] = err
		}
	}
}

// answered takes the broker's answer. From OffsetCommit 10 on that names topics by their ids alone.
// The client puts their names in, but not where it has fetched no offsets of its group yet, as in
// the first Assigned function.
func (r *request) answered(req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse) {
	for _, t := range resp.Topics {
		topic := t.Topic
		for i := 0; topic == "" && i < len(req.Topics); i++ {
			if req.Topics[i].TopicID == t.TopicID {
				topic = req.Topics[i].Topic
			}
		}
		for _, p := range t.Partitions {
			if i, ok := r.index[topics.Partition{Topic: topic, Partition: p.Partition}]; ok {
				r.results[i] = kerr.ErrorForCode(p.ErrorCode)
			}
		}
	}
}

// prune leaves out of a request what is not ours to commit any more, and adds what goes with an
// offset. ErrGone: nothing is left.
func (r *request) prune(req *kmsg.OffsetCommitRequest) error {
	left := 0
	for t := range req.Topics {
		topic := &req.Topics[t]
		kept := topic.Partitions[:0]
		for _, part := range topic.Partitions {
			i, ok := r.index[topics.Partition{Topic: topic.Topic, Partition: part.Partition}]
			if !ok {
				continue // nobody has asked for it, so nobody knows whose it is
			}
			o := r.all[i]
			if !o.Owner.By(req.MemberID) {
				r.results[i] = ErrGone
				continue
			}
			if o.HasMetadata {
				part.Metadata = kmsg.StringPtr(o.Metadata)
			} else if text, ok := r.m.label(topic.Topic); ok {
				part.Metadata = kmsg.StringPtr(text)
			}
			kept = append(kept, part)
		}
		topic.Partitions = kept
		left += len(kept)
	}
	req.Topics = slices.DeleteFunc(req.Topics, func(t kmsg.OffsetCommitRequestTopic) bool { return len(t.Partitions) == 0 })
	if left == 0 {
		return ErrGone
	}
	return nil
}
