package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/tracker"
	"github.com/vicuna-go/vicuna/settings"
)

// commit is an offset to be committed.
type commit struct {
	TopicPartition
	tracker.Mark
	metadata    string
	hasMetadata bool
	back        bool // may go back
	owner       *ownership
}

// ownership says whether an offset may still be committed. The group accepts whatever a member of
// today's generation sends, also of a partition that it had in an earlier life: so each commit is
// looked at once more when its request is made.
type ownership struct {
	member string // the client's id in the group when the partition was assigned
	gone   atomic.Bool
}

// by reports whether the member may commit.
func (o *ownership) by(member string) bool {
	return o == nil || !o.gone.Load() && (o.member == "" || member == "" || o.member == member)
}

// errGone is the outcome of an offset that is not ours to commit any more.
var errGone = errors.New("the partition is not this member's any more")

// send makes one commit of what is new; whose turn it is. ctx bounds the waiting before it. What is
// not ours to commit any more is left out, and counted in strange.
func (c *committer) send(ctx context.Context, marks []commit) (again bool, err error) {
	c.strange = 0
	c.mu.Lock()
	for p := range c.forgotten {
		delete(c.done, p)
	}
	clear(c.forgotten)
	c.mu.Unlock()
	fresh := marks[:0:0]
	for _, m := range marks {
		if was, ok := c.done[m.TopicPartition]; ok && (m.Offset == was.Offset && !was.unsure || m.Offset < was.Offset && !m.back) {
			continue
		}
		fresh = append(fresh, m)
	}
	if len(fresh) == 0 {
		return false, nil
	}
	c.commits.Add(1)
	results := c.request(ctx, fresh)
	for i, m := range fresh {
		if e := results[i]; e != nil && !errors.Is(e, errGone) {
			was, ok := c.done[m.TopicPartition]
			if !ok {
				was.Offset = -1 // lower than any
			}
			was.unsure = true // the group may have it
			c.done[m.TopicPartition] = was
		}
		switch e := results[i]; {
		case e == nil:
			c.done[m.TopicPartition] = committed{Mark: m.Mark}
		case errors.Is(e, errGone):
			c.strange++
		case c.passing(e):
			again = true
			if !errors.Is(e, kerr.RebalanceInProgress) && c.trouble.begins("commit") {
				c.log.Warn("vicuna: a commit will be tried again", "group", c.cfg.Group(), "partition", m.TopicPartition.String(), "offset", m.Offset, "error", e)
			}
		default:
			err = errors.Join(err, &CommitError{Group: c.cfg.Group(), Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Err: e})
		}
	}
	if again || err != nil {
		c.failures.Add(1)
	} else if took, was := c.trouble.over("commit"); was {
		c.log.Info("vicuna: commits succeed again", "group", c.cfg.Group(), "after", took)
	}
	return again, err
}

// passing reports whether a failed commit may succeed later. A member that the group does not know
// any more loses its partitions, and is told so: its commits do not matter then.
func (c *committer) passing(err error) bool {
	for _, e := range []error{
		kerr.RebalanceInProgress, kerr.UnknownMemberID, kerr.IllegalGeneration, kerr.StaleMemberEpoch, kerr.FencedMemberEpoch,
		kerr.UnstableOffsetCommit, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	if code, ok := errors.AsType[*kerr.Error](err); ok {
		return code.Retriable
	}
	return !errors.Is(err, kgo.ErrClientClosed) // a connection that broke
}

// request sends a commit and returns the outcome of each offset. ctx bounds the waiting before it.
func (c *committer) request(ctx context.Context, marks []commit) []error {
	if c.manual {
		return c.administer(c.life, marks)
	}
	b := c.newBatch(marks)
	switch past := c.knows(b.offsets); {
	case !past:
		c.commitThrough(ctx, b)
		return b.results
	case c.joins.waiting():
		c.commitPast(c.life, b)
		return b.results
	}
	noJoin, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer c.joins.watch(func() { cancel(errJoins) })()
	if c.commitThrough(noJoin, b); errors.Is(b.results[0], errJoins) {
		b = c.newBatch(marks)
		c.commitPast(c.life, b)
	}
	return b.results
}

// commitThrough commits with the client, which waits for a join that is on, and ctx bounds that.
func (c *committer) commitThrough(wait context.Context, b *commitBatch) {
	ctx, cancel := context.WithCancelCause(c.life)
	defer cancel(nil)
	inTime := context.AfterFunc(wait, func() { cancel(context.Cause(wait)) })
	defer inTime()
	ctx = kgo.PreCommitFnContext(ctx, func(req *kmsg.OffsetCommitRequest) error {
		if !inTime() {
			return context.Cause(wait)
		}
		return b.prune(req)
	})
	c.cl.CommitOffsetsSync(ctx, b.offsets, func(_ *kgo.Client, req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		switch {
		case err == nil:
			b.answered(req, resp)
		case errors.Is(context.Cause(ctx), errJoins):
			// the client says no more than that it was cancelled
			b.fail(errJoins)
		default:
			b.fail(err)
		}
	})
}

// prune leaves out of a request what is not ours to commit any more, and adds what goes with an
// offset. errGone: nothing is left.
func (b *commitBatch) prune(req *kmsg.OffsetCommitRequest) error {
	left := 0
	for t := range req.Topics {
		topic := &req.Topics[t]
		kept := topic.Partitions[:0]
		for _, part := range topic.Partitions {
			i := b.index[TopicPartition{Topic: topic.Topic, Partition: part.Partition}]
			m := b.marks[i]
			if !m.owner.by(req.MemberID) {
				b.results[i] = errGone
				continue
			}
			if m.hasMetadata {
				part.Metadata = kmsg.StringPtr(m.metadata)
			} else if n, ok := b.c.marks.beganWith(topic.Topic); ok && b.c.cfg.StartFrom() == settings.Latest {
				part.Metadata = kmsg.StringPtr(fmt.Sprintf(countMark, n))
			}
			kept = append(kept, part)
		}
		topic.Partitions = kept
		left += len(kept)
	}
	req.Topics = slices.DeleteFunc(req.Topics, func(t kmsg.OffsetCommitRequestTopic) bool { return len(t.Partitions) == 0 })
	if left == 0 {
		return errGone
	}
	return nil
}

var errNoAnswer = errors.New("the broker's answer does not name the partition")

// administer commits without a membership.
func (c *committer) administer(ctx context.Context, marks []commit) []error {
	var offsets kadm.Offsets
	for _, m := range marks {
		offsets.Add(kadm.Offset{Topic: m.Topic, Partition: m.Partition, At: m.Offset, LeaderEpoch: m.Epoch, Metadata: m.metadata})
	}
	results := make([]error, len(marks))
	answers, err := c.ask.adm.CommitOffsets(ctx, c.cfg.Group(), offsets)
	for i, m := range marks {
		switch a, ok := answers.Lookup(m.Topic, m.Partition); {
		case err != nil:
			results[i] = err
		case !ok:
			results[i] = errNoAnswer
		default:
			results[i] = a.Err
		}
	}
	return results
}
