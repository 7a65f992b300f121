package transaction

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/fault"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// Doubt is a transaction that was asked to commit, and whose outcome did not come back.
type Doubt struct {
	id, group string
	cut       map[topics.Partition]staged
	before    map[topics.Partition]int64 // what was committed, of those of which it is known
	producer  int64                      // the id
	epoch     int16                      // in which it was open
	since     time.Time
	expired   bool  // the brokers may have ended it by their time-out
	why       error // what came instead of the answer
}

// settle finds out what has become of a transaction: it makes sure that it ends, and reads the
// group's offsets.
func (t *Transactions) settle(life context.Context, d *Doubt) Outcome {
	ctx, cancel := t.ending(life)
	defer cancel()
	t.open = false
	d.expired = t.timedOut()
	client, err := t.end(ctx, d.why)
	if client == Unusable && !d.expired {
		t.outdate(life, d)
	}
	reading, done := t.ending(life)
	defer done()
	ended, reason := t.find(reading, d)
	if ended == Unresolved && client == Usable && len(d.cut) > 0 {
		// What is still open would become part of the next transaction, or none could follow.
		client, err = Unusable, d.why
	}
	t.tell(d, ended, reason)
	o := t.found(d, ended, reason)
	why := o.Cause
	if why == None {
		why = Lost // it was committed, and the client has failed for want of the answer
	}
	return t.with(o, client, why, err)
}

// outdate ends what is open in the doubt's epoch, as a client whose id has failed for good cannot
// any more. The request names the epoch, so that it is refused where another instance has a newer
// one: it fences nobody else. That it may fail is no matter: what is read afterwards is only told
// when nothing is open.
func (t *Transactions) outdate(life context.Context, d *Doubt) {
	ctx, cancel := t.ending(life)
	defer cancel()
	_ = t.trying(ctx, func(ctx context.Context) error {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionalID, req.TransactionTimeoutMillis = &t.id, int32(t.timeout.Milliseconds())
		req.ProducerID, req.ProducerEpoch = d.producer, d.epoch
		resp, err := req.RequestWith(ctx, t.cl)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.ErrorCode)
	}, again, broken)
}

// Resolve finds out with a new client what has become of a transaction that an older one has left
// unresolved. Init has to have succeeded: it has ended whatever was open.
func (t *Transactions) Resolve(life context.Context, d *Doubt) Outcome {
	ctx, cancel := t.ending(life)
	defer cancel()
	ended, reason := t.find(ctx, d)
	t.tell(d, ended, reason)
	o := t.found(d, ended, reason)
	o.Client = t.state()
	return o
}

// found is an outcome but for the client.
func (t *Transactions) found(d *Doubt, ended Ended, reason string) Outcome {
	o := Outcome{Ended: ended}
	switch ended {
	case Committed:
		t.committed(d.cut)
	case Aborted:
		if o.Cause = cause(d.why, d.expired); judge(d.why) == again || judge(d.why) == gone {
			o.Cause = Lost
		}
		o.Err = &AbortedError{ID: t.id, Cause: o.Cause, Err: d.why}
	default:
		o.Cause, o.Doubt = Lost, d
		o.Err = &UnresolvedError{ID: t.id, Reason: reason, Err: d.why}
		for p := range d.cut {
			delete(t.last, p)
		}
	}
	return o
}

// tell logs what was unknown, and how it was resolved.
func (t *Transactions) tell(d *Doubt, ended Ended, reason string) {
	if t.log == nil {
		return
	}
	args := []any{
		"transactional.id", t.id, "group", t.group, "outcome", ended.String(), "because", reason,
		"after", time.Since(d.since).Round(time.Millisecond), "error", d.why,
	}
	if ended == Unresolved {
		t.log.Warn("vicuna: whether a transaction was committed is not known", args...)
		return
	}
	t.log.Warn("vicuna: whether a transaction was committed was not known, and was found out", args...)
}

