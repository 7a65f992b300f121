package transaction

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/commit"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// Produced is what the owner of a transaction knows of its records.
type Produced struct {
	// Records is how many were given to the client, whatever has become of them.
	Records int64
	// Err is that of the first which was not acknowledged. The client would commit the others.
	Err error
}

// Commit ends the transaction with a commit of these offsets, and of nothing else that was polled;
// there may be none. produced is called once the client has flushed, when every record that was
// given to it has its outcome. Where life ends before the commit was asked for, it is aborted;
// from then on life has no say.
//
// Partitions of the cut are not given back meanwhile: a revoke waits for Commit to return. What the
// group has taken from this member all the same is refused by it, by member and generation.
func (t *Transactions) Commit(life context.Context, offsets []commit.Offset, produced func() Produced) Outcome {
	if !t.open {
		return Outcome{Ended: Deferred, Client: t.state(), Cause: State, Err: ErrNotBegun}
	}
	ctx, cancel := context.WithTimeout(life, t.limit)
	defer cancel()
	flushed := t.cl.Flush(ctx)
	p := produced()
	switch {
	case flushed != nil && life.Err() != nil:
		return t.abort(life, Stopped, context.Cause(life))
	case p.Err != nil:
		return t.abort(life, t.producing(p.Err), p.Err)
	case flushed != nil:
		return t.abort(life, FailedProduce, fmt.Errorf("records were not acknowledged within %v: %w", t.limit, flushed))
	case p.Records == 0:
		return t.commitPlain(life, offsets)
	}
	if err := t.sameEpoch(ctx); err != nil {
		return t.abort(life, FailedProduce, err)
	}
	var cut map[topics.Partition]staged
	if len(offsets) > 0 {
		var err error
		if cut, err = t.stage(ctx, offsets); err != nil {
			if life.Err() != nil {
				return t.abort(life, Stopped, err)
			}
			return t.abort(life, cause(err, t.timedOut()), err)
		}
	}
	if life.Err() != nil {
		return t.abort(life, Stopped, context.Cause(life))
	}
	return t.commit(life, cut)
}

// producing is why a transaction is aborted whose record had this error: that the producer's epoch
// is over is more than a failed record.
func (t *Transactions) producing(err error) Cause {
	switch v := judge(err); {
	case v == stale, errors.Is(err, kerr.TransactionalIDAuthorizationFailed):
		return cause(err, t.timedOut())
	case v == state && t.timedOut():
		return Expired
	}
	return FailedProduce
}

var errEpoch = errors.New("the client has asked for a new epoch in the middle of it, which has aborted what came before")

// sameEpoch demands that the transaction was all in one epoch of the producer. The client asks for
// a new one by itself where it has lost track of a partition's sequence, as after records were
// deleted: that aborts what it has produced before, and it says nothing of it.
func (t *Transactions) sameEpoch(ctx context.Context) error {
	producer, epoch, err := t.cl.ProducerID(ctx)
	if err == nil && (producer != t.producer || epoch != t.epoch) {
		err = errEpoch
	}
	return err
}

// commit asks for the commit; the offsets of the cut are in the transaction.
func (t *Transactions) commit(life context.Context, cut map[topics.Partition]staged) Outcome {
	ctx, cancel := t.ending(life)
	defer cancel()
	d := &Doubt{
		id: t.id, group: t.group, cut: cut, before: map[topics.Partition]int64{}, since: time.Now(), producer: t.producer, epoch: t.epoch,
	}
	for p, s := range cut {
		if was, ok := t.last[p]; ok && was.owner == s.owner {
			d.before[p] = was.offset
		}
	}
	err := t.cl.EndTransaction(ctx, kgo.TryCommit)
	switch {
	case err == nil:
		t.open = false
		t.committed(cut)
		return Outcome{Ended: Committed, Client: Usable}
	case errors.Is(err, kerr.OperationNotAttempted):
		return t.abort(life, FailedProduce, err) // the producer's id has failed: it has not asked
	case errors.Is(err, kerr.UnknownTopicID):
		return t.abort(life, FailedProduce, err) // nor here: a topic was made anew
	}
	d.why = err
	return t.settle(life, d)
}

// commitPlain commits the offsets of an epoch that has produced nothing, for which the client sends
// nothing. No transaction is open then: the last one's outcome is known, or the client would not be
// used any more.
func (t *Transactions) commitPlain(life context.Context, offsets []commit.Offset) Outcome {
	ctx, cancel := t.ending(life)
	defer cancel()
	err := t.cl.EndTransaction(ctx, kgo.TryAbort)
	t.open = false
	if err != nil { // it had something to end all the same
		return t.abort(life, cause(err, t.timedOut()), err)
	}
	if len(offsets) == 0 {
		return Outcome{Ended: Committed, Client: Usable}
	}
	if t.plain == nil {
		return t.deferred(errNoGroup)
	}
	cut := make(map[topics.Partition]staged, len(offsets))
	for i, e := range t.plain(life, offsets) {
		o := offsets[i]
		if e != nil {
			err = errors.Join(err, fmt.Errorf("%v: %w", o.Partition, e))
			delete(t.last, o.Partition) // the group may have it
			continue
		}
		cut[o.Partition] = staged{offset: o.Offset, owner: o.Owner}
	}
	t.committed(cut)
	if err != nil {
		return t.deferred(err)
	}
	return Outcome{Ended: Committed, Client: Usable}
}

