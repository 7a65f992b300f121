package commit

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/vicuna-go/vicuna/internal/fault"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// send makes one commit of what is new; the caller has the turn. ctx bounds what comes before the
// request. What is not ours to commit any more is left out.
func (d *Door) send(ctx context.Context, all []Offset) (m Made, err error) {
	m.Offsets = all
	fresh := d.fresh(all)
	if len(fresh) == 0 {
		return m, nil
	}
	d.commits.Add(1)
	d.setOnTheWay(partitionsOf(fresh))
	results := d.store.Commit(ctx, d.life, fresh)
	d.setOnTheWay(nil)
	for i, o := range fresh {
		e := results[i]
		d.note(o, e)
		switch {
		case e == nil:
		case errors.Is(e, ErrGone):
			m.Gone = append(m.Gone, o.Partition)
		case d.store.Passing(e):
			m.Open = append(m.Open, o.Partition)
			if m.Why == nil {
				m.Why = e
			}
			d.troubled(o, e)
		default:
			err = errors.Join(err, &fault.CommitError{
				Group: d.o.Group, Topic: o.Topic, Partition: o.Partition.Partition, Offset: o.Offset, Partitions: []topics.Partition{o.Partition}, Err: e,
			})
		}
	}
	topics.Sort(m.Open)
	topics.Sort(m.Gone)
	switch {
	case m.Again() || err != nil:
		d.failures.Add(1)
	default:
		d.untroubled()
	}
	return m, err
}

// troubled notes that an offset could not be committed and may be later, and tells of it, once. A
// rebalance that refuses commits is no trouble, unless it does so for as long as the commit
// time-out.
func (d *Door) troubled(o Offset, err error) {
	d.mu.Lock()
	if d.trouble == nil {
		d.troubleSince = time.Now()
	}
	if d.trouble == nil || !givenUp(err) { // that we have given up says less than an answer
		d.trouble = err
	}
	long := time.Since(d.troubleSince) >= d.o.Timeout
	d.mu.Unlock()
	if (long || !errors.Is(err, kerr.RebalanceInProgress)) && d.outages.Begins("commit") {
		d.o.Log.Warn("vicuna: a commit failed and will be tried again",
			"group", d.o.Group, "topic", o.Topic, "partition", o.Partition.Partition, "offset", o.Offset, "error", err)
	}
}

// untroubled notes that a commit has succeeded.
func (d *Door) untroubled() {
	d.mu.Lock()
	d.trouble = nil
	d.mu.Unlock()
	if took, was := d.outages.Over("commit"); was {
		d.o.Log.Info("vicuna: commits succeed again", "group", d.o.Group, "after", took)
	}
}

// setOnTheWay notes of which partitions a commit is on its way.
func (d *Door) setOnTheWay(ps []topics.Partition) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.onTheWay = ps
}

// standing is what is on its way, and what stands in the way of commits, nil where nothing does.
func (d *Door) standing() (onTheWay []topics.Partition, trouble error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.onTheWay, d.trouble
}

// fresh leaves out what is committed already, or would go back; the caller has the turn.
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

// note remembers the outcome of an offset; the caller has the turn.
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
		d.done[o.Partition] = lastCommit{Mark: o.Mark}
	case !errors.Is(err, ErrGone):
		was, ok := d.done[o.Partition]
		if !ok {
			was.Offset = -1 // lower than any
		}
		was.unsure = true // the group may have it
		d.done[o.Partition] = was
	}
}
