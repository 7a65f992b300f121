package core

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Limits bounds the end of a run.
type Limits struct {
	Drain time.Duration // from the start of a drain to the hard stop
	// for what is to be collected and closed after the last island, and for user code after a hard
	// stop
	Close time.Duration
}

// lifecycle is how far a run is on its way from its start to its end: running, draining, stopped,
// over. A run may be stopped without a drain, and may end without either. It holds what others are
// told the way by (contexts, channels, hooks), each once, and the outcome.
//
// The order is that of the channels: drained or stopped, in any order, then over. What a drain or a
// stop does to the islands and the children is [Run.Drain] and [Run.Stop].
type lifecycle struct {
	outcome // has a lock of its own

	// Written by init.
	limits Limits
	start  time.Time

	// Written by init.
	userCtx    context.Context // ends at the hard stop
	cancelUser context.CancelCauseFunc
	srcCtx     context.Context // ends when a drain begins, too
	cancelSrc  context.CancelFunc

	drained chan struct{} // closed when a drain begins
	stopped chan struct{} // closed at the hard stop
	done    chan struct{} // closed when the run is over

	// drainUntil is when retries are given up in a drain, from start on; 0 is no drain.
	drainUntil atomic.Int64

	took atomic.Int64 // from start to the end; 0 before that. Written by end.

	mu       sync.Mutex // before the outcome's lock
	draining bool
	over     bool
	hurry    *Hurry // the drain's reason to hurry
	onDrain  []func()
	onEnd    []func(context.Context) error
	onLast   []func(context.Context) error
}

func (l *lifecycle) init(ctx context.Context, limits Limits) {
	l.limits, l.start = limits, time.Now()
	l.userCtx, l.cancelUser = context.WithCancelCause(ctx)
	l.srcCtx, l.cancelSrc = context.WithCancel(l.userCtx)
	l.drained, l.stopped, l.done = make(chan struct{}), make(chan struct{}), make(chan struct{})
}

// Context is for user functions: it is cancelled at the hard stop only.
func (l *lifecycle) Context() context.Context { return l.userCtx }

// SourceContext is for user code that makes elements: it is cancelled when a drain begins.
func (l *lifecycle) SourceContext() context.Context { return l.srcCtx }

// DrainC is closed when a drain begins.
func (l *lifecycle) DrainC() <-chan struct{} { return l.drained }

// StopC is closed at the hard stop.
func (l *lifecycle) StopC() <-chan struct{} { return l.stopped }

// DoneC is closed when the run is over.
func (l *lifecycle) DoneC() <-chan struct{} { return l.done }

// Limits are the run's.
func (l *lifecycle) Limits() Limits { return l.limits }

// clock is the time since the start, and never zero.
func (l *lifecycle) clock() int64 { return int64(time.Since(l.start)) + 1 }

// OnDrain calls f when a drain begins, or at once if it has begun.
func (l *lifecycle) OnDrain(f func()) {
	l.mu.Lock()
	if !l.draining {
		l.onDrain = append(l.onDrain, f)
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	f()
}

// OnEnd calls f when every island has ended, the last registered first, with a context that ends
// with the close time-out. Its error is added to the run's, and so is its panic.
func (l *lifecycle) OnEnd(f func(context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.onEnd = append(l.onEnd, f)
}

// OnLast calls f after all that OnEnd has registered: for sources whose last offsets depend on
// outcomes that sinks still collect.
func (l *lifecycle) OnLast(f func(context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.onLast = append(l.onLast, f)
}

// beginDrain takes the run into its drain, and returns what is to be told of that; first is false
// where it is there already. tell is called in the same step: nobody finds the drain begun, and the
// islands not told.
func (l *lifecycle) beginDrain(cause error, tell func()) (hooks []func(), first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.draining {
		return nil, false
	}
	l.draining = true
	l.noteDrain(cause)
	tell()
	hooks, l.onDrain = l.onDrain, nil
	return hooks, true
}

// keepHurry keeps the drain's reason to hurry until the run is over.
func (l *lifecycle) keepHurry(h *Hurry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		h.Release()
		return
	}
	l.hurry = h
}

// endHooks are the functions that are called at the end, in that order. They are returned once.
func (l *lifecycle) endHooks() (hooks []func(context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, registered := range [][]func(context.Context) error{l.onEnd, l.onLast} {
		for i := len(registered) - 1; i >= 0; i-- {
			hooks = append(hooks, registered[i])
		}
	}
	l.onEnd, l.onLast = nil, nil
	return hooks
}

// end takes the run to its end.
func (l *lifecycle) end() {
	l.mu.Lock()
	first := !l.over
	l.over = true
	l.hurry.Release()
	l.mu.Unlock()
	l.cancelSrc()
	l.cancelUser(ErrStopped)
	if first {
		l.took.Store(l.clock())
		close(l.done)
	}
}

// Took is how long the run has lasted, up to its end.
func (l *lifecycle) Took() time.Duration {
	if took := l.took.Load(); took != 0 {
		return time.Duration(took)
	}
	return time.Duration(l.clock())
}
