package core

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Attention bits: the one word that an island looks at per element.
const (
	attendStop  = 1 << iota // hard stop
	attendDrain             // sources stop
	attendDrop              // an assignment is dropped: its elements are thrown away
	attendHurry             // somebody waits for the last tokens
	attendYield             // a source's island is to give the rest of its chunk back
)

// Limits bounds the end of a run.
type Limits struct {
	Drain time.Duration // from the start of a drain to the hard stop
	// for what is to be collected and closed after the last island, and for user code after a hard
	// stop
	Close time.Duration
}

// Run is one run of a graph.
type Run struct {
	// Ledger accounts for the tokens of this run. A child run has its own: what travels in it when
	// it is stopped hard is void.
	Ledger *Ledger
	// Aside is the number of elements that a retry sets aside at most; 0 is DefaultAside. It is set
	// before the stages are built.
	Aside int

	// Fixed when it is made; hurry and groups have locks of their own.
	parent *Run
	limits Limits
	hurry  *hurry
	start  time.Time
	groups groups // who commits in it

	// The atomics are written by whoever causes what they tell of. What islands look at is one
	// word, attention, whose bits change under the lock of their reason: yieldMu, sweepMu, mu, the
	// hurry's.
	attention atomic.Uint32
	epoch     atomic.Uint64
	cut       atomic.Bool  // a source was stopped by the drain
	everCut   atomic.Bool  // some assignment has a cut, or had one
	dropped   atomic.Int64 // elements thrown away because they lay after a cut
	givenBack atomic.Int64 // positions that a freeze has given back
	yieldMu   sync.Mutex
	// islands that were told to yield and have not; under yieldMu, as the attention bit is
	yields  int
	sweepMu sync.Mutex
	drops   atomic.Uint32 // how many there were

	// Fixed when it is made.
	userCtx    context.Context
	cancelUser context.CancelCauseFunc
	srcCtx     context.Context
	cancelSrc  context.CancelFunc

	drainUntil atomic.Int64 // when retries are given up in a drain, from start on; 0 is no drain

	// Each closed once, by who brings it about.
	stopC   chan struct{}
	drainC  chan struct{}
	endedC  chan struct{} // no goroutine is left
	lingerC chan struct{} // none is left but user code whose elements nobody wants any more
	doneC   chan struct{}

	drainMu    sync.Mutex // before mu
	drainHurry bool       // the drain's reason to hurry stands
	left       bool       // the hurry is not this run's any more

	mu        sync.Mutex
	loops     []loop
	starts    []func() error
	islands   []*Island
	finishers []*Finisher
	stages    []*StageInfo
	children  map[*Run]struct{}
	live      map[int]*goroutine
	minders   int           // goroutines that watch over a child; the run ends after its children
	childless chan struct{} // closed when minders becomes 0, where somebody waits for that
	// goroutines that run functions of the user's on behalf of this run, by id
	ids      map[uint64]int
	reported []error // what children had to say besides the reason for their end
	within   *Run    // the run inside whose function this one is run
	nextLive int
	ended    bool
	lingers  bool
	onDrain  []func()
	onEnd    []func(context.Context) error
	onLast   []func(context.Context) error
	fault    error
	late     error // of a stage, after the run was stopped
	stopErr  error
	cause    error // why it is drained

	// Under mu, as what is above.
	givenUps  []GivenUp
	givenUpAt map[GivenUp]int // by place, in givenUps
	// by token: the stage whose call for it was running when the run was stopped
	atWork      map[Token]string
	drainGaveUp bool // something was given up in the drain

	result error // written before doneC is closed, read after
}

type loop struct {
	isl *Island
	f   func()
}

// NewRun prepares a run. Its user functions' context has ctx's values; ctx's cancellation means
// drain, and is watched by Supervise.
func NewRun(ctx context.Context, limits Limits) *Run { return newRun(ctx, limits, newHurry()) }

