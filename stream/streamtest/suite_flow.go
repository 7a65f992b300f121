package streamtest

import (
	"context"
	"iter"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/stream"
)

// FlowCase says how a flow under test is made and what it is to do.
type FlowCase[A, B any] struct {
	// New makes the flow. Its user function, where it has one, first calls call with the element,
	// and returns its error where it can.
	New func(t *testing.T, call func(context.Context, A) error) stream.Flow[A, B]
	// Input makes the i-th element.
	Input func(i int) A
	// Output is what the flow makes of a whole input that completes. That of a longer input begins
	// with that of a shorter one, by Parts.
	Output func(in []A) []B
	// Parts is what an element of the output is made of, where it depends on time or hurry how they
	// are put together (Batch); nil is the element itself.
	Parts func(B) []any
}

// TestFlow runs the conformance suite on a flow.
func TestFlow[A, B any](t *testing.T, c FlowCase[A, B], features ...Feature) {
	s := &flowSuite[A, B]{FlowCase: c, features: declare(features)}
	s.run(t, "completes", s.completes)
	s.run(t, "completes without an element", s.completesEmpty)
	s.run(t, "fault upstream", s.upstreamFault)
	s.run(t, "cancelled behind", s.cancelledBehind)
	s.run(t, "cancelled behind a boundary", s.cancelledBehindBoundary)
	s.run(t, "cancelled while quiet", s.cancelledWhileQuiet)
	s.run(t, "early exit", s.earlyExit)
	s.run(t, "drain by context", s.drainByContext)
	s.run(t, "drain by control", s.drainByControl)
	s.run(t, "drain in mid-flight", s.drainMidFlight)
	s.run(t, "hard stop", s.hardStop)
	if s.fails {
		s.run(t, "own fault", s.ownFault)
	}
	if s.fails || s.diverts {
		s.run(t, "hard stop in a call", s.hardStopInCall)
	}
	if s.panics {
		s.run(t, "panic", s.panic)
	}
	if s.ahead >= 0 {
		s.run(t, "back-pressure", s.backPressure)
	}
	if s.again {
		s.run(t, "again", s.runsAgain)
	}
	if s.concurrent {
		s.run(t, "at the same time", s.runsConcurrently)
	}
	if s.parallel > 0 {
		s.run(t, "parallel calls", s.parallelCalls)
		s.run(t, "calls of random length", s.randomCalls)
	}
	if s.holds {
		s.run(t, "hurry", s.hurries)
	}
	s.tokens(t)
}

type flowSuite[A, B any] struct {
	FlowCase[A, B]
	features
}

func (s *flowSuite[A, B]) inputs(n int) []A {
	in := make([]A, n)
	for i := range in {
		in[i] = s.Input(i)
	}
	return in
}

// enough is so much that a stage which takes it in does not see that nobody wants it.
const enough = 200_000

// endless is a source that ends only when it is told to.
func (s *flowSuite[A, B]) endless(t *testing.T) stream.Source[A] {
	return stream.FromSeq(iter.Seq[A](func(yield func(A) bool) {
		for i := 0; yield(s.Input(i)); i++ {
			if i == enough {
				t.Errorf("the stage has taken in %d elements, and goes on", i)
				return
			}
		}
	}))
}

func (s *flowSuite[A, B]) parts(out []B) []any {
	all := make([]any, 0, len(out))
	for _, b := range out {
		if s.Parts == nil {
			all = append(all, b)
		} else {
			all = append(all, s.Parts(b)...)
		}
	}
	return all
}

func (s *flowSuite[A, B]) same(t *testing.T, in []A, got []B) {
	t.Helper()
	same(t, s.parts(s.Output(in)), s.parts(got), s.ordered)
}

func (s *flowSuite[A, B]) completes(t *testing.T) {
	in := s.inputs(many)
	g := newGate[B](true)
	require.NoError(t, run(t, stream.Via(stream.FromSlice(in), s.New(t, fine[A])).To(g.sink())))
	s.same(t, in, g.all())
}

func (s *flowSuite[A, B]) completesEmpty(t *testing.T) {
	g := newGate[B](true)
	require.NoError(t, run(t, stream.Via(stream.FromSlice[A](nil), s.New(t, fine[A])).To(g.sink())))
	s.same(t, nil, g.all())
}

