package commit

import (
	"context"
	"errors"
	"time"

	"github.com/vicuna-go/vicuna/internal/fault"
)

// Turn is one use of the door.
type Turn struct {
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

// Made is what has come of a turn.
type Made struct {
	// Again: it did not come to a commit of everything, and another try may.
	Again bool
	// Gone counts offsets that were left out because they are not ours to commit any more.
	Gone int
	// Offsets are those that were collected.
	Offsets []Offset
}

// Pauses between the attempts of a turn.
const (
	firstPause   = 50 * time.Millisecond
	longestPause = time.Second
)

// Hold waits for the turn and keeps it until release is called: nobody commits meanwhile, and
// nothing is on its way. false: ctx has ended first, and release does nothing.
func (d *Door) Hold(ctx context.Context) (release func(), ok bool) {
	select {
	case d.turn <- struct{}{}:
		return func() { <-d.turn }, true
	case <-ctx.Done():
		return func() {}, false
	}
}

// queue is Hold for as long as it takes.
func (d *Door) queue() (release func()) {
	d.turn <- struct{}{}
	return func() { <-d.turn }
}

// Pass waits until what is on its way has its answer.
func (d *Door) Pass() {
	d.queue()()
}

// Take takes a turn. An error is for good, or says that the turn has not come in time.
func (d *Door) Take(t Turn) (m Made, err error) {
	if t.Wait == nil {
		defer d.queue()()
		return d.take(t)
	}
	release, ok := d.Hold(t.Wait)
	if !ok {
		return Made{Again: true}, context.Cause(t.Wait)
	}
	defer release()
	return d.take(t)
}

// take is Take for whoever has the turn.
func (d *Door) take(t Turn) (m Made, err error) {
	m.Offsets = t.Collect()
	if !t.Always && !d.Armed() {
		return m, nil
	}
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		m.Again, m.Gone, err = d.send(t.Within, m.Offsets)
		if !m.Again || err != nil || t.Retry == nil || !d.rest(t.Retry, pause) {
			break
		}
	}
	if t.Then != nil && err == nil && !m.Again && m.Gone == 0 {
		t.Then()
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
		return true
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
	m, err := d.Take(Turn{Collect: collect, Within: d.life, Retry: retry})
	if err != nil || !m.Again {
		return err
	}
	for _, o := range m.Offsets {
		// what was committed ahead is not delivered: that is no matter of doing it twice
		if o.Back {
			return &fault.CommitError{Group: d.o.Group, Topic: o.Topic, Partition: o.Partition.Partition, Offset: o.Offset, Err: errNotSetBack}
		}
	}
	d.o.Log.Warn("vicuna: the last offsets of partitions could not be committed within settings.CommitTimeout: records will be delivered again", "group", d.o.Group, "partitions", len(m.Offsets))
	return nil
}

// errNotSetBack is why a partition that is read at most once goes on too far.
var errNotSetBack = errors.New("records were committed ahead and not delivered, and the offset could not be set back in time: from this offset on some are never delivered")

// Last is Ending at the end of the run, for which ctx is the time that there is. Nothing is
// committed after it.
func (d *Door) Last(ctx context.Context, collect func() []Offset) error {
	defer close(d.gone)
	inTime := context.AfterFunc(ctx, d.cut)
	defer inTime()
	release, ok := d.Hold(ctx)
	if !ok {
		// Whoever has the turn waits for the group, or for a broker that does not answer; the cut
		// ends that.
		release = d.queue()
		defer release()
		collect()
		return d.late(ctx)
	}
	defer release()
	m, err := d.take(Turn{Collect: collect, Within: ctx, Retry: ctx})
	if err != nil || !m.Again {
		return err
	}
	cause := context.Cause(ctx)
	if cause == nil {
		cause = context.DeadlineExceeded // there is no time for another try
	}
	return &fault.CommitError{Group: d.o.Group, Err: cause}
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
	m, err := d.Take(Turn{Wait: ctx, Collect: func() []Offset { return offsets }, Always: true, Within: ctx})
	switch {
	case err != nil:
		return err
	case m.Gone > 0:
		return &fault.CommitError{Group: d.o.Group, Err: ErrGone}
	case m.Again:
		return &fault.CommitError{Group: d.o.Group, Err: errors.New("it could not be made at this time; try again")}
	}
	return nil
}

// Ahead commits offsets of records that were not delivered yet, and calls then while the turn is
// still held. It reports false where nothing was committed.
func (d *Door) Ahead(ctx context.Context, collect func() []Offset, then func()) (bool, error) {
	release, ok := d.Hold(ctx)
	if !ok {
		return false, nil
	}
	defer release()
	committed := false
	m, err := d.take(Turn{Collect: collect, Always: true, Within: ctx, Then: func() { committed = true }})
	if committed && len(m.Offsets) > 0 {
		then()
		return true, nil
	}
	return false, err
}