// Child prepares a run inside this one: it shares the hurry, it is drained and stopped with its
// parent.
func (r *Run) Child() *Run {
	c := newRun(r.userCtx, r.limits, r.hurry)
	c.parent = r
	r.mu.Lock()
	if r.children == nil {
		r.children = map[*Run]struct{}{}
	}
	r.children[c] = struct{}{}
	r.mu.Unlock()
	if r.Draining() {
		c.Drain(nil)
	}
	if r.Stopped() {
		c.Stop(ErrStopped)
	}
	return c
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

func newRun(ctx context.Context, limits Limits, h *hurry) *Run {
	r := &Run{
		Ledger: newLedger(), limits: limits, hurry: h, start: time.Now(),
		stopC: make(chan struct{}), drainC: make(chan struct{}), endedC: make(chan struct{}), doneC: make(chan struct{}),
		live: map[int]*goroutine{}, lingerC: make(chan struct{}),
	}
	r.Ledger.run = r
	r.userCtx, r.cancelUser = context.WithCancelCause(context.WithValue(context.WithoutCancel(ctx), runKey{}, r))
	r.srcCtx, r.cancelSrc = context.WithCancel(r.userCtx)
	h.join(r)
	return r
}

// Context is for user functions: it is cancelled at the hard stop only.
func (r *Run) Context() context.Context { return r.userCtx }

// SourceContext is for user code that makes elements: it is cancelled when a drain begins.
func (r *Run) SourceContext() context.Context { return r.srcCtx }

// Stopped reports whether the run was stopped hard.
func (r *Run) Stopped() bool { return r.attention.Load()&attendStop != 0 }

// Draining reports whether sources are to stop.
func (r *Run) Draining() bool { return r.attention.Load()&attendDrain != 0 }

// Hurried reports whether holders are to emit what they have.
func (r *Run) Hurried() bool { return r.hurry.level.Load() > 0 }

// StopC is closed at the hard stop; DoneC when the run is over.
func (r *Run) StopC() <-chan struct{} { return r.stopC }

// DrainC is closed when a drain begins.
func (r *Run) DrainC() <-chan struct{} { return r.drainC }

// DoneC is closed when the run is over.
func (r *Run) DoneC() <-chan struct{} { return r.doneC }

// Limits are the run's.
func (r *Run) Limits() Limits { return r.limits }

func (r *Run) clock() int64 { return int64(time.Since(r.start)) + 1 }

// CollectPending reports the finished tokens that islands have not reported yet, also those behind
// a slow element.
func (r *Run) CollectPending() {
	r.mu.Lock()
	islands := r.islands[:len(r.islands):len(r.islands)]
	finishers := r.finishers[:len(r.finishers):len(r.finishers)]
	r.mu.Unlock()
	for _, isl := range islands {
		isl.pending.collect(r.Ledger)
	}
	for _, f := range finishers {
		f.pending.collect(r.Ledger)
	}
}

// poke makes every parked island look around.
func (r *Run) poke() {
	r.epoch.Add(1)
	r.mu.Lock()
	islands := r.islands[:len(r.islands):len(r.islands)]
	r.mu.Unlock()
	for _, isl := range islands {
		isl.Wake()
	}
}

// FailAt is Fail with the place: the stage, and the record behind the token.
func (r *Run) FailAt(s *StageInfo, t Token, err error) {
	var placed *StageError
	if !errors.As(err, &placed) {
		placed = &StageError{Stage: "source", Err: err}
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
	r.mu.Lock()
	switch {
	case r.stopErr == nil && r.fault == nil:
		r.fault = err
	case r.fault == nil && r.late == nil && !consequence(err):
		r.late = err
	}
	r.mu.Unlock()
	r.Stop(err)
}

// consequence reports whether an error says no more than that a context has ended.
func consequence(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, ErrStopped) || errors.Is(err, ErrDrainTimeout)
}

// Stop ends the run at once; err says why to user functions' contexts. Harmless when repeated.
func (r *Run) Stop(err error) {
	r.mu.Lock()
	if r.stopErr != nil {
		r.mu.Unlock()
		return
	}
	r.stopErr = err
	r.atWork = r.working()
	children := r.snapshotChildren()
	r.mu.Unlock()
	r.attention.Or(attendStop)
	close(r.stopC)
	r.cancelUser(err)
	for _, c := range children {
		c.Stop(err)
	}
	r.poke()
}

// Why is what has ended the run, or begun to: its fault, a stop, or the cause of its drain.
// "completed" is none of these.
func (r *Run) Why() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.fault != nil:
		return r.fault.Error()
	case r.stopErr != nil:
		return r.stopErr.Error()
	case r.attention.Load()&attendDrain == 0:
		return "completed"
	case r.cause != nil:
		return "drained: " + r.cause.Error()
	}
	return "drained"
}

