package core

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

// Stage is the fused rest of a chain, as an operator sees its downstream. Push and Done are called
// on the island's goroutine only, Done once, after the last Push. Link carries cancellation the
// other way.
type Stage[T any] struct {
	Push func(T)
	Done func()
	Link *Link
}

// Link is how a stage tells its upstream, within the island, that it wants no more elements.
type Link struct {
	// Up is set by the upstream; nil at first.
	Up        func()
	cancelled bool
}

// Cancel says that nothing more is wanted. Harmless when repeated.
func (l *Link) Cancel() {
	if l.cancelled {
		return
	}
	l.cancelled = true
	if l.Up != nil {
		l.Up()
	}
}

// Cancelled reports whether Cancel was called.
func (l *Link) Cancelled() bool { return l.cancelled }

// At is where a stage is being attached: in which island, after which stages.
type At struct {
	Island *Island
	Line   *Line
}

// output is an end of the chain that leads to another goroutine; it may be cancelled from there.
type output interface {
	// checkCancelled passes a cancellation by the receiver on to the island's link. It runs on the
	// island's goroutine.
	checkCancelled()
}

// watch is an output that is no boundary: a sink that may want no more while nothing comes.
type watch func()

func (w watch) checkCancelled() { w() }

// Watch makes the island call f whenever it looks around, and before it parks: for a sink that is
// told from elsewhere to cancel its link. Whoever tells it wakes the island.
func (isl *Island) Watch(f func()) { isl.outputs = append(isl.outputs, watch(f)) }

// Island is one goroutine of a run and the fused chain that it drives.
type Island struct {
	// Fixed when it is made.
	run *Run

	// Written per element, by the island. Others' cores look at parked and at pending's words per
	// element too: those lie on cache lines of their own.
	_          [64]byte
	frame      frame
	stage      *StageInfo // the stage whose user function was called last, for a panic
	claimed    *entry     // the assignment whose element was claimed last
	runEnd     Token      // the last of the dense run of tokens in hand
	runClaimed Token      // what of it is before this was claimed with it
	noMore     bool       // the chain has cancelled its intake
	passPanics bool       // the chain's end is a range loop of the caller's
	_          [64]byte

	// The marks of tokens: written by the island, read by whoever asks how far it is.
	pending pending
	_       [64]byte

	// What was built into it; fixed before it starts.
	stages       []*StageInfo
	source       *StageInfo // the one that counts what the intake gives
	holders      []Holding  // upstream first
	outputs      []output
	keepsUnbegun atomic.Bool // some stage keeps elements that have not begun (At.KeepsUnbegun)
	retries      bool        // the first stage pauses between attempts
	ahead        pausing     // nil without such a stage, and inside a pause

	// wake is sent to by whoever finds it parked; the others are written by the island alone, but
	// for yield, which Yield writes too.
	wake      chan struct{}
	timer     *time.Timer
	seenPoke  uint64
	busySince atomic.Int64
	// since when it is at its chunk, also while it is held back; 0 is at none
	chunkSince atomic.Int64
	swept      atomic.Uint32 // up to this drop
	yield      atomic.Uint32 // noYield, or what Yield has asked for

	// Written by the island, and parked by who wakes it.
	_       [64]byte
	parked  atomic.Uint32
	handing atomic.Uint32 // an element is being handed to user code
	_       [64]byte
}

// NewIsland adds an island to the run. Its goroutine starts with the run, or at once where the run
// has started.
func (r *Run) NewIsland() *Island {
	isl := &Island{run: r, wake: make(chan struct{}, 1)}
	r.addIsland(isl)
	return isl
}

// KeepsUnbegun reports whether elements that the island has passed on, and that have not begun, may
// lie somewhere.
func (isl *Island) KeepsUnbegun() bool { return isl.keepsUnbegun.Load() }

// Run is the run that the island belongs to.
func (isl *Island) Run() *Run { return isl.run }

// Expanding declares that a stage of the chain can emit several elements for one: tokens of frames
// that reach it are split.
func (isl *Island) Expanding() { isl.frame.expanding = true }

// TakeExpanding is called by a holder while it is built: it returns whether a stage behind it
// expands, which concerns the frames of its emissions; those that begin before it end in it.
func (isl *Island) TakeExpanding() bool {
	e := isl.frame.expanding
	isl.frame.expanding = false
	return e
}

// Token is that of the element in hand.
func (isl *Island) Token() Token { return isl.frame.cur }

// HandOver records that the element in hand is about to be handed, by the stage in hand, to code
// outside of the graph, which finishes it by its Committable.
func (isl *Island) HandOver() { isl.run.Ledger.HandOver(isl.frame.cur, isl.stage.Name) }

// Withdraw takes the HandOver of the element in hand back.
func (isl *Island) Withdraw() { isl.run.Ledger.Withdraw(isl.frame.cur) }

// In notes that an element has reached a stage whose user function is called next.
func (isl *Island) In(s *StageInfo) {
	s.in++
	isl.stage = s
}

// Wake wakes the island if it is parked. Any goroutine may call it; it never blocks.
func (isl *Island) Wake() {
	if isl.parked.Load() != 0 && isl.parked.CompareAndSwap(1, 0) {
		isl.wake <- struct{}{}
	}
}

// park waits until Wake is called, ready is true, a deadline of a holder has come, or the run
// is poked.
func (isl *Island) park(ready func() bool, deadline time.Time) {
	isl.publish()
	isl.parked.Store(1)
	if ready() || isl.run.pokes.Load() != isl.seenPoke {
		isl.unpark()
		return
	}
	if deadline.IsZero() {
		<-isl.wake
		return
	}
	d := time.Until(deadline)
	if d <= 0 {
		isl.unpark()
		return
	}
	if isl.timer == nil {
		isl.timer = time.NewTimer(d)
	} else {
		isl.timer.Reset(d)
	}
	select {
	case <-isl.wake:
		isl.timer.Stop()
	case <-isl.timer.C:
		isl.unpark()
	}
}

