package commit

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/fault"
)

// send makes one commit of what is new; the caller has the turn. ctx bounds what comes before the
// request. What is not ours to commit any more is left out, and counted.
func (d *Door) send(ctx context.Context, all []Offset) (again bool, gone int, err error) {
	fresh := d.fresh(all)
	if len(fresh) == 0 {
		return false, 0, nil
	}
	d.commits.Add(1)
	results := d.store.Commit(ctx, d.life, fresh)
	for i, o := range fresh {
		e := results[i]
		d.note(o, e)
		switch {
		case e == nil:
		case errors.Is(e, ErrGone):
			gone++
		case passing(e):
			again = true
			if !errors.Is(e, kerr.RebalanceInProgress) && d.outages.Begins("commit") {
				d.o.Log.Warn("vicuna: a commit failed and will be tried again", "group", d.o.Group, "topic", o.Topic, "partition", o.Partition.Partition, "offset", o.Offset, "error", e)
			}
		default:
			err = errors.Join(err, &fault.CommitError{Group: d.o.Group, Topic: o.Topic, Partition: o.Partition.Partition, Offset: o.Offset, Err: e})
		}
	}
	if again || err != nil {
		d.failures.Add(1)
	} else if took, was := d.outages.Over("commit"); was {
		d.o.Log.Info("vicuna: commits succeed again", "group", d.o.Group, "after", took)
	}
	return again, gone, err
}

// fresh leaves out what is committed already, or would go back.
func (d *Door) fresh(all []Offset) []Offset {
	d.mu.Lock()
	for p := range d.forgotten {
		delete(d.done, p)
	}
	clear(d.forgotten)
	d.mu.Unlock()
	fresh := all[:0:0]
	for _, o := range all {
		if was, ok := d.done[o.Partition]; ok && (o.Offset == was.Offset && !was.unsure || o.Offset < was.Offset && !o.Back) {
			continue
		}
		fresh = append(fresh, o)
	}
	return fresh
}

// note remembers the outcome of an offset.
func (d *Door) note(o Offset, err error) {
	switch {
	case err == nil:
		from, counts := o.From, o.Counts
		if was, ok := d.done[o.Partition]; ok && was.Offset >= 0 {
			from, counts = was.Offset, true
		}
		if counts {
			d.moved.Add(o.Offset - from)
		}
		d.done[o.Partition] = committed{Mark: o.Mark}
	case !errors.Is(err, ErrGone):
		was, ok := d.done[o.Partition]
		if !ok {
			was.Offset = -1 // lower than any
		}
		was.unsure = true // the group may have it
		d.done[o.Partition] = was
	}
}

// passing reports whether a failed commit may succeed later. A member that the group does not know
// any more loses its partitions, and is told so: its commits do not matter then.
func passing(err error) bool {
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
