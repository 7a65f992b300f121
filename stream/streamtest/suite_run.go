package streamtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/stream"
)

// many is how many elements a case sends where their number does not matter.
const many = 1000

var (
	errFault = errors.New("streamtest: a fault")
	errCause = errors.New("streamtest: a reason to drain")
)

// fine is the user function's part in cases that want nothing of it.
func fine[T any](context.Context, T) error { return nil }

// nth is a user function's part that fails, or panics, at its nth call.
func nth[T any](n int, fail func() error) func(context.Context, T) error {
	var mu sync.Mutex
	calls := 0
	return func(context.Context, T) error {
		mu.Lock()
		calls++
		now := calls == n
		mu.Unlock()
		if now {
			return fail()
		}
		return nil
	}
}

// start starts a graph; its context ends with the test.
func start(t *testing.T, g stream.Graph) *stream.Control {
	t.Helper()
	return startIn(t, t.Context(), g)
}

func startIn(t *testing.T, ctx context.Context, g stream.Graph) *stream.Control {
	t.Helper()
	ctl, err := g.Start(ctx)
	require.NoError(t, err)
	return ctl
}

// instant is the time that no time may take: a Kafka client's end takes a millisecond.
const instant = time.Millisecond

// over waits for the end of a run, which must come without any time passing, and returns its
// outcome.
func over(t *testing.T, ctl *stream.Control) error {
	t.Helper()
	began := time.Now()
	select {
	case <-ctl.Done():
	case <-time.After(time.Hour):
		ctl.Stop()
		t.Fatalf("the run does not end: %+v", ctl.Snapshot())
	}
	require.LessOrEqual(t, time.Since(began), instant, "the end came by a time-out: %v", ctl.Err())
	return ctl.Err()
}

// run runs a graph to its end, which must come without any time passing.
func run(t *testing.T, g stream.Graph) error {
	t.Helper()
	return over(t, start(t, g))
}

// drained checks the outcome of a run that was drained by its context.
func drained(t *testing.T, err error, mayEnd bool) {
	t.Helper()
	if err == nil && mayEnd {
		return
	}
	require.ErrorIs(t, err, stream.ErrDrained)
	require.ErrorIs(t, err, errCause)
}

// requirePlace checks that the error is the fault of a stage, with a name.
func requirePlace(t *testing.T, err error) *stream.StageError {
	t.Helper()
	var placed *stream.StageError
	require.ErrorAs(t, err, &placed)
	require.NotEmpty(t, placed.Stage)
	return placed
}

func requirePanic(t *testing.T, err error) {
	t.Helper()
	var p *stream.PanicError
	require.ErrorAs(t, err, &p)
	require.Equal(t, "streamtest: a panic", p.Value)
	require.Contains(t, string(p.Stack), "streamtest")
	requirePlace(t, err)
}

func panics() error { panic("streamtest: a panic") }

// gate is a sink that keeps what it gets; closed, it waits with each element until it is opened, or
// its context ends.
type gate[T any] struct {
	open chan struct{} // closed by the test, once

	mu  sync.Mutex
	got []T
}

func newGate[T any](open bool) *gate[T] {
	g := &gate[T]{open: make(chan struct{})}
	if open {
		close(g.open)
	}
	return g
}

func (g *gate[T]) take(ctx context.Context, v T) error {
	g.mu.Lock()
	g.got = append(g.got, v)
	g.mu.Unlock()
	select {
	case <-g.open:
	case <-ctx.Done():
	}
	return nil
}

func (g *gate[T]) sink() stream.Sink[T] { return stream.ForEach(g.take) }

func (g *gate[T]) all() []T {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]T(nil), g.got...)
}

// same compares what came with what was to come, with or without the order.
func same[T any](t *testing.T, want, got []T, ordered bool) {
	t.Helper()
	if ordered {
		require.Len(t, got, len(want), "number of elements")
		for i := range want {
			require.Equal(t, want[i], got[i], "element %d", i)
		}
		return
	}
	require.Equal(t, count(want), count(got))
}

func count[T any](vs []T) map[string]int {
	m := make(map[string]int, len(vs))
	for _, v := range vs {
		m[fmt.Sprintf("%+v", v)]++
	}
	return m
}

// atOnce runs f n times at the same time.
func atOnce(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}
