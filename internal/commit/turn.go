package commit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vicuna-go/vicuna/internal/fault"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// Round is what is done in a turn: collecting offsets, and committing them.
type Round struct {
	// Wait bounds the waiting for the turn; nil is for as long as it takes.
	Wait context.Context
	// Collect says what is to be committed. It is called once, when the turn has come.
	Collect func() []Offset
	// Always commits also where nobody has armed the door: what is committed is no finished record.
	Always bool
	// Within bounds what comes before each request.
	Within context.Context
	// Retry bounds how long a commit that may succeed later is tried again; nil is not at all.
	Retry context.Context
	// Then is called while the turn is still held, where everything was committed.
	Then func()
}

// Made is what has come of a round.
type Made struct {
	// Offsets are those that were collected.
	Offsets []Offset
	// Gone are partitions that were left out because they are not ours to commit any more.
	Gone []topics.Partition
	// Open are partitions whose offsets were not committed, and may be in another try.
	Open []topics.Partition
	// Why is what stood in the way of the first of them; nil where none is open.
	Why error

	err error // what Take returns besides, for those who wait for a round of the loop
}

// Again reports whether another try may commit what is open.
func (m Made) Again() bool { return m.Why != nil }

// Pauses between the attempts of a round.
const (
	firstPause   = 50 * time.Millisecond
	longestPause = time.Second
)

// Acquire waits for the turn and keeps it until release is called: nobody commits meanwhile, and
// nothing is on its way. false: ctx has ended, and somebody else has the turn; release does nothing
// then. A turn that is free is had at once, also when ctx has ended: whoever closes trackers has to
// do so in a turn, whatever time there is left.
func (d *Door) Acquire(ctx context.Context) (release func(), ok bool) {
	select {
	case d.turn <- struct{}{}:
		return d.release, true
	default:
	}
	select {
	case d.turn <- struct{}{}:
		return d.release, true
	case <-ctx.Done():
		return func() {}, false
	}
}

func (d *Door) release() { <-d.turn }

// queue is Acquire for as long as it takes.
func (d *Door) queue() (release func()) {
	d.turn <- struct{}{}
	return d.release
}

// Pass waits until what is on its way has its answer.
func (d *Door) Pass() {
	d.queue()()
}

// Take takes a turn for a round. An error is for good, or says that the turn has not come in time.
func (d *Door) Take(r Round) (m Made, err error) {
	if r.Wait == nil {
		defer d.queue()()
		return d.round(r)
	}
	release, ok := d.Acquire(r.Wait)
	if !ok {
		return Made{}, context.Cause(r.Wait)
	}
	defer release()
	return d.round(r)
}

// round is Take for whoever has the turn.
func (d *Door) round(r Round) (m Made, err error) {
	offsets := r.Collect()
	if !r.Always && !d.Armed() {
		return Made{Offsets: offsets}, nil
	}
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		m, err = d.send(r.Within, offsets)
		if !m.Again() || err != nil || r.Retry == nil || !d.rest(r.Retry, pause) {
			break
		}
	}
	if r.Then != nil && err == nil && !m.Again() && len(m.Gone) == 0 {
		r.Then()
	}
	return m, err
}

// rest waits between two attempts; false: there is no time for another one.
func (d *Door) rest(ctx context.Context, pause time.Duration) bool {
	if by, ok := ctx.Deadline(); ok && time.Now().Add(pause).After(by) {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil && d.life.Err() == nil
	case <-ctx.Done():
	case <-d.life.Done():
	}
	return false
}

