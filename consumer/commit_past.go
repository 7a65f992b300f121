package consumer

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// While a join of the group is on the client commits nothing, so that its commits lie on one side
// of it or on the other. Ours need not wait: what is committed then is of partitions that this
// member keeps in the join, as those that it does not keep were revoked before it, and a
// coordinator accepts commits of the generation that goes on until all have joined. From then on
// until it has spread the new one it refuses them with REBALANCE_IN_PROGRESS, and a commit of a
// generation that is over with ILLEGAL_GENERATION: both come again. So a member that ends in a join
// that lasts does not lose what it has finished, and no partition's commits stand still in another
// member's revoke.

// topicIDs are the ids of topics, as fetches have told them. Brokers that know them want them in a
// commit, and a topic that was made anew has another one.
type topicIDs map[string][16]byte

// fetched notes a topic's id.
func (c *committer) fetched(topic string, id [16]byte) {
	if id == ([16]byte{}) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ids == nil {
		c.ids = topicIDs{}
	}
	c.ids[topic] = id
}

// knows reports whether the ids of all topics of offsets are known.
func (c *committer) knows(offsets map[string]map[int32]kgo.EpochOffset) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for topic := range offsets {
		if _, ok := c.ids[topic]; !ok {
			return false
		}
	}
	return true
}

// topics are those of offsets for a request; their ids are known.
func (c *committer) topics(offsets map[string]map[int32]kgo.EpochOffset) []kmsg.OffsetCommitRequestTopic {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]kmsg.OffsetCommitRequestTopic, 0, len(offsets))
	for topic, ps := range offsets {
		t := kmsg.NewOffsetCommitRequestTopic()
		t.Topic, t.TopicID = topic, c.ids[topic]
		for partition, o := range ps {
			p := kmsg.NewOffsetCommitRequestTopicPartition()
			p.Partition, p.Offset, p.LeaderEpoch = partition, o.Offset, o.Epoch
			t.Partitions = append(t.Partitions, p)
		}
		all = append(all, t)
	}
	return all
}

// commitPast commits past the client; the ids of the topics are known.
func (c *committer) commitPast(ctx context.Context, b *commitBatch) {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group = c.cfg.Group()
	if req.MemberID, req.Generation = c.cl.GroupMetadata(); req.MemberID == "" {
		b.fail(kerr.UnknownMemberID) // it was put out, and is not in the group again
		return
	}
	if id := c.cfg.InstanceID(); id != "" {
		req.InstanceID = &id
	}
	req.Topics = c.topics(b.offsets)
	if err := b.prune(req); err != nil {
		return
	}
	resp, err := req.RequestWith(ctx, c.cl)
	if err != nil {
		b.fail(err)
		return
	}
	b.answered(req, resp)
}

// commitBatch is a commit that is made, and the outcome of each of its offsets.
type commitBatch struct {
	c       *committer
	marks   []commit
	index   map[TopicPartition]int
	offsets map[string]map[int32]kgo.EpochOffset
	results []error
}

func (c *committer) newBatch(marks []commit) *commitBatch {
	b := &commitBatch{
		c: c, marks: marks, index: make(map[TopicPartition]int, len(marks)),
		offsets: map[string]map[int32]kgo.EpochOffset{}, results: make([]error, len(marks)),
	}
	for i, m := range marks {
		b.index[m.TopicPartition] = i
		if b.offsets[m.Topic] == nil {
			b.offsets[m.Topic] = map[int32]kgo.EpochOffset{}
		}
		b.offsets[m.Topic][m.Partition] = kgo.EpochOffset{Epoch: m.Epoch, Offset: m.Offset}
		b.results[i] = errNoAnswer
	}
	return b
}

// fail is the outcome of all offsets that have none yet.
func (b *commitBatch) fail(err error) {
	for i := range b.results {
		if b.results[i] == errNoAnswer {
			b.results[i] = err
		}
	}
}

// answered takes the broker's answer. From OffsetCommit 10 on that names topics by their ids alone.
// The client puts their names in, but not where it has fetched no offsets of its group yet, as in
// the first Assigned function.
func (b *commitBatch) answered(req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse) {
	for _, t := range resp.Topics {
		topic := t.Topic
		for i := 0; topic == "" && i < len(req.Topics); i++ {
			if req.Topics[i].TopicID == t.TopicID {
				topic = req.Topics[i].Topic
			}
		}
		for _, p := range t.Partitions {
			if i, ok := b.index[TopicPartition{Topic: topic, Partition: p.Partition}]; ok {
				b.results[i] = kerr.ErrorForCode(p.ErrorCode)
			}
		}
	}
}
