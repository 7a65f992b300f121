package core

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// outcome is what a run will say when it is over: the first fault, or what has stopped or drained
// it, what was given up on the way, and what was to be said besides.
type outcome struct {
	// cut: a source was stopped by a drain before its end, or something was given back.
	cut atomic.Bool

	mu       sync.Mutex // of outcome; nothing but the registry's and an assignment's come after it
	fault    error
	late     error // of a stage, after the run was stopped
	stopErr  error
	isDrain  bool
	cause    error   // why it is drained
	reported []error // what children and hooks had to say besides
	result   error

	// Under mu, too.
	givenBack int64 // positions that a freeze has given back
	givenUps  []GivenUp
	givenUpAt map[GivenUp]int // by place, in givenUps
	// atWork has, by token, the stage whose call for it was running when the run was stopped.
	atWork      map[Token]string
	drainGaveUp bool // something was given up in the drain
}

// Cut notes that a source was stopped by a drain before its end.
func (o *outcome) Cut() { o.cut.Store(true) }

// noteDrain notes why the run is drained.
func (o *outcome) noteDrain(cause error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.isDrain, o.cause = true, cause
}

// noteStop notes why the run is stopped, and which calls are at work then; first is false where it
// is stopped already. tell is called in the same step.
func (o *outcome) noteStop(err error, working func() map[Token]string, tell func()) (first bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stopErr != nil {
		return false
	}
	o.stopErr = err
	o.atWork = working()
	tell()
	return true
}

// noteFault notes a fault: the first one counts. A fault of a stage whose context the run has ended
// already is none, and one that comes after that for another reason does not hide why the run has
// ended.
func (o *outcome) noteFault(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.stopErr == nil && o.fault == nil:
		o.fault = err
	case o.fault == nil && o.late == nil && !consequence(err):
		o.late = err
	}
}

// consequence reports whether an error says no more than that a context has ended.
func consequence(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, ErrStopped) || errors.Is(err, ErrDrainTimeout)
}

// noteGivenBack counts positions that a freeze has given back.
func (o *outcome) noteGivenBack(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.givenBack += int64(n)
}

// Report adds to the outcome what a child that was ended by this run's end had to say besides:
// outcomes that it has not waited for, functions that have not returned.
func (o *outcome) Report(errs ...error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reported = append(o.reported, errs...)
}

// Reports is what the outcome of a run that is over says besides the reason for its end.
func (o *outcome) Reports() []error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.reported
}

// Why is what has ended the run, or begun to: its fault, a stop, or the cause of its drain.
// "completed" is none of these.
func (o *outcome) Why() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.fault != nil:
		return o.fault.Error()
	case o.stopErr != nil:
		return o.stopErr.Error()
	case !o.isDrain:
		return "completed"
	case o.cause != nil:
		return "drained: " + o.cause.Error()
	}
	return "drained"
}

// EndsWell reports whether the run has ended, or goes to its end, as somebody wanted: it has
// completed, or was drained or stopped. Stopped is true where it was stopped hard on request.
func (o *outcome) EndsWell() (well, stopped bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	stopped = o.fault == nil && errors.Is(o.stopErr, ErrStopped)
	return o.fault == nil && (o.stopErr == nil || stopped), stopped
}

// Err is the outcome once the run is over; nil before.
func (o *outcome) Err() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.result
}

// conclude makes the outcome of all that was noted: the reason for the end first.
func (o *outcome) conclude(drainTimeout error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	errs := make([]error, 0, 3)
	if err := o.reason(drainTimeout); err != nil {
		errs = append(errs, err)
	}
	if o.late != nil {
		errs = append(errs, o.late)
	}
	errs = append(errs, o.reported...)
	switch len(errs) {
	case 0:
	case 1:
		o.result = errs[0]
	default:
		o.result = errors.Join(errs...)
	}
	return o.result
}

// reason is why the run has ended, where it has not completed; the caller holds the lock.
func (o *outcome) reason(drainTimeout error) error {
	gaveUp := func(cause error) error {
		return &GivenUpError{Cause: cause, Because: o.cause, Records: o.givenUps}
	}
	switch {
	case o.fault != nil:
		return o.fault
	case errors.Is(o.stopErr, ErrDrainTimeout):
		return gaveUp(drainTimeout)
	case o.stopErr != nil && len(o.givenUps) > 0:
		return gaveUp(o.stopErr)
	case o.stopErr != nil:
		return o.stopErr
	case o.drainGaveUp:
		return gaveUp(drainTimeout)
	case o.cut.Load():
		return &drainedError{cause: o.cause}
	}
	return nil
}

// drainTimeout is the error of a drain that did not finish in its time.
func (l *lifecycle) drainTimeout() error {
	return fmt.Errorf("%w (stream.DrainTimeout is %v)", ErrDrainTimeout, l.limits.Drain)
}