// Drain stops the sources and lets what is in flight finish. Harmless when repeated.
func (r *Run) Drain(cause error) {
	r.mu.Lock()
	if r.attention.Load()&attendDrain != 0 {
		r.mu.Unlock()
		return
	}
	r.cause = cause
	r.attention.Or(attendDrain)
	hooks := r.onDrain
	r.onDrain = nil
	children := r.snapshotChildren()
	r.mu.Unlock()
	r.drainUntil.Store(int64(max(1, time.Since(r.start)+r.limits.Drain-giveUpMargin(r.limits.Drain))))
	close(r.drainC)
	r.cancelSrc()
	r.freezeAll() // before anybody is told to hurry
	r.drainMu.Lock()
	if !r.left {
		r.RaiseHurry() // until the run is over: holders emit, sinks flush, retries try once more
		r.drainHurry = true
	}
	r.drainMu.Unlock()
	for _, f := range hooks {
		f()
	}
	for _, c := range children {
		c.Drain(cause)
	}
	r.poke()
}

// Cut notes that a source was stopped by a drain before its end.
func (r *Run) Cut() { r.cut.Store(true) }

// OnDrain calls f when a drain begins, or at once if it has begun.
func (r *Run) OnDrain(f func()) {
	r.mu.Lock()
	if r.attention.Load()&attendDrain == 0 {
		r.onDrain = append(r.onDrain, f)
		r.mu.Unlock()
		return
	}
	r.mu.Unlock()
	f()
}

// OnEnd calls f when every island has ended, the last registered first, with a context that ends
// with the close time-out. Its error is added to the run's.
func (r *Run) OnEnd(f func(context.Context) error) {
	r.mu.Lock()
	r.onEnd = append(r.onEnd, f)
	r.mu.Unlock()
}

// OnLast calls f behind all that OnEnd has registered: for sources whose last offsets depend on
// outcomes that sinks still collect.
func (r *Run) OnLast(f func(context.Context) error) {
	r.mu.Lock()
	r.onLast = append(r.onLast, f)
	r.mu.Unlock()
}

func (r *Run) snapshotChildren() []*Run {
	children := make([]*Run, 0, len(r.children))
	for c := range r.children {
		children = append(children, c)
	}
	return children
}

func (r *Run) addIsland(isl *Island) {
	r.mu.Lock()
	r.islands = append(r.islands, isl)
	r.mu.Unlock()
}

func (r *Run) addStage(s *StageInfo) {
	r.mu.Lock()
	r.stages = append(r.stages, s)
	r.mu.Unlock()
}

func (r *Run) setLoop(isl *Island, f func()) {
	r.mu.Lock()
	r.loops = append(r.loops, loop{isl, f})
	r.mu.Unlock()
}

// OnStart calls f when the run starts, or the part of it that is being built (Concat), before its
// islands: for goroutines beside them.
func (r *Run) OnStart(f func()) {
	r.TryStart(func() error {
		f()
		return nil
	})
}

// TryStart is OnStart for what can fail: a client that has to be made. An error ends the run with
// it: no island starts, and no function that was registered behind f is called. A panic is an error
// too.
func (r *Run) TryStart(f func() error) {
	r.mu.Lock()
	r.starts = append(r.starts, f)
	r.mu.Unlock()
}

// StartIslands starts the goroutines of the islands that were built since it was called last.
func (r *Run) StartIslands() {
	r.mu.Lock()
	starts, loops := r.starts, r.loops
	r.starts, r.loops = nil, nil
	r.mu.Unlock()
	for _, f := range starts {
		if r.Stopped() {
			return
		}
		if err := safely(f); err != nil {
			r.Fail(err)
		}
	}
	if r.Stopped() {
		return
	}
	for _, l := range loops {
		r.Go(l.isl.describe(), l.f)
	}
}

