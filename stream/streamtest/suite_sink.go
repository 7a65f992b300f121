package streamtest

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/stream"
)

// SinkCase says how a sink under test is made.
type SinkCase[T any] struct {
	// New makes the sink. It, or whatever takes its elements over, calls call once with each, and
	// fails with its error where it can; the sink takes no more while call blocks.
	New func(t *testing.T, call func(context.Context, T) error) stream.Sink[T]
	// Input makes the i-th element.
	Input func(i int) T
}

// TestSink runs the conformance suite on a sink.
func TestSink[T any](t *testing.T, c SinkCase[T], features ...Feature) {
	TestGraph(t, GraphCase[T]{
		New: func(t *testing.T, src stream.Source[T], call func(context.Context, T) error) stream.Graph {
			return src.To(c.New(t, call))
		},
		Input: c.Input,
	}, features...)
	s := &sinkSuite[T]{SinkCase: c, features: declare(features)}
	if !s.blind {
		s.run(t, "beside another", s.besideAnother)
	}
}

type sinkSuite[T any] struct {
	SinkCase[T]
	features
}

// besideAnother runs the sink as a branch: the other one wants no more at once, and this one gets
// everything.
func (s *sinkSuite[T]) besideAnother(t *testing.T) {
	g := newGate[T](true)
	in := elements(s.Input, many)
	none := stream.NewFlow(func(s stream.Source[T]) stream.Source[T] { return s.Take(0) }).To(stream.Ignore[T]())
	require.NoError(t, run(t, stream.FromSlice(in).To(stream.Broadcast(s.New(t, g.take), none))))
	synctest.Wait()
	same(t, in, g.all(), s.ordered)
}

func elements[T any](input func(int) T, n int) []T {
	in := make([]T, n)
	for i := range in {
		in[i] = input(i)
	}
	return in
}

// GraphCase says how the end of a stream is made that is no sink (Each).
type GraphCase[T any] struct {
	// New puts the end behind a source. It calls call as a sink does; see SinkCase.
	New func(t *testing.T, src stream.Source[T], call func(context.Context, T) error) stream.Graph
	// Input makes the i-th element.
	Input func(i int) T
}