func (t *Transactions) deferred(err error) Outcome {
	c := cause(err, false)
	return Outcome{Ended: Deferred, Client: Usable, Cause: c, Err: &DeferredError{ID: t.id, Cause: c, Err: err}}
}

// committed remembers what the group has now.
func (t *Transactions) committed(cut map[topics.Partition]staged) {
	for p, s := range cut {
		t.last[p] = s
	}
}

// Abort ends the transaction with an abort. Records that the client still has are given up, which
// waits for those that are on their way; life does not end it.
func (t *Transactions) Abort(life context.Context) Outcome {
	if !t.open {
		return Outcome{Ended: Aborted, Client: t.state(), Cause: Asked, Err: ErrNotBegun}
	}
	return t.abort(life, Asked, nil)
}

// abort ends a transaction for which no commit was asked.
func (t *Transactions) abort(life context.Context, why Cause, err error) Outcome {
	ctx, cancel := t.ending(life)
	defer cancel()
	t.open = false
	o := Outcome{Ended: Aborted, Cause: why}
	if why != Asked {
		o.Err = &AbortedError{ID: t.id, Cause: why, Err: err}
	}
	if err := t.cl.AbortBufferedRecords(ctx); err != nil {
		return t.with(o, Unusable, why, err) // records of it may still be on their way
	}
	if why != TakenOver && why != Forbidden {
		err = nil // it does not say what is left of the client
	}
	client, ended := t.end(ctx, err)
	return t.with(o, client, why, ended)
}

// with adds to an outcome what is left of the client.
func (t *Transactions) with(o Outcome, client Client, why Cause, err error) Outcome {
	o.Client = client
	switch client {
	case Usable:
		return o
	case Fenced:
		t.over = &FencedError{ID: t.id, Err: err}
		if o.Ended == Aborted {
			o.Cause = TakenOver
		}
	case Refused:
		t.over = t.refusal(err)
	case Unusable:
		t.over = &UnusableError{ID: t.id, Cause: why, Err: err}
	}
	if o.Ended != Unresolved {
		o.Err = t.over
	}
	return o
}

// state is what the client was last.
func (t *Transactions) state() Client {
	var fenced *FencedError
	var unusable *UnusableError
	switch {
	case t.over == nil:
		return Usable
	case errors.As(t.over, &fenced):
		return Fenced
	case errors.As(t.over, &unusable), errors.Is(t.over, ErrNotTaken):
		return Unusable
	}
	return Refused
}

// end makes sure that nothing is open any more, and that what comes next is of a new epoch, where
// that is not certain. why is what has led here, nil where it says nothing of the client. It
// returns what is left of the client, and what stood in the way.
//
// An abort whose answer is lost is repeated by the client as a new epoch of the producer's id,
// which aborts what is open and outdates requests that are still on their way. It only notes for
// some errors that this has to be done, and says success: so the id is asked for here, which does
// it.
//
// That a newer epoch is there may then be our own doing: a request for one whose answer was lost is
// repeated with the old epoch, which Kafka refuses like another instance's where
// transaction.version is below 2. So it is another instance only where the client's first request
// to abort is told so, and not where the id is asked for.
func (t *Transactions) end(ctx context.Context, why error) (Client, error) {
	if why != nil && judge(why) == stale && !t.timedOut() {
		return Fenced, why // a new epoch would be asked for in vain, or worse, take the id back
	}
	stuck := 0
	for tries := 0; ; tries++ {
		err := t.cl.EndTransaction(ctx, kgo.TryAbort)
		if err != nil && tries == 0 && judge(err) == stale && !t.timedOut() {
			return Fenced, err
		}
		if err == nil {
			_, _, err = t.cl.ProducerID(ctx)
		}
		if err == nil {
			if why != nil && judge(why) == refused {
				return Refused, why
			}
			return Usable, nil
		}
		switch judge(err) {
		case again, broken:
			if t.pause(ctx, tries) {
				continue
			}
			return Unusable, err
		case refused:
			return Refused, err
		case gone:
			return Unusable, err
		}
		// For some errors the client asks for a new epoch when it is asked once more.
		if stuck++; stuck > 1 {
			return Unusable, err
		}
	}
}