func safely(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = newPanicError(p)
		}
	}()
	return f()
}

// goroutine is one that the run waits for.
type goroutine struct {
	what     string
	minder   bool // it watches over a child, whose own limits bound it
	released bool // user code that makes elements which nobody wants any more
}

// Go is the one place where goroutines of a run begin. what names it if it does not come back.
func (r *Run) Go(what string, f func()) {
	r.launch(&goroutine{what: what}, f)
}

// GoChild is Go for who watches over a child. Should user code not return, the run waits for its
// children all the same: each is bounded by itself, and tells of the functions that it has left.
func (r *Run) GoChild(what string, f func()) {
	r.launch(&goroutine{what: what, minder: true}, f)
}

func (r *Run) launch(g *goroutine, f func()) {
	leave := r.enterAs(g)
	go func() {
		defer leave()
		defer r.Here()()
		returned := false
		defer func() {
			if p := recover(); p != nil {
				r.Fail(&StageError{Stage: g.what, Err: newPanicError(p)})
			} else if !returned {
				r.Fail(&StageError{Stage: g.what, Err: ErrGoexit})
			}
		}()
		f()
		returned = true
	}()
}

// GoUser is Go for user code that makes elements. release says that they are not wanted any more:
// should nothing but such code be left, the run waits for it no longer than the close time-out.
func (r *Run) GoUser(what string, f func()) (release func()) {
	g := &goroutine{what: what}
	leave := r.enterAs(g)
	go func() {
		defer leave()
		defer r.Here()()
		returned := false
		defer func() {
			if !returned {
				r.Fail(&StageError{Stage: what, Err: ErrGoexit})
			}
		}()
		f()
		returned = true
	}()
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		g.released = true
		r.checkEnded()
	}
}

// Serve is Go for what serves the run until behind its last island: a loop that commits what was
// finished. The run does not wait for it. Who calls it calls stop in an OnEnd hook, which closes
// quit and waits until f has returned; stop is harmless when repeated.
func (r *Run) Serve(what string, f func(quit <-chan struct{})) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		defer r.Here()()
		returned := false
		defer func() {
			if p := recover(); p != nil {
				r.Fail(&StageError{Stage: what, Err: newPanicError(p)})
			} else if !returned {
				r.Fail(&StageError{Stage: what, Err: ErrGoexit})
			}
		}()
		f(quit)
		returned = true
	}()
	return sync.OnceFunc(func() {
		close(quit)
		<-done
	})
}

// enter counts the caller's goroutine, or one that is about to start, as one that the run waits
// for.
func (r *Run) enter(what string) (leave func()) { return r.enterAs(&goroutine{what: what}) }

func (r *Run) enterAs(g *goroutine) (leave func()) {
	r.mu.Lock()
	id := r.nextLive
	r.nextLive++
	r.live[id] = g
	if g.minder {
		r.minders++
	}
	r.mu.Unlock()
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.live, id)
		if g.minder {
			if r.minders--; r.minders == 0 && r.childless != nil {
				close(r.childless)
				r.childless = nil
			}
		}
		r.checkEnded()
	}
}

func (r *Run) checkEnded() {
	for _, g := range r.live {
		if !g.released {
			return
		}
	}
	if len(r.live) > 0 {
		if !r.lingers {
			r.lingers = true
			close(r.lingerC)
		}
		return
	}
	if !r.ended {
		r.ended = true
		close(r.endedC)
	}
}

// Supervise starts the islands, watches over the run to its end and returns its outcome. ctx's end
// begins a drain.
func (r *Run) Supervise(ctx context.Context) error {
	if ctx.Err() != nil {
		r.Drain(context.Cause(ctx)) // before any source begins
	}
	// Counted itself, so that the run is not over before all are started.
	leave := r.enter("start")
	r.StartIslands()
	leave()

	stuck := r.await(ctx)
	err := r.finish(stuck)
	r.mu.Lock()
	r.result = err
	r.mu.Unlock()
	r.leaveHurry()
	r.cancelSrc()
	r.cancelUser(ErrStopped)
	close(r.doneC)
	return err
}

