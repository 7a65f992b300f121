package core

import (
	"context"
	"time"
)

// Supervise starts the islands, watches over the run to its end and returns its outcome. ctx's end
// begins a drain.
func (r *Run) Supervise(ctx context.Context) error {
	if ctx.Err() != nil {
		r.Drain(context.Cause(ctx)) // before any source begins
	}
	// Counted itself, so that the run is not over before all are started.
	leave := r.enter(&goroutine{what: "start"})
	r.StartIslands()
	leave()
	return r.finish(r.await(ctx))
}

// Begin is Supervise on a goroutine of its own.
func (r *Run) Begin(ctx context.Context) {
	launch(func() { _ = r.Supervise(ctx) }, func(err error) {
		if err != nil { // of this package's own: whoever waits for the end is told
			r.Fail(err)
			_ = r.conclude(r.drainTimeout()) // it is told to whoever waits
			r.end()
		}
	})
}

// Discard ends a run that was built and is not going to start: what was opened while building is
// closed.
func (r *Run) Discard(err error) error {
	r.Stop(err)
	return r.finish(nil)
}

// await waits until every goroutine has ended, through drain and hard stop, or until those that
// have not were waited for long enough: it returns which.
func (r *Run) await(ctx context.Context) *StuckError {
	ctxDone := ctx.Done()
	drained, stopped, linger := (<-chan struct{})(r.drained), (<-chan struct{})(r.stopped), (<-chan struct{})(r.linger)
	var drainTimer, stuckTimer <-chan time.Time
	for {
		select {
		case <-r.ended:
			return nil
		case <-ctxDone:
			ctxDone = nil
			r.Drain(context.Cause(ctx))
		case <-drained:
			drained = nil
			t := time.NewTimer(r.limits.Drain)
			defer t.Stop()
			drainTimer = t.C
		case <-drainTimer:
			drainTimer = nil
			r.Stop(ErrDrainTimeout)
		case <-stopped:
			stopped, linger = nil, nil
			t := time.NewTimer(r.limits.Close)
			defer t.Stop()
			stuckTimer = t.C
		case <-linger:
			linger = nil
			t := time.NewTimer(r.limits.Close)
			defer t.Stop()
			stuckTimer = t.C
		case <-stuckTimer:
			r.awaitChildren()
			if stuck := r.stuck(); len(stuck) > 0 {
				return &StuckError{Stages: stuck, After: r.limits.Close}
			}
			return nil
		}
	}
}

// finish calls what is to be done at the end, and makes the outcome.
func (r *Run) finish(stuck *StuckError) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.userCtx), r.limits.Close)
	defer cancel()
	for _, hook := range r.endHooks() {
		if err := Safely(func() error { return hook(ctx) }); err != nil {
			r.Report(err)
		}
	}
	if stuck != nil {
		r.Report(stuck)
	}
	err := r.conclude(r.drainTimeout())
	r.hurries.leave(r)
	r.end()
	return err
}
