package core

import (
	"slices"
	"sync"
	"sync/atomic"
)

// hurries are the reasons why what is held should come out now (a revoke, a drain, a source that
// its tracker holds back), shared by a run and its children. While there are any, every holder
// emits what it has when its input is empty or a chunk ends, Kafka sinks flush their linger, and
// finished tokens are reported at once. Hurry is a level and no message in the stream: those cannot
// be aligned at a Merge with a quiet channel or at a Concat's unread input.
//
// Each reason is a handle, which is released by whoever has raised it.
type hurries struct {
	level atomic.Int32 // how many stand: what islands and workers look at

	mu     sync.Mutex
	stand  map[*Hurry]struct{}
	runs   map[*Run]struct{}
	raised chan struct{} // closed by the next raise
}

func newHurries() *hurries {
	return &hurries{stand: map[*Hurry]struct{}{}, runs: map[*Run]struct{}{}, raised: make(chan struct{})}
}

// Hurry is a reason to hurry, which stands until it is released. The nil Hurry is none.
type Hurry struct {
	of     *hurries
	reason string
}

// Hurry raises a reason to hurry, named for whoever reads [Run.Hurries], and wakes everybody, so
// that each one is seen, also the second.
func (r *Run) Hurry(reason string) *Hurry {
	hs := r.hurries
	h := &Hurry{of: hs, reason: reason}
	hs.mu.Lock()
	hs.stand[h] = struct{}{}
	hs.level.Add(1)
	close(hs.raised)
	hs.raised = make(chan struct{})
	runs := make([]*Run, 0, len(hs.runs))
	for run := range hs.runs {
		run.want(wantHurry)
		runs = append(runs, run)
	}
	hs.mu.Unlock()
	for _, run := range runs {
		run.poke()
	}
	return h
}

// Release takes the reason away. Any goroutine; harmless when repeated.
func (h *Hurry) Release() {
	if h == nil {
		return
	}
	hs := h.of
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if _, stands := hs.stand[h]; !stands {
		return
	}
	delete(hs.stand, h)
	if hs.level.Add(-1) == 0 {
		for run := range hs.runs {
			run.unwant(wantHurry)
		}
	}
}

// join lets a run hear of the hurries; leave takes it out.
func (hs *hurries) join(r *Run) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	hs.runs[r] = struct{}{}
	if len(hs.stand) > 0 {
		r.want(wantHurry)
	}
}

func (hs *hurries) leave(r *Run) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	delete(hs.runs, r)
}

// Hurried reports whether holders are to emit what they have.
func (a *attention) Hurried() bool { return a.hurries.level.Load() > 0 }

// HurryRaised is closed when the next reason is raised.
func (a *attention) HurryRaised() <-chan struct{} {
	a.hurries.mu.Lock()
	defer a.hurries.mu.Unlock()
	return a.hurries.raised
}

// Hurries are the reasons that stand in this run, those around it and those inside it, sorted. When
// the outermost is over and all that it was asked for has returned, there are none.
func (a *attention) Hurries() []string {
	a.hurries.mu.Lock()
	defer a.hurries.mu.Unlock()
	reasons := make([]string, 0, len(a.hurries.stand))
	for h := range a.hurries.stand {
		reasons = append(reasons, h.reason)
	}
	slices.Sort(reasons)
	return reasons
}