// unpark takes the island's own parking back, or the wake-up that came in between.
func (isl *Island) unpark() {
	if !isl.parked.CompareAndSwap(1, 0) {
		<-isl.wake
	}
}

// unwanted lets cancellations by other islands arrive, and reports whether the chain wants no more.
func (isl *Island) unwanted() bool {
	for _, o := range isl.outputs {
		o.checkCancelled()
	}
	return isl.noMore
}

// waitOn parks in an intake's own way of waiting.
func (isl *Island) waitOn(w Waiter) {
	isl.publish()
	isl.parked.Store(1)
	if isl.unwanted() || isl.run.pokes.Load() != isl.seenPoke {
		isl.unpark()
		return
	}
	if !w.Wait(isl.wake) {
		isl.unpark()
	}
}

// Sent is how a send to a user's channel has ended.
type Sent uint8

const (
	// TakenOver: the receiver has the element.
	TakenOver Sent = iota
	// Halted: the run was stopped first.
	Halted
	// Withdrawn: the element lay after the cut before anybody took it; it is given back.
	Withdrawn
)

// Send sends the element in hand to a user's channel. It begins when the channel has taken it.
func Send[T any](isl *Island, ch chan<- T, v T) Sent {
	tracked := isl.frame.cur != 0
	if tracked && !isl.beginHandOver() {
		return Withdrawn
	}
	select {
	case ch <- v:
		isl.endHandOver(tracked, true)
		return TakenOver
	default:
	}
	isl.pending.flush(isl.run.Ledger)
	for !isl.run.Stopped() {
		isl.publish()
		isl.seenPoke = isl.run.pokes.Load()
		isl.parked.Store(1)
		if isl.run.Stopped() {
			isl.unpark()
			break
		}
		select {
		case ch <- v:
			isl.unpark()
			isl.endHandOver(tracked, true)
			return TakenOver
		case <-isl.wake:
			// Who makes a cut waits until it is known whether the channel has taken the element.
			isl.endHandOver(tracked, false)
			if tracked && !isl.beginHandOver() {
				return Withdrawn
			}
		}
	}
	isl.endHandOver(tracked, false)
	return Halted
}

// beginHandOver lets the element in hand be handed to user code, unless it lies after the cut. No
// cut is made until endHandOver.
func (isl *Island) beginHandOver() bool {
	for {
		isl.handing.Store(1)
		if isl.run.Ledger.freezing.Load() == 0 {
			break
		}
		isl.handing.Store(0)
		runtime.Gosched()
	}
	if isl.run.CutOff(isl.frame.cur) {
		isl.handing.Store(0)
		return false
	}
	return true
}

// endHandOver ends what beginHandOver has begun; taken: user code has the element.
func (isl *Island) endHandOver(tracked, taken bool) {
	if !tracked {
		return
	}
	if taken {
		isl.run.Ledger.Claim(isl.frame.cur)
	}
	isl.handing.Store(0)
}

// Await parks until ready, on behalf of a sink or a push that waits. It reports false when the run
// was stopped hard first. Holders are not flushed meanwhile: a push that waits is inside a frame.
func (isl *Island) Await(ready func() bool) bool {
	isl.pending.flush(isl.run.Ledger)
	for !ready() {
		if isl.run.Stopped() {
			return false
		}
		isl.seenPoke = isl.run.pokes.Load()
		if isl.run.Stopped() {
			return false
		}
		isl.park(ready, time.Time{})
	}
	return true
}

// Fail ends the stream with the error of a stage: the element in hand is abandoned.
func (isl *Island) Fail(s *StageInfo, err error) {
	isl.frame.fate = abandoned
	isl.run.FailAt(s, isl.frame.cur, err)
}

// panicked turns a recovered panic into a fault of the stage in hand.
func (isl *Island) panicked(p any) {
	isl.Fail(isl.stage, newPanicError(p))
}

// guard calls f and turns a panic in it into a fault that names the stage in hand.
func (isl *Island) guard(f func()) {
	defer func() {
		if p := recover(); p != nil {
			isl.panicked(p)
		}
	}()
	f()
}

// idle does what is due between two elements when no input is there or a chunk has ended: finished
// tokens are reported, holders whose time has come (or all, under hurry) emit, cancellations from
// other islands arrive. It returns the next deadline.
func (isl *Island) idle() (next time.Time) {
	isl.publish()
	isl.unwanted()
	isl.pending.flush(isl.run.Ledger)
	if len(isl.holders) > 0 {
		// may take long: what is finished was reported before
		isl.guard(func() { next = isl.flush() })
		isl.pending.flush(isl.run.Ledger)
	}
	return next
}

func (isl *Island) publish() {
	for _, s := range isl.stages {
		s.publish()
	}
	isl.busySince.Store(0)
}

func (isl *Island) busy() {
	now := isl.run.clock()
	isl.busySince.Store(now)
	isl.chunkSince.Store(now)
}

func (isl *Island) describe() string {
	names := ""
	for i := len(isl.stages) - 1; i >= 0; i-- {
		if names != "" {
			names += " → "
		}
		names += isl.stages[i].Name
	}
	if names == "" {
		names = "source"
	}
	return fmt.Sprintf("[%s]", names)
}

// Back notes that a stage's user function goes on after a push: a panic is its own again.
func (isl *Island) Back(s *StageInfo) { isl.stage = s }

// Halted reports whether the run was stopped hard.
func (isl *Island) Halted() bool { return isl.run.Stopped() }
