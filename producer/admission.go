package producer

import (
	"context"
	"fmt"
	"sync/atomic"
)

// admission is the context of a record that is given to a wrapped client which may be full with its
// owner's records, and then holds the caller: until the client has taken the record, the caller's
// context ends the waiting; from then on it is the record's own that counts, since a caller that
// goes away must not fail his neighbours.
//
// A client of ours is never full, as it holds more than the window.
type admission struct {
	context.Context                 // the record's
	caller          context.Context // the caller's, whose end ends it
	admitted        atomic.Bool     // set by the client's goroutine that takes the record
	refused         atomic.Bool     // the client was told of the caller's end
}

func (a *admission) Done() <-chan struct{} {
	if a.admitted.Load() {
		return a.Context.Done()
	}
	return a.caller.Done()
}

func (a *admission) Err() error {
	if a.admitted.Load() {
		return a.Context.Err()
	}
	err := a.caller.Err()
	if err != nil {
		a.refused.Store(true)
	}
	return err
}

// offer gives a record to a wrapped client, and waits for its room until the caller's context or
// the record's ends.
func (c *Client) offer(caller, ctx context.Context, e *entry) {
	caller, stop := context.WithCancelCause(caller)
	defer stop(nil)
	defer context.AfterFunc(ctx, func() { stop(context.Cause(ctx)) })()
	a := &admission{Context: ctx, caller: caller}
	e.admission = a
	c.kgo.Produce(a, &e.rec, c.onOutcome)
	if !a.refused.Load() {
		a.admitted.Store(true)
	}
}

// crowded returns whether a wrapped client is nearly full: its window leaves a tenth.
func (c *Client) crowded() bool {
	if c.made {
		return false
	}
	return c.kgo.BufferedProduceRecords() >= int64(c.is.MaxBufferedRecords)*9/10 ||
		c.is.MaxBufferedBytes > 0 && c.kgo.BufferedProduceBytes() >= int64(c.is.MaxBufferedBytes)/10*9
}

// neverTaken is the error of a record that the client has not taken, else nil.
func neverTaken(e *entry) error {
	if a := e.admission; a != nil && a.refused.Load() {
		return fmt.Errorf("%w: %w", ErrWindowFull, context.Cause(a.caller))
	}
	return nil
}
