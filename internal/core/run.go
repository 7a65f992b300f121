package core

import (
	"context"
	"errors"
	"time"
)

// Run is one run of a graph. It is made of four parts, each of which has its own lock and knows
// nothing of the others: how far it is on its way to its end (lifecycle), its goroutines, the word
// that its islands look at (attention), and what it consists of (registry). What concerns more than
// one of them is here.
//
// Their locks are taken in this order: lifecycle's, outcome's, registry's. Those of goroutines,
// attention and hurries are leaves, and none of them is held while anybody is woken.
type Run struct {
	// Ledger accounts for the tokens of this run. A child run has its own: what travels in it when
	// it is stopped hard is void.
	Ledger *Ledger
	// Aside is the number of elements that a retry sets aside at most; 0 is DefaultAside. It is set
	// before the stages are built.
	Aside int

	id     *identity
	parent *Run
	within *Run // the run inside whose function this one is run

	lifecycle
	goroutines
	attention
	registry
}

// identity tells a run from others: an error that has it does not keep the run in memory.
type identity struct{ _ byte }

// NewRun prepares a run. Its user functions' context has ctx's values; ctx's cancellation means
// drain, and is watched by Supervise.
func NewRun(ctx context.Context, limits Limits) *Run { return newRun(ctx, limits, newHurries()) }

func newRun(ctx context.Context, limits Limits, hs *hurries) *Run {
	r := &Run{Ledger: newLedger(), id: new(identity)}
	r.Ledger.run, r.Ledger.gate.run = r, r
	r.lifecycle.init(context.WithValue(context.WithoutCancel(ctx), runKey{}, r), limits)
	r.goroutines.init(func(stage string, err error) { r.Fail(&StageError{Stage: stage, Err: err, run: r.id}) })
	r.hurries = hs
	hs.join(r)
	return r
}

// Child prepares a run inside this one: it shares the hurry, it is drained and stopped with its
// parent.
func (r *Run) Child() *Run {
	c := newRun(r.userCtx, r.limits, r.hurries)
	c.parent = r
	r.addChild(c) // before the looks: who drains or stops this run tells those that he finds
	if r.Draining() {
		c.Drain(nil)
	}
	if r.Stopped() {
		c.Stop(ErrStopped)
	}
	return c
}

// Leave removes a child that is over from its parent, which goes on counting what the child has
// given back and given up.
func (r *Run) Leave(child *Run) {
	back, up, done := child.GivenBack(), child.GivenUps(), child.Summary()
	r.outcome.mu.Lock()
	defer r.outcome.mu.Unlock()
	r.removeChild(child, done)
	r.givenBack += back
	for _, g := range up {
		r.addGivenUp(g)
	}
}

// Inside reports whether the run is, or is inside, the other.
func (r *Run) Inside(other *Run) bool {
	for ; r != nil; r = r.parent {
		if r == other {
			return true
		}
	}
	return false
}

// poke makes every parked island look around.
func (r *Run) poke() {
	r.pokes.Add(1)
	for _, isl := range r.allIslands() {
		isl.Wake()
	}
}

// CollectPending reports the finished tokens that islands have not reported yet, also those before
// which a slow element lies.
func (r *Run) CollectPending() {
	for _, isl := range r.allIslands() {
		isl.pending.collect(r.Ledger)
	}
	for _, f := range r.allFinishers() {
		f.pending.collect(r.Ledger)
	}
}

// FailAt is Fail with the place: the stage, and the record of the token. An error that has a place
// in this run keeps it; that of another run, which a function has run and waited for, is in one of
// this run too.
func (r *Run) FailAt(s *StageInfo, t Token, err error) {
	var placed *StageError
	if !errors.As(err, &placed) || placed.run != r.id {
		placed = &StageError{Stage: "source", Err: err, run: r.id}
		if s != nil {
			placed.Stage = s.Name
		}
		placed.Topic, placed.Partition, placed.Offset, placed.Located = r.Ledger.Locate(t)
		err = placed
	}
	r.Fail(err)
}

// Fail ends the run with a fault: the first one counts. A fault of a stage whose context the run
// has ended already is none, and one that comes after that for another reason does not hide why the
// run has ended.
func (r *Run) Fail(err error) {
	r.noteFault(err)
	r.Stop(err)
}

// Stop ends the run at once; err says why to user functions' contexts. Harmless when repeated.
func (r *Run) Stop(err error) {
	if !r.noteStop(err, r.working, func() { r.want(wantStop) }) {
		return
	}
	close(r.stopped)
	r.cancelUser(err)
	for _, c := range r.allChildren() {
		c.Stop(err)
	}
	r.poke()
}

// Drain stops the sources and lets what is in flight finish. Harmless when repeated.
func (r *Run) Drain(cause error) {
	hooks, first := r.beginDrain(cause, func() { r.want(wantDrain) })
	if !first {
		return
	}
	children := r.allChildren()
	r.drainUntil.Store(int64(max(1, time.Since(r.start)+r.limits.Drain-giveUpMargin(r.limits.Drain))))
	close(r.drained)
	r.cancelSrc()
	r.freezeAll() // before anybody is told to hurry
	// Until the run is over: holders emit, sinks flush, pauses are shorter.
	r.keepHurry(r.Hurry("drain"))
	for _, f := range hooks {
		f()
	}
	for _, c := range children {
		c.Drain(cause)
	}
	r.poke()
}

// StartIslands starts the goroutines of the islands that were built since it was called last.
func (r *Run) StartIslands() {
	starts, loops := r.takeUnstarted()
	for _, f := range starts {
		if r.Stopped() {
			return
		}
		if err := Safely(f); err != nil {
			r.Fail(err)
		}
	}
	if r.Stopped() {
		return
	}
	for _, l := range loops {
		r.Go(l.isl.describe(), l.run)
	}
}