// await waits until every goroutine has ended, through drain and hard stop; it returns what is
// stuck.
func (r *Run) await(ctx context.Context) *StuckError {
	ctxDone := ctx.Done()
	drainC, stopC, lingerC := (<-chan struct{})(r.drainC), (<-chan struct{})(r.stopC), (<-chan struct{})(r.lingerC)
	var drainTimer, stuckTimer <-chan time.Time
	for {
		select {
		case <-r.endedC:
			return nil
		case <-ctxDone:
			ctxDone = nil
			r.Drain(context.Cause(ctx))
		case <-drainC:
			drainC = nil
			t := time.NewTimer(r.limits.Drain)
			defer t.Stop()
			drainTimer = t.C
		case <-drainTimer:
			drainTimer = nil
			r.Stop(ErrDrainTimeout)
		case <-stopC:
			stopC, lingerC = nil, nil
			t := time.NewTimer(r.limits.Close)
			defer t.Stop()
			stuckTimer = t.C
		case <-lingerC:
			lingerC = nil
			t := time.NewTimer(r.limits.Close)
			defer t.Stop()
			stuckTimer = t.C
		case <-stuckTimer:
			r.awaitChildren()
			return r.stuck()
		}
	}
}

// awaitChildren waits until every child is over: what ends with the run is theirs to write until
// then, and what they report belongs to its outcome.
func (r *Run) awaitChildren() {
	for {
		r.mu.Lock()
		if r.minders == 0 {
			r.mu.Unlock()
			return
		}
		if r.childless == nil {
			r.childless = make(chan struct{})
		}
		c := r.childless
		r.mu.Unlock()
		<-c
	}
}

// Report adds to the outcome what a child that was ended by this run's end had to say besides:
// outcomes that it has not waited for, functions that have not returned.
func (r *Run) Report(errs ...error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reported = append(r.reported, errs...)
}

// Reports is what the outcome of a run that is over says besides the reason for its end.
func (r *Run) Reports() []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reported
}

// stuck is what has not returned; nil where everything has.
func (r *Run) stuck() *StuckError {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return nil
	}
	e := &StuckError{After: r.limits.Close}
	for _, g := range r.live {
		e.Stages = append(e.Stages, g.what)
	}
	slices.Sort(e.Stages)
	return e
}

