package core

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// hurry is a level, shared by a run and its children: the number of reasons why what is held should
// come out now (a revoke, a transaction's commit, a drain, a source that its tracker holds back).
// While it is above zero every holder emits what it has when its input is empty or a chunk ends,
// Kafka sinks flush their linger, and finished tokens are reported at once. It is not a message in
// the stream: those cannot be aligned at a Merge with a quiet channel or at a Concat's unread
// input.
type hurry struct {
	// How many reasons there are: counted by who has one, read by everybody.
	level atomic.Int32

	mu   sync.Mutex
	runs map[*Run]struct{}
	c    chan struct{}
}

func newHurry() *hurry {
	return &hurry{runs: map[*Run]struct{}{}, c: make(chan struct{})}
}

func (h *hurry) join(r *Run) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.runs[r] = struct{}{}
	if h.level.Load() > 0 {
		r.attention.Or(attendHurry)
	}
}

// leaveHurry takes the run out, and the reason that its drain was.
func (r *Run) leaveHurry() {
	r.drainMu.Lock()
	defer r.drainMu.Unlock()
	r.left = true
	if r.drainHurry {
		r.drainHurry = false
		r.LowerHurry()
	}
	r.hurry.mu.Lock()
	defer r.hurry.mu.Unlock()
	delete(r.hurry.runs, r)
}

// RaiseHurry adds a reason to hurry and wakes everybody, so that each raise is seen, also the
// second.
func (r *Run) RaiseHurry() {
	h := r.hurry
	h.mu.Lock()
	h.level.Add(1)
	close(h.c)
	h.c = make(chan struct{})
	runs := make([]*Run, 0, len(h.runs))
	for run := range h.runs {
		run.attention.Or(attendHurry)
		runs = append(runs, run)
	}
	h.mu.Unlock()
	for _, run := range runs {
		run.poke()
	}
}

// LowerHurry takes a reason away.
func (r *Run) LowerHurry() {
	h := r.hurry
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.level.Add(-1) == 0 {
		for run := range h.runs {
			run.attention.And(^uint32(attendHurry))
		}
	}
}

func newPanicError(p any) *PanicError { return &PanicError{Value: p, Stack: debug.Stack()} }

// HurryRaised is closed at the next raise.
func (r *Run) HurryRaised() <-chan struct{} {
	r.hurry.mu.Lock()
	defer r.hurry.mu.Unlock()
	return r.hurry.c
}

// revoking reports whether every record behind a token belongs to an assignment that is being taken
// away.
func (l *Ledger) revoking(t Token) bool {
	if t.composite() {
		for _, s := range l.composites.members(t) {
			if !l.revoking(s.first) {
				return false
			}
		}
		return true
	}
	e := l.entry(t.Index())
	return e == nil || e.revoking.Load()
}

// anyOrder calls f with the order that each record behind a token is bound to (entry.order), until
// it reports true, and reports that; 0 is that of an assignment that has ended. One may come
// several times.
func (l *Ledger) anyOrder(t Token, f func(order uint32) bool) bool {
	if !t.composite() {
		if e := l.entry(t.Index()); e != nil {
			return f(e.order)
		}
		return f(0)
	}
	for _, s := range l.composites.members(t) {
		if l.anyOrder(s.first, f) {
			return true
		}
	}
	return false
}