// TestGraph runs the conformance suite on the end of a stream.
func TestGraph[T any](t *testing.T, c GraphCase[T], features ...Feature) {
	s := &graphSuite[T]{GraphCase: c, features: declare(features)}
	s.run(t, "completes", s.completes)
	s.run(t, "completes without an element", s.completesEmpty)
	s.run(t, "fault upstream", s.upstreamFault)
	s.run(t, "drain by context", s.drainByContext)
	s.run(t, "drain by control", s.drainByControl)
	if !s.blind {
		s.run(t, "drain in mid-flight", s.drainMidFlight)
		s.run(t, "hard stop", s.hardStop)
	}
	if s.fails {
		s.run(t, "own fault", s.ownFault)
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
	s.tokens(t)
}

type graphSuite[T any] struct {
	GraphCase[T]
	features
}

func (s *graphSuite[T]) inputs(n int) []T { return elements(s.Input, n) }

// saw checks what the sink has taken.
func (s *graphSuite[T]) saw(t *testing.T, want, got []T) {
	t.Helper()
	if !s.blind {
		same(t, want, got, s.ordered)
	}
}

func (s *graphSuite[T]) completes(t *testing.T) {
	g := newGate[T](true)
	in := s.inputs(many)
	require.NoError(t, run(t, s.New(t, stream.FromSlice(in), g.take)))
	synctest.Wait()
	s.saw(t, in, g.all())
}

func (s *graphSuite[T]) completesEmpty(t *testing.T) {
	g := newGate[T](true)
	require.NoError(t, run(t, s.New(t, stream.FromSlice[T](nil), g.take)))
	require.Empty(t, g.all())
}

func (s *graphSuite[T]) upstreamFault(t *testing.T) {
	fail := nth[T](3, func() error { return errFault })
	src := stream.TryMap(stream.FromSlice(s.inputs(many)), func(ctx context.Context, v T) (T, error) {
		return v, fail(ctx, v)
	}).Named("upstream")
	err := run(t, s.New(t, src, fine[T]))
	require.ErrorIs(t, err, errFault)
	require.Equal(t, "upstream", requirePlace(t, err).Stage)
}

func (s *graphSuite[T]) fed(t *testing.T, ctx context.Context) (*stream.Control, *gate[T]) {
	ch := make(chan T)
	g := newGate[T](true)
	ctl := startIn(t, ctx, s.New(t, stream.FromChan(ch), g.take))
	for _, v := range s.inputs(3) {
		ch <- v
	}
	synctest.Wait()
	return ctl, g
}

func (s *graphSuite[T]) drainByContext(t *testing.T) {
	ctx, drain := context.WithCancelCause(t.Context())
	ctl, g := s.fed(t, ctx)
	drain(errCause)
	drained(t, over(t, ctl), false)
	s.saw(t, s.inputs(3), g.all())
}

func (s *graphSuite[T]) drainByControl(t *testing.T) {
	ctl, g := s.fed(t, t.Context())
	require.NoError(t, ctl.Drain(t.Context()))
	require.ErrorIs(t, over(t, ctl), stream.ErrDrained)
	s.saw(t, s.inputs(3), g.all())
}

// full starts the sink behind a source that has plenty, and counts; the sink's function waits.
func (s *graphSuite[T]) full(t *testing.T) (*stream.Control, *gate[T], *atomic.Int64) {
	pulled := new(atomic.Int64)
	g := newGate[T](false)
	src := stream.FromSlice(s.inputs(20 * many)).Tap(func(T) { pulled.Add(1) })
	ctl := start(t, s.New(t, src, g.take))
	synctest.Wait()
	require.NotEmpty(t, g.all())
	return ctl, g, pulled
}

func (s *graphSuite[T]) drainMidFlight(t *testing.T) {
	ctl, g, pulled := s.full(t)
	done := make(chan error, 1)
	go func() { done <- ctl.Drain(t.Context()) }()
	synctest.Wait()
	close(g.open)
	require.NoError(t, <-done)
	require.ErrorIs(t, over(t, ctl), stream.ErrDrained)
	synctest.Wait()
	s.saw(t, s.inputs(int(pulled.Load())), g.all())
}

func (s *graphSuite[T]) hardStop(t *testing.T) {
	ctl, g, _ := s.full(t)
	n := len(g.all())
	ctl.Stop()
	require.ErrorIs(t, over(t, ctl), stream.ErrStopped)
	require.Len(t, g.all(), n)
}

func (s *graphSuite[T]) ownFault(t *testing.T) {
	err := run(t, s.New(t, stream.FromSlice(s.inputs(many)), nth[T](3, func() error { return errFault })))
	require.ErrorIs(t, err, errFault)
	requirePlace(t, err)
}

// hardStopInCall: the context of a call lasts until the hard stop, and a call that it has ended has
// finished nothing.
func (s *graphSuite[T]) hardStopInCall(t *testing.T) {
	ctxs := make(chan context.Context, 1)
	r := newRecorded(s.inputs(tracked))
	call := func(ctx context.Context, _ T) error {
		select {
		case ctxs <- ctx:
		default:
		}
		<-ctx.Done()
		return ctx.Err()
	}
	ctl := start(t, s.New(t, r.source(), call))
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

func (s *graphSuite[T]) panic(t *testing.T) {
	requirePanic(t, run(t, s.New(t, stream.FromSlice(s.inputs(many)), nth[T](3, panics))))
}

func (s *graphSuite[T]) backPressure(t *testing.T) {
	ctl, _, pulled := s.full(t)
	require.LessOrEqual(t, int(pulled.Load()), 1+s.ahead, "elements taken in while none was finished")
	ctl.Stop()
	_ = over(t, ctl)
}

func (s *graphSuite[T]) runsAgain(t *testing.T) {
	g := newGate[T](true)
	in := s.inputs(many)
	graph := s.New(t, stream.FromSlice(in), g.take)
	require.NoError(t, run(t, graph))
	require.NoError(t, run(t, graph))
	synctest.Wait()
	s.saw(t, append(in, in...), g.all())
}

func (s *graphSuite[T]) runsConcurrently(t *testing.T) {
	g := newGate[T](true)
	in := s.inputs(many)
	graph := s.New(t, stream.FromSlice(in), g.take)
	const n = 4
	var errs [n]error
	atOnce(n, func(i int) { errs[i] = graph.Run(t.Context()) })
	var want []T
	for i := range n {
		require.NoError(t, errs[i])
		want = append(want, in...)
	}
	synctest.Wait()
	if !s.blind {
		same(t, want, g.all(), false)
	}
}