func (r *Run) finish(stuck *StuckError) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.userCtx), r.limits.Close)
	defer cancel()
	r.mu.Lock()
	hooks := append(r.onLast, r.onEnd...)
	r.onEnd, r.onLast = nil, nil
	r.mu.Unlock()
	var reports []error
	for i := len(hooks) - 1; i >= 0; i-- {
		if err := hooks[i](ctx); err != nil {
			reports = append(reports, err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	errs := make([]error, 0, 3)
	switch gaveUp := len(r.givenUps) > 0; {
	case r.fault != nil:
		errs = append(errs, r.fault)
	case errors.Is(r.stopErr, ErrDrainTimeout):
		errs = append(errs, &GivenUpError{Cause: fmt.Errorf("%w (stream.DrainTimeout is %v)", ErrDrainTimeout, r.limits.Drain), Because: r.cause, Records: r.givenUps})
	case r.stopErr != nil && gaveUp:
		errs = append(errs, &GivenUpError{Cause: r.stopErr, Because: r.cause, Records: r.givenUps})
	case r.stopErr != nil:
		errs = append(errs, r.stopErr)
	case r.drainGaveUp:
		errs = append(errs, &GivenUpError{Cause: fmt.Errorf("%w (stream.DrainTimeout is %v)", ErrDrainTimeout, r.limits.Drain), Because: r.cause, Records: r.givenUps})
	case r.cut.Load():
		errs = append(errs, &drainedError{cause: r.cause})
	}
	if r.late != nil {
		errs = append(errs, r.late)
	}
	r.reported = append(r.reported, reports...)
	if stuck != nil {
		r.reported = append(r.reported, stuck)
	}
	errs = append(errs, r.reported...)
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// Discard ends a run that was built and is not going to start: what was opened while building is
// closed.
func (r *Run) Discard(err error) error {
	r.Stop(err)
	e := r.finish(nil)
	r.leaveHurry()
	r.cancelSrc()
	close(r.doneC)
	return e
}

// Begin is Supervise on a goroutine of its own; done is called with the outcome.
func (r *Run) Begin(ctx context.Context) {
	go func() { _ = r.Supervise(ctx) }()
}

// Err is the outcome once the run is over; nil before.
func (r *Run) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.result
}

// Leave removes a child that is over from its parent, which goes on counting what the child has
// given back and given up.
func (r *Run) Leave(child *Run) {
	back, up := child.GivenBack(), child.GivenUps()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.children, child)
	r.givenBack.Add(back)
	for _, g := range up {
		r.addGivenUp(g)
	}
}

// Dropped counts the elements that were thrown away because their partition was taken away.
func (r *Run) Dropped() int64 { return r.dropped.Load() }

// Stages reads the counters of all stages, in the order in which elements meet them where that is a
// line.
func (r *Run) Stages() []StageCounts {
	r.mu.Lock()
	stages := r.stages[:len(r.stages):len(r.stages)]
	children := r.snapshotChildren()
	r.mu.Unlock()
	counts := make([]StageCounts, 0, len(stages))
	for i := len(stages) - 1; i >= 0; i-- {
		counts = append(counts, stages[i].counts())
	}
	for _, c := range children {
		counts = append(counts, c.Stages()...)
	}
	return counts
}

// Outstanding reads how many positions were delivered and are not finished, in this run and its
// children, and the age of the oldest.
func (r *Run) Outstanding() (n int, oldest time.Duration) {
	r.Ledger.entries.each(func(e *entry) {
		a, ok := e.assignment.(interface {
			Outstanding() int
			Oldest() (offset int64, age time.Duration, ok bool)
		})
		if !ok {
			return
		}
		n += a.Outstanding()
		if _, age, ok := a.Oldest(); ok {
			oldest = max(oldest, age)
		}
	})
	r.mu.Lock()
	children := r.snapshotChildren()
	r.mu.Unlock()
	for _, c := range children {
		more, age := c.Outstanding()
		n, oldest = n+more, max(oldest, age)
	}
	return n, oldest
}

// CallOn names a stage whose function is being called for a record, of those with workers; "" where
// none is known.
func (r *Run) CallOn(topic string, partition int32, offset int64) string {
	r.mu.Lock()
	stages := r.stages[:len(r.stages):len(r.stages)]
	children := r.snapshotChildren()
	r.mu.Unlock()
	for _, s := range stages {
		if s.calls != nil && s.calls.has(r.Ledger, topic, partition, offset) {
			return s.Name
		}
	}
	for _, c := range children {
		if name := c.CallOn(topic, partition, offset); name != "" {
			return name
		}
	}
	return ""
}

// Calling lists the stages with workers that have calls running now, by name.
func (r *Run) Calling() []string {
	return r.stagesThat(func(s StageCounts) bool { return s.Calls > 0 })
}

// Holding lists the stages that have elements in front of them, or on their way to a broker, by
// name.
func (r *Run) Holding() []string {
	return r.stagesThat(func(s StageCounts) bool { return s.Buffered > 0 })
}

func (r *Run) stagesThat(are func(StageCounts) bool) []string {
	var names []string
	for _, s := range r.Stages() {
		if are(s) && !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Busy lists the islands that have been at their current chunk for longer than d, and for how long.
func (r *Run) Busy(d time.Duration) map[string]time.Duration {
	r.mu.Lock()
	islands := r.islands[:len(r.islands):len(r.islands)]
	r.mu.Unlock()
	now := r.clock()
	busy := map[string]time.Duration{}
	for _, isl := range islands {
		if since := isl.busySince.Load(); since != 0 && time.Duration(now-since) > d {
			busy[isl.describe()] = time.Duration(now - since)
		}
	}
	r.mu.Lock()
	children := r.snapshotChildren()
	r.mu.Unlock()
	for _, c := range children {
		for what, took := range c.Busy(d) {
			busy[what] = max(busy[what], took)
		}
	}
	return busy
}