func (s *flowSuite[A, B]) upstreamFault(t *testing.T) {
	n := 0
	src := stream.TryMap(s.endless(t), func(_ context.Context, a A) (A, error) {
		if n++; n > 3 {
			return a, errFault
		}
		return a, nil
	}).Named("upstream")
	err := run(t, stream.Via(src, s.New(t, fine[A])).To(stream.Ignore[B]()))
	require.ErrorIs(t, err, errFault)
	require.Equal(t, "upstream", requirePlace(t, err).Stage)
}

func (s *flowSuite[A, B]) ownFault(t *testing.T) {
	err := run(t, stream.Via(s.endless(t), s.New(t, nth[A](3, func() error { return errFault }))).To(stream.Ignore[B]()))
	require.ErrorIs(t, err, errFault)
	requirePlace(t, err)
}

func (s *flowSuite[A, B]) panic(t *testing.T) {
	requirePanic(t, run(t, stream.Via(s.endless(t), s.New(t, nth[A](3, panics))).To(stream.Ignore[B]())))
}

func (s *flowSuite[A, B]) cancelledBehind(t *testing.T) {
	g := newGate[B](true)
	require.NoError(t, run(t, stream.Via(s.endless(t), s.New(t, fine[A])).Take(3).To(g.sink())))
	s.three(t, g.all())
}

func (s *flowSuite[A, B]) cancelledBehindBoundary(t *testing.T) {
	g := newGate[B](true)
	require.NoError(t, run(t, stream.Via(s.endless(t), s.New(t, fine[A])).Async().Take(3).To(g.sink())))
	s.three(t, g.all())
}

func (s *flowSuite[A, B]) three(t *testing.T, got []B) {
	t.Helper()
	require.Len(t, got, 3)
	if s.ordered {
		have := s.parts(got)
		same(t, s.parts(s.Output(s.inputs(many)))[:len(have)], have, true)
	}
}

func (s *flowSuite[A, B]) cancelledWhileQuiet(t *testing.T) {
	probe := NewSinkProbe[B](t)
	ctl := start(t, stream.Via(stream.FromChan[A](nil), s.New(t, fine[A])).To(probe.Sink()))
	synctest.Wait()
	probe.Cancel()
	require.NoError(t, over(t, ctl))
}

func (s *flowSuite[A, B]) earlyExit(t *testing.T) {
	g := newGate[B](true)
	require.NoError(t, run(t, stream.Via(s.endless(t), s.New(t, fine[A])).Take(0).To(g.sink())))
	require.Empty(t, g.all())
}

// fed starts the flow behind a channel and sends it three elements.
func (s *flowSuite[A, B]) fed(t *testing.T, ctx context.Context) (*stream.Control, *gate[B]) {
	ch := make(chan A)
	g := newGate[B](true)
	ctl := startIn(t, ctx, stream.Via(stream.FromChan(ch), s.New(t, fine[A])).To(g.sink()))
	for _, a := range s.inputs(3) {
		ch <- a
	}
	synctest.Wait()
	return ctl, g
}

func (s *flowSuite[A, B]) drainByContext(t *testing.T) {
	ctx, drain := context.WithCancelCause(t.Context())
	ctl, g := s.fed(t, ctx)
	drain(errCause)
	drained(t, over(t, ctl), false)
	s.same(t, s.inputs(3), g.all())
}

func (s *flowSuite[A, B]) drainByControl(t *testing.T) {
	ctl, g := s.fed(t, t.Context())
	began := time.Now()
	require.NoError(t, ctl.Drain(t.Context()))
	require.Zero(t, time.Since(began))
	require.ErrorIs(t, over(t, ctl), stream.ErrDrained)
	s.same(t, s.inputs(3), g.all())
}

// full starts the flow between a source that has plenty, and counts, and a sink that waits.
func (s *flowSuite[A, B]) full(t *testing.T) (*stream.Control, *gate[B], *atomic.Int64) {
	pulled := new(atomic.Int64)
	g := newGate[B](false)
	src := stream.FromSlice(s.inputs(20 * many)).Tap(func(A) { pulled.Add(1) })
	ctl := start(t, stream.Via(src, s.New(t, fine[A])).To(g.sink()))
	synctest.Wait()
	require.Len(t, g.all(), 1, "elements that have reached the sink")
	return ctl, g, pulled
}

func (s *flowSuite[A, B]) drainMidFlight(t *testing.T) {
	ctl, g, pulled := s.full(t)
	done := make(chan error, 1)
	go func() { done <- ctl.Drain(t.Context()) }()
	synctest.Wait()
	close(g.open)
	require.NoError(t, <-done)
	err := over(t, ctl)
	if !s.ends || err != nil {
		require.ErrorIs(t, err, stream.ErrDrained)
	}
	s.same(t, s.inputs(int(pulled.Load())), g.all())
}

