package core

import "sync/atomic"

// workers runs the calls of one stage on up to n goroutines.
//
// A worker claims one piece of work at a time: claiming several gives half the price per element
// with an instant function, but puts slow calls behind each other and deadlocks calls that wait for
// each other. Workers are started and woken one by one and only while there is a backlog, as the Go
// scheduler does with its threads: at most one wake-up is under way; the woken worker clears that
// mark when it has claimed (or found nothing), and wakes the next if there is more.
type workers struct {
	// Fixed before the run starts.
	run *Run
	n   int32
	// claim takes the next piece of work; backlog reports whether there is any.
	claim   func() (uint64, bool)
	backlog func() bool
	work    func(uint64, *callPlace)
	name    string

	// Have locks of their own.
	calls  calls
	pauses pauses // pieces of work that wait for another attempt

	// Written by workers that begin, idle and end, and by who wakes one; closed by the sender,
	// once. A value in sem wakes one worker.
	started atomic.Int32
	idle    atomic.Int32
	waking  atomic.Bool
	closed  atomic.Bool
	sem     chan struct{}
}

func newWorkers(r *Run, n int, name string) *workers {
	w := &workers{run: r, n: int32(n), name: name, sem: make(chan struct{}, n)}
	w.pauses.wake, w.pauses.look = make(chan struct{}, 1), make(chan struct{}, 1)
	return w
}

// next takes a piece of work whose pause is over, or else a new one. While as many wait for another
// attempt as there are workers, nothing new begins: whatever is wrong, it would only come to wait
// as well.
func (w *workers) next() (uint64, bool) {
	if w.pauses.ready.Load() > 0 {
		if slot, ok := w.pauses.take(); ok {
			return slot, true
		}
	}
	if w.crowded() {
		return 0, false
	}
	return w.claim()
}

func (w *workers) anyWork() bool {
	return w.pauses.ready.Load() > 0 || !w.crowded() && w.backlog()
}

// crowded: when somebody waits for an end, nothing is held back.
func (w *workers) crowded() bool {
	return w.pauses.waiting.Load() >= w.n && !w.run.Hurried()
}

// canWake reports whether more would wake or start anybody.
func (w *workers) canWake() bool {
	return !w.waking.Load() && (w.idle.Load() > 0 || w.started.Load() < w.n)
}

// more is called when there is work that nobody has claimed.
func (w *workers) more() {
	if !w.canWake() {
		return
	}
	if !w.waking.CompareAndSwap(false, true) {
		return
	}
	if w.takeIdle() {
		w.sem <- struct{}{}
		return
	}
	for {
		k := w.started.Load()
		if k == w.n {
			w.waking.Store(false)
			if w.idle.Load() > 0 { // one went idle while this goroutine held the mark
				w.more()
			}
			return
		}
		if w.started.CompareAndSwap(k, k+1) {
			w.run.Go(w.name, w.loop)
			return
		}
	}
}

func (w *workers) takeIdle() bool {
	for {
		v := w.idle.Load()
		if v == 0 {
			return false
		}
		if w.idle.CompareAndSwap(v, v-1) {
			return true
		}
	}
}

// close lets the workers go when the work has run out.
func (w *workers) close() {
	w.closed.Store(true)
	for w.takeIdle() {
		w.sem <- struct{}{}
	}
}

func (w *workers) loop() {
	woken := true
	mine := w.calls.place()
	defer w.calls.leave(mine)
	for !w.run.Stopped() {
		slot, ok := w.next()
		if woken {
			w.waking.Store(false)
			woken = false
		}
		if ok {
			if w.canWake() && w.anyWork() {
				w.more()
			}
			w.work(slot, mine)
			continue
		}
		if w.closed.Load() && !w.backlog() {
			w.started.Add(-1)
			if w.anyWork() { // a pause has ended since
				w.more()
			}
			return
		}
		w.idle.Add(1)
		if (w.anyWork() || w.closed.Load() && !w.backlog()) && w.takeIdle() {
			continue
		}
		select {
		case <-w.sem:
			woken = true
		case <-w.run.stopped:
			return
		}
	}
}