// Ending commits the last offsets of assignments that have ended. It waits for its turn for as long
// as that takes, since what is on its way may be of these partitions, and tries until the commit
// time-out is over: then it is known that it may not have happened, which doubles records at worst.
func (d *Door) Ending(ctx context.Context, collect func() []Offset) error {
	retry, cancel := context.WithTimeout(ctx, d.o.Timeout)
	defer cancel()
	m, err := d.Take(Round{Collect: collect, Within: d.life, Retry: retry})
	if err != nil || !m.Again() {
		return err
	}
	why := &lateError{limit: d.timeout(), ended: ended(retry), why: m.Why}
	for _, o := range m.Offsets {
		// what was committed ahead is not delivered: that is no matter of doing it twice
		if o.Back {
			return &fault.CommitError{
				Group: d.o.Group, Topic: o.Topic, Partition: o.Partition.Partition, Offset: o.Offset, Partitions: m.Open, Retriable: true,
				Err: fmt.Errorf("%w: %w", errNotSetBack, why),
			}
		}
	}
	d.o.Log.Warn("vicuna: the last offsets of partitions could not be committed within settings.CommitTimeout: records will be delivered again",
		"group", d.o.Group, "partitions", topics.Summary(m.Open), "for", d.o.Timeout, "error", m.Why)
	return nil
}

// errNotSetBack is why a partition that is read at most once goes on too far.
var errNotSetBack = errors.New("records were committed ahead and not delivered, and the offset could not be set back in time: from this offset on some are never delivered")

// Last is Ending at the end of the run, for which ctx is the time that there is, and limit the name
// of what bounds it. Nobody flushes any more after it. What may still be committed then is what a
// revoke has ended that waits for its turn, and what a user's function commits that is told of the
// end; [Door.End] ends that, too.
func (d *Door) Last(ctx context.Context, limit string, collect func() []Offset) error {
	defer close(d.gone)
	inTime := context.AfterFunc(ctx, d.cut)
	defer inTime()
	release, ok := d.Acquire(ctx)
	if !ok {
		// Whoever has the turn waits for the group, or for a broker that does not answer; the cut
		// ends that.
		release = d.queue()
		defer release()
		var open []Offset
		if all := collect(); d.Armed() {
			open = d.fresh(all)
		}
		return d.late(ctx, limit, partitionsOf(open))
	}
	defer release()
	m, err := d.round(Round{Collect: collect, Within: ctx, Retry: ctx})
	if err != nil || !m.Again() {
		return err
	}
	return d.late(ctx, limit, m.Open)
}

// End ends the commit that is under way; nothing is committed after it.
func (d *Door) End() { d.end() }

// cut ends the commit that is under way, when the time of the run's end is over. While the client
// sets up a connection to a broker that says nothing, it heeds no context but its own.
func (d *Door) cut() {
	d.end()
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-d.gone:
	case <-timer.C:
		d.kill()
	}
}

// Now commits what a user's function says, whatever is finished.
func (d *Door) Now(ctx context.Context, offsets []Offset) error {
	if d.o.Group == "" {
		return fault.ErrNoGroup
	}
	waited := false
	m, err := d.Take(Round{Wait: ctx, Collect: func() []Offset { waited = true; return offsets }, Always: true, Within: ctx})
	switch {
	case !waited:
		return d.late(ctx, "", partitionsOf(offsets))
	case err != nil:
		return err
	case len(m.Gone) > 0:
		return &fault.CommitError{Group: d.o.Group, Partitions: m.Gone, Err: ErrGone}
	case m.Again():
		return &fault.CommitError{Group: d.o.Group, Partitions: m.Open, Retriable: true, Err: fmt.Errorf("it could not be made at this time; try again: %w", m.Why)}
	}
	return nil
}

// Ahead commits offsets of records that were not delivered yet, and calls then while the turn is
// still held. It reports false where nothing was committed.
func (d *Door) Ahead(ctx context.Context, collect func() []Offset, then func()) (bool, error) {
	release, ok := d.Acquire(ctx)
	if !ok {
		return false, nil
	}
	defer release()
	all := false
	m, err := d.round(Round{Collect: collect, Always: true, Within: ctx, Then: func() { all = true }})
	if all && len(m.Offsets) > 0 {
		then()
		return true, nil
	}
	return false, err
}