func (s *flowSuite[A, B]) hardStop(t *testing.T) {
	ctl, g, _ := s.full(t)
	ctl.Stop()
	require.ErrorIs(t, over(t, ctl), stream.ErrStopped)
	require.Len(t, g.all(), 1)
}

// hardStopInCall: the context of a call lasts until the hard stop, and a call that it has ended has
// finished nothing.
func (s *flowSuite[A, B]) hardStopInCall(t *testing.T) {
	ctxs := make(chan context.Context, 1)
	r := newRecorded(s.inputs(tracked))
	call := func(ctx context.Context, _ A) error {
		select {
		case ctxs <- ctx:
		default:
		}
		<-ctx.Done()
		return ctx.Err()
	}
	ctl := start(t, stream.Via(r.source(), s.New(t, call)).To(stream.Ignore[B]()))
	ctx := <-ctxs
	drain, cancel := context.WithCancelCause(t.Context())
	cancel(errCause)
	require.ErrorIs(t, ctl.Drain(drain), errCause)
	synctest.Wait()
	require.NoError(t, ctx.Err(), "a drain must not end the context of user functions")
	ctl.Stop()
	require.Error(t, over(t, ctl))
	require.ErrorIs(t, context.Cause(ctx), stream.ErrStopped)
	for i, m := range r.look() {
		require.False(t, m.done, "the token of element %d is done, and its call was cut off: %+v", i, m)
	}
}

func (s *flowSuite[A, B]) backPressure(t *testing.T) {
	ctl, _, pulled := s.full(t)
	require.LessOrEqual(t, int(pulled.Load()), 1+s.ahead, "elements taken in while none was finished behind")
	ctl.Stop()
	_ = over(t, ctl)
}

func (s *flowSuite[A, B]) runsAgain(t *testing.T) {
	in := s.inputs(many)
	src := stream.Via(stream.FromSlice(in), s.New(t, fine[A]))
	for range 2 {
		got, err := stream.Collect(t.Context(), src)
		require.NoError(t, err)
		s.same(t, in, got)
	}
}

func (s *flowSuite[A, B]) runsConcurrently(t *testing.T) {
	in := s.inputs(many)
	src := stream.Via(stream.FromSlice(in), s.New(t, fine[A]))
	const n = 4
	var got [n][]B
	var errs [n]error
	atOnce(n, func(i int) { got[i], errs[i] = stream.Collect(t.Context(), src) })
	for i := range n {
		require.NoError(t, errs[i])
		s.same(t, in, got[i])
	}
}

func (s *flowSuite[A, B]) parallelCalls(t *testing.T) {
	var running, most atomic.Int64
	release := make(chan struct{})
	flow := s.New(t, func(context.Context, A) error {
		n := running.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-release
		running.Add(-1)
		return nil
	})
	in := s.inputs(4 * s.parallel)
	g := newGate[B](true)
	ctl := start(t, stream.Via(stream.FromSlice(in), flow).To(g.sink()))
	synctest.Wait()
	require.EqualValues(t, s.parallel, running.Load(), "calls that run at the same time")
	close(release)
	require.NoError(t, over(t, ctl))
	require.EqualValues(t, s.parallel, most.Load(), "calls that ran at the same time, at most")
	s.same(t, in, g.all())
}

func (s *flowSuite[A, B]) randomCalls(t *testing.T) {
	flow := s.New(t, func(context.Context, A) error {
		<-time.After(rand.N(10 * time.Millisecond))
		return nil
	})
	in := s.inputs(many)
	got, err := stream.Collect(t.Context(), stream.Via(stream.FromSlice(in), flow))
	require.NoError(t, err)
	s.same(t, in, got)
}

func (s *flowSuite[A, B]) hurries(t *testing.T) {
	ch := make(chan A)
	g := newGate[B](true)
	src, raise := hurried(stream.FromChan(ch))
	ctl := start(t, stream.Via(src, s.New(t, fine[A])).To(g.sink()))
	for _, a := range s.inputs(3) {
		ch <- a
	}
	synctest.Wait()
	require.Empty(t, g.all(), "a stage that holds elements back is to wait")
	lower := raise()
	synctest.Wait()
	s.same(t, s.inputs(3), g.all())
	lower()
	close(ch)
	require.NoError(t, over(t, ctl))
	s.same(t, s.inputs(3), g.all())
}
