package transaction

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/commit"
	"github.com/vicuna-go/vicuna/internal/topics"
)

var (
	errNoCoordinator = errors.New("the group's coordinator was not named")
	errNoAnswer      = errors.New("the broker's answer does not name each partition")
	errNoGroup       = errors.New("the client is in no group")
)

// stage puts the offsets of a cut into the open transaction: they are the group's when it commits.
// It tries until ctx ends. What it was asked for is returned also where it fails.
func (t *Transactions) stage(ctx context.Context, offsets []commit.Offset) (map[topics.Partition]staged, error) {
	if t.group == "" {
		return nil, errNoGroup
	}
	if !t.implicit {
		if err := t.trying(ctx, t.addGroup, again); err != nil {
			return nil, fmt.Errorf("the group could not be added to the transaction: %w", err)
		}
	}
	var cut map[topics.Partition]staged
	err := t.trying(ctx, func(ctx context.Context) error {
		req, err := t.newRequest(ctx, offsets)
		if err != nil {
			return err
		}
		cut = req.cut
		return t.send(ctx, req)
	}, again)
	if err != nil {
		err = fmt.Errorf("the offsets could not be put into the transaction: %w", err)
	}
	return cut, err
}

// trying calls f until it succeeds, fails in another way than these, or ctx ends; then what it has
// said last is returned.
func (t *Transactions) trying(ctx context.Context, f func(context.Context) error, passing ...verdict) (err error) {
	for tries := 0; ; tries++ {
		last := err
		err = f(ctx)
		if err == nil {
			return nil
		}
		if last != nil && ctx.Err() != nil && judge(err) == gone {
			return last // that the time is over says less than what it was used up by
		}
		if !slices.Contains(passing, judge(err)) || !t.pause(ctx, tries) {
			return err
		}
	}
}

// addGroup adds the group to the transaction, for brokers that do not by themselves.
func (t *Transactions) addGroup(ctx context.Context) error {
	id, epoch, err := t.cl.ProducerID(ctx)
	if err != nil {
		return err
	}
	req := kmsg.NewPtrAddOffsetsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = t.id, id, epoch, t.group
	resp, err := req.RequestWith(ctx, t.cl)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.ErrorCode)
}

// pinned is a TxnOffsetCommit that is sent in no newer version than most.
type pinned struct {
	*kmsg.TxnOffsetCommitRequest
	cut  map[topics.Partition]staged
	most int16
}

// MaxVersion implements kmsg.Request: the client negotiates no newer one.
func (p *pinned) MaxVersion() int16 { return p.most }

const (
	explicitVersion = 4 // the newest that wants the group to have been added
	namedVersion    = 5 // the newest that names topics by their names
)

// newRequest makes a request for the offsets as the member that the client is now. An offset that
// is another's to commit is commit.ErrGone: it cannot be left out, since the transaction has the
// records that were made of what lies before it.
func (t *Transactions) newRequest(ctx context.Context, offsets []commit.Offset) (*pinned, error) {
	id, epoch, err := t.cl.ProducerID(ctx)
	if err != nil {
		return nil, err
	}
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = t.id, id, epoch, t.group
	req.MemberID, req.Generation = t.cl.GroupMetadata()
	if req.MemberID == "" {
		return nil, kerr.UnknownMemberID // it was put out, and is not in the group again
	}
	if t.instance != "" {
		req.InstanceID = &t.instance
	}
	p := &pinned{TxnOffsetCommitRequest: req, cut: make(map[topics.Partition]staged, len(offsets)), most: req.MaxVersion()}
	if !t.implicit {
		p.most = explicitVersion
	}
	index := map[string]int{}
	for _, o := range offsets {
		if !o.Owner.By(req.MemberID) {
			return nil, fmt.Errorf("%v: %w", o.Partition, commit.ErrGone)
		}
		i, ok := index[o.Topic]
		if !ok {
			i = len(req.Topics)
			index[o.Topic] = i
			topic := kmsg.NewTxnOffsetCommitRequestTopic()
			topic.Topic, topic.TopicID = o.Topic, t.ids[o.Topic]
			req.Topics = append(req.Topics, topic)
			if topic.TopicID == ([16]byte{}) {
				p.most = min(p.most, namedVersion)
			}
		}
		// Without metadata of its own an offset says which member has committed it, as franz-go's
		// do: who looks for the outcome can tell it from the same offset of the next owner.
		metadata := req.MemberID
		if o.HasMetadata {
			metadata = o.Metadata
		}
		part := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		part.Partition, part.Offset, part.LeaderEpoch, part.Metadata = o.Partition.Partition, o.Offset, o.Epoch, &metadata
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, part)
		p.cut[o.Partition] = staged{offset: o.Offset, metadata: metadata, marked: !o.HasMetadata, owner: o.Owner}
	}
	return p, nil
}

// send sends a request to the group's coordinator, by its id: see the package comment on versions.
func (t *Transactions) send(ctx context.Context, req *pinned) error {
	if t.coordinator < 0 {
		if err := t.findCoordinator(ctx); err != nil {
			return err
		}
	}
	kresp, err := t.cl.Broker(int(t.coordinator)).Request(ctx, req)
	if err != nil {
		t.coordinator = -1
		return err
	}
	resp, ok := kresp.(*kmsg.TxnOffsetCommitResponse)
	if !ok {
		return errNoAnswer
	}
	return t.answered(req, resp)
}

// findCoordinator asks for the group's coordinator.
func (t *Transactions) findCoordinator(ctx context.Context) error {
	found, ok := kadm.NewClient(t.cl).FindGroupCoordinators(ctx, t.group)[t.group]
	switch {
	case !ok:
		return errNoCoordinator
	case found.Err != nil:
		return found.Err
	}
	t.coordinator = found.NodeID
	return nil
}

// answered returns the first answer that forbids the commit, else one that may be better later.
func (t *Transactions) answered(req *pinned, resp *kmsg.TxnOffsetCommitResponse) error {
	var final, later error
	left := len(req.cut)
	for _, topic := range resp.Topics {
		for _, p := range topic.Partitions {
			left--
			err := kerr.ErrorForCode(p.ErrorCode)
			switch {
			case err == nil:
			case judge(err) != again:
				if final == nil {
					final = err
				}
			default:
				if later == nil {
					later = err
				}
				if !errors.Is(err, kerr.ConcurrentTransactions) {
					t.coordinator = -1
				}
			}
		}
	}
	switch {
	case final != nil:
		return final
	case later != nil:
		return later
	case left > 0:
		return errNoAnswer
	}
	return nil
}
