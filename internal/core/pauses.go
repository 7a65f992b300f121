package core

import (
	"sync"
	"sync/atomic"
	"time"
)

// pauses keeps the pieces of work of a stage that wait for another attempt: a pause holds no worker. One
// goroutine watches over them while there are any.
type pauses struct {
	ready   atomic.Int32 // pieces whose pause is over, that no worker has taken
	waiting atomic.Int32 // pieces in a pause

	mu      sync.Mutex
	due     []uint64 // the ready ones
	paused  []pausedWork
	running bool
	wake    chan struct{} // there is another
}

type pausedWork struct {
	work  uint64
	token Token
	until time.Time
	stale func() bool // nobody wants it any more
}

// take takes a piece whose pause is over.
func (p *pauses) take() (uint64, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.due) == 0 {
		return 0, false
	}
	work := p.due[0]
	p.due = p.due[1:]
	p.ready.Add(-1)
	return work, true
}

// pause lets a piece of work wait until a time, or until whoever waits for its element makes that sooner.
func (w *workers) pause(work uint64, t Token, until time.Time, stale func() bool) {
	p := &w.pauses
	p.mu.Lock()
	p.paused = append(p.paused, pausedWork{work, t, until, stale})
	p.waiting.Add(1)
	start := !p.running
	p.running = true
	p.mu.Unlock()
	if start {
		w.run.Go(w.name, w.watchPauses)
		return
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// watchPauses ends pauses, until there are none.
func (w *workers) watchPauses() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		raised := w.run.HurryRaised() // before the look: a raise in between is not missed
		next, any := w.endPauses()
		if !any {
			return
		}
		timer.Reset(time.Until(next))
		select {
		case <-timer.C:
		case <-w.pauses.wake:
		case <-raised:
		case <-w.run.StopC():
			return
		}
	}
}

// endPauses makes ready what is due, and tells when the next will be; false: none is left, and the
// goroutine ends.
func (w *workers) endPauses() (next time.Time, any bool) {
	p := &w.pauses
	p.mu.Lock()
	left, ended := p.paused[:0], 0
	for _, pw := range p.paused {
		what, until := w.run.Retry(pw.token, pw.until)
		if what != KeepWaiting || pw.stale() {
			p.due = append(p.due, pw.work)
			ended++
			continue
		}
		pw.until = until
		left = append(left, pw)
		if next.IsZero() || until.Before(next) {
			next = until
		}
	}
	clear(p.paused[len(left):])
	p.paused = left
	p.ready.Add(int32(ended))
	p.waiting.Add(-int32(ended))
	p.running = len(left) > 0
	any = p.running
	p.mu.Unlock()
	if ended > 0 {
		w.more()
	}
	return next, any
}
