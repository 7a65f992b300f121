package core

import (
	"container/heap"
	"sync"
	"sync/atomic"
	"time"
)

// pauses keeps the pieces of work of a stage that wait for another attempt: a pause holds no
// worker. One goroutine watches over them while there are any. It looks at those whose time has
// come, and at all of them when somebody begins to wait for elements (hurry) or nobody wants any of
// them any more.
type pauses struct {
	ready   atomic.Int32 // pieces whose pause is over, that no worker has taken
	waiting atomic.Int32 // pieces in a pause

	mu      sync.Mutex
	due     []uint64 // the ready ones
	paused  pausedHeap
	running bool
	wake    chan struct{} // the first time has become another
	look    chan struct{} // all of them are to be looked at
}

type pausedWork struct {
	work  uint64
	token Token
	until time.Time
	stale func() bool // nobody wants it any more
}

// pausedHeap has the piece whose pause ends first in front.
type pausedHeap []pausedWork

func (h pausedHeap) Len() int           { return len(h) }
func (h pausedHeap) Less(i, k int) bool { return h[i].until.Before(h[k].until) }
func (h pausedHeap) Swap(i, k int)      { h[i], h[k] = h[k], h[i] }
func (h *pausedHeap) Push(pw any)       { *h = append(*h, pw.(pausedWork)) }

func (h *pausedHeap) Pop() any {
	last := len(*h) - 1
	pw := (*h)[last]
	(*h)[last] = pausedWork{}
	*h = (*h)[:last]
	return pw
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

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// pause lets a piece of work wait until a time, or until whoever waits for its element makes that
// sooner.
func (w *workers) pause(work uint64, t Token, until time.Time, stale func() bool) {
	p := &w.pauses
	p.mu.Lock()
	p.waiting.Add(1)
	// A raise that is not seen here is seen by the watcher, which finds the piece: it looks under
	// this lock.
	first := w.keep(pausedWork{work, t, until, stale})
	start := len(p.paused) > 0 && !p.running
	p.running = p.running || start
	p.mu.Unlock()
	switch {
	case start:
		w.run.Go(w.name, w.watchPauses)
	case first:
		poke(p.wake)
	}
	if p.ready.Load() > 0 {
		w.more()
	}
}

// inTheWay reports whether elements wait for another attempt while assignments are being revoked:
// what has begun of those, and stands before the stage, is not to wait until there is room.
func (w *workers) inTheWay() bool {
	return w.pauses.waiting.Load() > 0 && w.run.Ledger.leaving.Load() > 0
}

// letIn makes the sender look whether there is room, after a pause has begun: a revoke may have
// begun before it.
func (w *workers) letIn(send *Island) {
	if w.inTheWay() {
		send.Wake()
	}
}

// keep puts a piece among the pauses, the ready ones where its pause is over, and reports whether
// it is now the first whose pause ends. The caller holds the lock, and has counted it as waiting.
func (w *workers) keep(pw pausedWork) (first bool) {
	p := &w.pauses
	what, until := w.run.Retry(pw.token, pw.until)
	if what != KeepWaiting || pw.stale() {
		p.due = append(p.due, pw.work)
		p.ready.Add(1)
		p.waiting.Add(-1)
		return false
	}
	pw.until = until
	heap.Push(&p.paused, pw)
	return until.Equal(p.paused[0].until)
}

// watchPauses ends pauses, until there are none.
func (w *workers) watchPauses() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	all := true
	for {
		raised := w.run.HurryRaised() // before the look: a raise in between is not missed
		next, any := w.endPauses(all)
		if !any {
			return
		}
		timer.Reset(time.Until(next))
		all = false
		select {
		case <-timer.C:
		case <-w.pauses.wake:
		case <-w.pauses.look:
			all = true
		case <-raised:
			all = true
		case <-w.run.StopC():
			return
		}
	}
}

// review looks at all pauses: nobody may want their elements any more.
func (w *workers) review() { poke(w.pauses.look) }

// endPauses makes ready what is due, of all of them or of those whose time has come, and tells when
// the next will be; false: none is left, and the goroutine ends.
func (w *workers) endPauses(all bool) (next time.Time, any bool) {
	p := &w.pauses
	p.mu.Lock()
	if all {
		old := p.paused
		p.paused = make(pausedHeap, 0, len(old))
		for _, pw := range old {
			w.keep(pw)
		}
	}
	for now := time.Now(); len(p.paused) > 0 && !now.Before(p.paused[0].until); {
		w.keep(heap.Pop(&p.paused).(pausedWork))
	}
	p.running = len(p.paused) > 0
	if any = p.running; any {
		next = p.paused[0].until
	}
	p.mu.Unlock()
	// After a raise also what was held back is to begin, while others wait for another attempt: see
	// crowded.
	if all || p.ready.Load() > 0 {
		w.more()
	}
	return next, any
}