// find reads what the group has, until nothing is pending, and decides.
func (t *Transactions) find(ctx context.Context, d *Doubt) (ended Ended, reason string) {
	if len(d.cut) == 0 {
		if fault.Any(d.why, kerr.InvalidTxnState, kerr.TransactionAbortable) {
			return Aborted, "the coordinator had no such transaction that could be committed"
		}
		return Unresolved, "no offsets went with it that would tell"
	}
	var now map[topics.Partition]staged
	err := t.trying(ctx, func(ctx context.Context) (err error) {
		now, err = t.committedNow(ctx, d)
		return err
	}, again, broken)
	if err != nil {
		return Unresolved, "the offsets of the group could not be read: " + err.Error()
	}
	return decide(d.cut, d.before, now)
}

// committedNow asks for what the group has committed of the doubt's partitions. While the
// transaction is open it is UNSTABLE_OFFSET_COMMIT.
func (t *Transactions) committedNow(ctx context.Context, d *Doubt) (map[topics.Partition]staged, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.RequireStable = true
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Group = d.group
	ps := make([]topics.Partition, 0, len(d.cut))
	for p := range d.cut {
		ps = append(ps, p)
	}
	for name, ids := range topics.ByTopic(ps) {
		topic := kmsg.NewOffsetFetchRequestGroupTopic()
		topic.Topic, topic.TopicID, topic.Partitions = name, t.ids[name], ids
		group.Topics = append(group.Topics, topic)
	}
	req.Groups = append(req.Groups, group)
	resp, err := req.RequestWith(ctx, t.cl)
	if err != nil {
		return nil, err
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err
	}
	now := map[topics.Partition]staged{}
	take := func(topic string, partition int32, code int16, offset int64, metadata *string) {
		if e := kerr.ErrorForCode(code); e != nil {
			err = errors.Join(err, e)
		}
		s := staged{offset: offset}
		if metadata != nil {
			s.metadata = *metadata
		}
		now[topics.Partition{Topic: topic, Partition: partition}] = s
	}
	for _, g := range resp.Groups {
		if e := kerr.ErrorForCode(g.ErrorCode); e != nil {
			err = errors.Join(err, e)
		}
		for _, topic := range g.Topics {
			for _, p := range topic.Partitions {
				take(topic.Topic, p.Partition, p.ErrorCode, p.Offset, p.Metadata)
			}
		}
	}
	if len(resp.Groups) == 0 { // before OffsetFetch 8
		for _, topic := range resp.Topics {
			for _, p := range topic.Partitions {
				take(topic.Topic, p.Partition, p.ErrorCode, p.Offset, p.Metadata)
			}
		}
	}
	return now, err
}

// decide says from what the group has now what has become of a transaction that was to move it to
// the cut. Nothing is pending any more, so each offset that nobody else has moved since is at the
// cut, or where it was. Partitions may have another owner by now, who went on from one or the
// other:
//
//   - at the cut, by our own hand (the metadata tell, or, where those are the user's, that the
//     partition is still ours): it was committed;
//   - where it was, or between there and the cut: it was aborted, as nobody would begin before the
//     cut after a commit;
//   - at the cut by another's hand, or after it: that owner may have begun at either, and the
//     partition says nothing. Nor does one whose offset the transaction did not move.
func decide(cut map[topics.Partition]staged, before map[topics.Partition]int64, now map[topics.Partition]staged) (Ended, string) {
	var done, undone, silent int
	for p, want := range cut {
		was, known := before[p]
		is, told := now[p]
		switch {
		case !told || known && was == want.offset:
			silent++
		case is.offset == want.offset && is.metadata == want.metadata && (want.marked || want.owner.By("")):
			done++
		case known && is.offset == was, is.offset < want.offset && (!known || is.offset >= was):
			undone++
		default:
			silent++
		}
	}
	switch {
	case done > 0 && undone > 0:
		return Unresolved, fmt.Sprintf("somebody else has set offsets of the group: %d partitions are at the cut, and %d before it", done, undone)
	case done > 0:
		return Committed, fmt.Sprintf("%d partitions of the group are at its offsets", done)
	case undone > 0:
		return Aborted, fmt.Sprintf("%d partitions of the group are where they were before it", undone)
	}
	return Unresolved, fmt.Sprintf("none of its %d partitions tells: other members have moved them since, or it has not", silent)
}
