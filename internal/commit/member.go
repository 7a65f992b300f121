package commit

import (
	"context"
	"errors"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/fault"
	"github.com/vicuna-go/vicuna/internal/membership"
)

// Member commits to its group, through the client and past it.
//
// While a join of the group is on the client commits nothing, so that its commits lie on one side
// of it or on the other. Ours need not wait: what is committed then is of partitions that this
// member keeps in the join, as those that it does not keep were revoked before it, and a
// coordinator accepts commits of the generation that goes on until all have joined. From then on
// until it has spread the new one it refuses them with REBALANCE_IN_PROGRESS, and a commit of a
// generation that is over with ILLEGAL_GENERATION: both come again. So a member that ends in a join
// that lasts does not lose what it has finished, and no partition's commits stand still in another
// member's revoke.
type Member struct {
	// Written by NewMember.
	cl       *kgo.Client
	joins    *membership.Joins
	group    string
	instance string
	label    func(topic string) (text string, ok bool)

	mu sync.Mutex
	// ids are those of topics. Brokers that know them want them in a commit, and a topic that was
	// made anew has another one. Brokers before 3.1 do not tell them in a fetch, and take commits
	// by the topics' names (OffsetCommit 10 is younger than Fetch 13): a zero id is known, too.
	// Under mu: whoever looks the topics up when the run begins writes them, and the poller.
	ids map[string][16]byte
}

var _ Store = (*Member)(nil)

// NewMember commits as the client, which is a member of the group; instance is its static id or "".
// label says what is committed with an offset of a topic that has no metadata of its own.
func NewMember(cl *kgo.Client, joins *membership.Joins, group, instance string, label func(topic string) (string, bool)) *Member {
	return &Member{cl: cl, joins: joins, group: group, instance: instance, label: label, ids: map[string][16]byte{}}
}

// Identify notes a topic's id, as the brokers' metadata or a fetch has told it: zero, where they
// know no ids of topics. Any goroutine.
func (m *Member) Identify(topic string, id [16]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.ids[topic]; !known || id != ([16]byte{}) {
		m.ids[topic] = id
	}
}

// Passing implements Store. A member that the group does not know any more loses its partitions,
// and is told so: its commits do not matter then.
func (m *Member) Passing(err error) bool { return fault.Any(err, ofMembers...) || passing(err) }

// Commit implements Store. It is one request, so all of it goes through the client where the id of
// one topic is not known. That is so until the run has looked its topics up once: nothing is in
// flight then that a join could hold up.
func (m *Member) Commit(wait, life context.Context, all []Offset) []error {
	r := m.newRequest(all)
	switch {
	case !m.knows(r.offsets):
		m.commitThrough(wait, life, r)
		return r.results
	case m.joins.Waiting():
		m.commitPast(life, r)
		return r.results
	}
	noJoin, cancel := context.WithCancelCause(wait)
	defer cancel(nil)
	defer m.joins.Watch(func() { cancel(membership.ErrJoining) })()
	if m.commitThrough(noJoin, life, r); errors.Is(r.results[0], membership.ErrJoining) {
		r = m.newRequest(all)
		m.commitPast(life, r)
	}
	return r.results
}

// commitThrough commits with the client, which waits for a join that is on, and wait bounds that.
func (m *Member) commitThrough(wait, life context.Context, r *request) {
	ctx, cancel := context.WithCancelCause(life)
	defer cancel(nil)
	inTime := context.AfterFunc(wait, func() { cancel(context.Cause(wait)) })
	defer inTime()
	ctx = kgo.PreCommitFnContext(ctx, func(req *kmsg.OffsetCommitRequest) error {
		if !inTime() {
			return context.Cause(wait)
		}
		return r.prune(req)
	})
	m.cl.CommitOffsetsSync(ctx, r.offsets, func(_ *kgo.Client, req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		switch {
		case err == nil:
			r.answered(req, resp)
		case errors.Is(context.Cause(ctx), membership.ErrJoining):
			// the client says no more than that it was cancelled
			r.fail(membership.ErrJoining)
		default:
			r.fail(err)
		}
	})
}

// commitPast commits past the client; the ids of the topics are known.
func (m *Member) commitPast(life context.Context, r *request) {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group = m.group
	if req.MemberID, req.Generation = m.cl.GroupMetadata(); req.MemberID == "" {
		r.fail(kerr.UnknownMemberID) // it was put out, and is not in the group again
		return
	}
	if m.instance != "" {
		req.InstanceID = &m.instance
	}
	req.Topics = m.topics(r.offsets)
	if err := r.prune(req); err != nil {
		return
	}
	resp, err := req.RequestWith(life, m.cl)
	if err != nil {
		r.fail(err)
		return
	}
	r.answered(req, resp)
}

// knows reports whether the ids of all topics of offsets are known.
func (m *Member) knows(offsets map[string]map[int32]kgo.EpochOffset) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for topic := range offsets {
		if _, ok := m.ids[topic]; !ok {
			return false
		}
	}
	return true
}

// topics are those of offsets for a request; their ids are known.
func (m *Member) topics(offsets map[string]map[int32]kgo.EpochOffset) []kmsg.OffsetCommitRequestTopic {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]kmsg.OffsetCommitRequestTopic, 0, len(offsets))
	for topic, ps := range offsets {
		t := kmsg.NewOffsetCommitRequestTopic()
		t.Topic, t.TopicID = topic, m.ids[topic]
		for partition, o := range ps {
			p := kmsg.NewOffsetCommitRequestTopicPartition()
			p.Partition, p.Offset, p.LeaderEpoch = partition, o.Offset, o.Epoch
			t.Partitions = append(t.Partitions, p)
		}
		all = append(all, t)
	}
	return all
}
