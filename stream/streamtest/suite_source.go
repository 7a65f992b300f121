package streamtest

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/stream"
)

// SourceCase says how a source under test is made and what it is to emit.
type SourceCase[T any] struct {
	// New makes the source. Where its elements are made by code of the case's, that first calls
	// call for each, and fails with its error where it can.
	New func(t *testing.T, call func(context.Context) error) stream.Source[T]
	// Want is what it emits, at least five elements: all, or of an endless source the beginning.
	Want []T
}

// TestSource runs the conformance suite on a source.
func TestSource[T any](t *testing.T, c SourceCase[T], features ...Feature) {
	s := &sourceSuite[T]{SourceCase: c, features: declare(features)}
	if !s.endless {
		s.run(t, "completes", s.completes)
	}
	s.run(t, "cancelled behind", s.cancelledBehind)
	s.run(t, "cancelled behind a boundary", s.cancelledBehindBoundary)
	s.run(t, "early exit", s.earlyExit)
	s.run(t, "drain by context", s.drainByContext)
	s.run(t, "drain by control", s.drainByControl)
	s.run(t, "drain before the start", s.drainBeforeStart)
	s.run(t, "hard stop", s.hardStop)
	s.run(t, "fault downstream", s.downstreamFault)
	if s.fails {
		s.run(t, "own fault", s.ownFault)
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
}

type sourceSuite[T any] struct {
	SourceCase[T]
	features
}

func idle(context.Context) error { return nil }

func (s *sourceSuite[T]) completes(t *testing.T) {
	g := newGate[T](true)
	require.NoError(t, run(t, s.New(t, idle).To(g.sink())))
	same(t, s.Want, g.all(), s.ordered)
}

func (s *sourceSuite[T]) cancelledBehind(t *testing.T) {
	g := newGate[T](true)
	require.NoError(t, run(t, s.New(t, idle).Take(3).To(g.sink())))
	s.beginning(t, 3, g.all())
}

func (s *sourceSuite[T]) cancelledBehindBoundary(t *testing.T) {
	g := newGate[T](true)
	require.NoError(t, run(t, s.New(t, idle).Async().Take(3).To(g.sink())))
	s.beginning(t, 3, g.all())
}

func (s *sourceSuite[T]) beginning(t *testing.T, n int, got []T) {
	t.Helper()
	require.Len(t, got, n)
	if s.ordered {
		same(t, s.Want[:n], got, true)
	}
}

func (s *sourceSuite[T]) earlyExit(t *testing.T) {
	g := newGate[T](true)
	require.NoError(t, run(t, s.New(t, idle).Take(0).To(g.sink())))
	require.Empty(t, g.all())
}

// full starts the source before a sink that waits with its first element.
func (s *sourceSuite[T]) full(t *testing.T, ctx context.Context, call func(context.Context) error) (*stream.Control, *gate[T]) {
	g := newGate[T](false)
	ctl := startIn(t, ctx, s.New(t, call).To(g.sink()))
	synctest.Wait()
	require.Len(t, g.all(), 1, "elements that have reached the sink")
	return ctl, g
}

func (s *sourceSuite[T]) drainByContext(t *testing.T) {
	ctx, drain := context.WithCancelCause(t.Context())
	ctl, g := s.full(t, ctx, idle)
	drain(errCause)
	synctest.Wait()
	close(g.open)
	drained(t, over(t, ctl), !s.endless)
	s.noGap(t, g.all())
}

func (s *sourceSuite[T]) drainByControl(t *testing.T) {
	ctl, g := s.full(t, t.Context(), idle)
	done := make(chan error, 1)
	go func() { done <- ctl.Drain(t.Context()) }()
	synctest.Wait()
	close(g.open)
	require.NoError(t, <-done)
	if err := over(t, ctl); err != nil || s.endless {
		require.ErrorIs(t, err, stream.ErrDrained)
	}
	s.noGap(t, g.all())
}

// noGap checks that what came is the beginning of what the source has: a drain stops it, and loses
// nothing that it has given.
func (s *sourceSuite[T]) noGap(t *testing.T, got []T) {
	t.Helper()
	require.NotEmpty(t, got)
	if s.ordered {
		n := min(len(got), len(s.Want))
		same(t, s.Want[:n], got[:n], true)
	}
}

func (s *sourceSuite[T]) drainBeforeStart(t *testing.T) {
	ctx, drain := context.WithCancelCause(t.Context())
	drain(errCause)
	ctl := startIn(t, ctx, s.New(t, idle).To(stream.Ignore[T]()))
	drained(t, over(t, ctl), !s.endless)
}

func (s *sourceSuite[T]) hardStop(t *testing.T) {
	ctl, g := s.full(t, t.Context(), idle)
	ctl.Stop()
	require.ErrorIs(t, over(t, ctl), stream.ErrStopped)
	require.Len(t, g.all(), 1)
}

func (s *sourceSuite[T]) downstreamFault(t *testing.T) {
	err := run(t, s.New(t, idle).To(stream.ForEach(nth[T](3, func() error { return errFault }))))
	require.ErrorIs(t, err, errFault)
}

func (s *sourceSuite[T]) nth(n int, fail func() error) func(context.Context) error {
	f := nth[struct{}](n, fail)
	return func(ctx context.Context) error { return f(ctx, struct{}{}) }
}

func (s *sourceSuite[T]) ownFault(t *testing.T) {
	err := run(t, s.New(t, s.nth(3, func() error { return errFault })).To(stream.Ignore[T]()))
	require.ErrorIs(t, err, errFault)
	requirePlace(t, err)
}

func (s *sourceSuite[T]) panic(t *testing.T) {
	requirePanic(t, run(t, s.New(t, s.nth(3, panics)).To(stream.Ignore[T]())))
}

func (s *sourceSuite[T]) backPressure(t *testing.T) {
	var made atomic.Int64
	ctl, _ := s.full(t, t.Context(), func(context.Context) error { made.Add(1); return nil })
	require.LessOrEqual(t, int(made.Load()), 1+s.ahead, "elements made while none was finished")
	ctl.Stop()
	_ = over(t, ctl)
}

func (s *sourceSuite[T]) collect(t *testing.T, src stream.Source[T]) {
	if s.endless {
		src = src.Take(len(s.Want))
	}
	began := time.Now()
	got, err := stream.Collect(t.Context(), src)
	if err != nil || time.Since(began) != 0 {
		t.Errorf("after %v: %v", time.Since(began), err)
		return
	}
	same(t, s.Want, got, s.ordered)
}

func (s *sourceSuite[T]) runsAgain(t *testing.T) {
	src := s.New(t, idle)
	s.collect(t, src)
	s.collect(t, src)
}

func (s *sourceSuite[T]) runsConcurrently(t *testing.T) {
	src := s.New(t, idle)
	atOnce(4, func(int) { s.collect(t, src) })
}
