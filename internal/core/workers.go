package core

import "sync/atomic"

// workers runs the calls of one stage on up to n goroutines.
//
// A worker claims one piece of work at a time: claiming several gives half the price per element with an instant function, but puts slow
// calls behind each other and deadlocks calls that wait for each other. Workers are started and woken one by one and only while there is a
// backlog, as the Go scheduler does with its threads: at most one wake-up is under way; the woken worker clears that mark when it has claimed (or found
// nothing), and wakes the next if there is more.
type workers struct {
	run *Run
	n   int32
	// claim takes the next piece of work; backlog reports whether there is any.
	claim   func() (uint64, bool)
	backlog func() bool
	work    func(uint64)
	name    string

	started atomic.Int32
	idle    atomic.Int32
	waking  atomic.Bool
	closed  atomic.Bool
	sem     chan struct{}
}

func newWorkers(r *Run, n int, name string) *workers {
	return &workers{run: r, n: int32(n), name: name, sem: make(chan struct{}, n)}
}

// more is called when there is work that nobody has claimed.
func (w *workers) more() {
	if w.waking.Load() || w.idle.Load() == 0 && w.started.Load() == w.n {
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
	for !w.run.Stopped() {
		slot, ok := w.claim()
		if woken {
			w.waking.Store(false)
			woken = false
		}
		if ok {
			if w.backlog() {
				w.more()
			}
			w.work(slot)
			continue
		}
		if w.closed.Load() && !w.backlog() {
			return
		}
		w.idle.Add(1)
		if (w.backlog() || w.closed.Load()) && w.takeIdle() {
			continue
		}
		select {
		case <-w.sem:
			woken = true
		case <-w.run.stopC:
			return
		}
	}
}
