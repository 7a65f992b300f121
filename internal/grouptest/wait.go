package grouptest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/stream"
)

// soon is how long a single event is waited for: [World.Await], [Journal.AwaitCommit].
const soon = 20 * time.Second

// outcomeSoon is how long the end of a run is waited for.
const outcomeSoon = 30 * time.Second

// Pass lets time pass, and, in a bubble, everything happen that happens then.
func (w *World) Pass(d time.Duration) {
	if d > 0 {
		<-time.After(d)
	}
	w.AtRest()
}

// AtRest waits until nothing goes on any more, and reports whether it has: outside of a bubble
// nobody can tell.
func (w *World) AtRest() bool {
	if Virtual {
		settle()
	}
	return Virtual
}

// Until lets time pass until something is so, and tells how much: in a bubble to a fiftieth, as
// looking each millisecond for minutes takes longer than what happens in them. It fails the test
// where its patience ends.
func (w *World) Until(what string, so func() bool) time.Duration {
	w.t.Helper()
	began := time.Now()
	for w.AtRest(); !so(); {
		took := time.Since(began)
		if took > w.cfg.patience {
			w.t.Fatalf("it never comes to this, in %v: %s; %s", took, what, w.describe())
		}
		step := 10 * time.Millisecond
		if Virtual {
			step = max(time.Millisecond, took/50)
		}
		w.Pass(step)
	}
	return time.Since(began)
}

// Await waits for a channel.
func (w *World) Await(what string, c <-chan struct{}) {
	w.t.Helper()
	select {
	case <-c:
	case <-time.After(soon):
		w.t.Fatalf("still waiting, after %v: %s; %s", soon, what, w.describe())
	}
}

// describe says how things stand, for a failure.
func (w *World) describe() string {
	s := fmt.Sprintf("the group is %s, its commits: %s", w.State(), w.Journal.describe())
	for i, m := range w.members {
		if m.Runs() {
			s += fmt.Sprintf("\nmember %d has %v: %+v", i, m.Has(), m.Run.Snapshot())
		}
	}
	return s
}

// Start starts a graph, which is stopped when the test is over.
func Start(t testing.TB, g stream.Graph, opts ...stream.RunOption) *stream.Control {
	t.Helper()
	return startIn(context.Background(), t, g, opts...)
}

func startIn(ctx context.Context, t testing.TB, g stream.Graph, opts ...stream.RunOption) *stream.Control {
	t.Helper()
	ctl, err := g.Start(ctx, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { Stop(ctl) })
	return ctl
}

// Start is [Start] for the world's test.
func (w *World) Start(g stream.Graph, opts ...stream.RunOption) *stream.Control {
	w.t.Helper()
	return Start(w.t, g, opts...)
}

// Stop ends a run hard, and waits for its end.
func Stop(ctl *stream.Control) {
	ctl.Stop()
	<-ctl.Done()
}

// Crash ends a run as the end of its process would: nothing of it reaches the broker any more, and
// for that moment nothing of anybody else either.
func (w *World) Crash(ctl *stream.Control) {
	w.t.Helper()
	allow := w.Refuse()
	Stop(ctl)
	allow()
}

// Drain ends a run as SIGTERM does; it has to end well.
func (w *World) Drain(ctl *stream.Control) {
	w.t.Helper()
	require.NoError(w.t, ctl.Drain(context.Background()))
}

// Outcome waits for the end of a run, and returns how it was.
func (w *World) Outcome(ctl *stream.Control) error {
	w.t.Helper()
	select {
	case <-ctl.Done():
		return ctl.Err()
	case <-time.After(outcomeSoon):
		w.t.Fatalf("the run does not end in %v: %+v", outcomeSoon, ctl.Snapshot())
		return nil
	}
}

// RequireEnded wants a run, which was asked to end when began, to have ended with an error, and
// within the time.
func (w *World) RequireEnded(ctl *stream.Control, want error, began time.Time, within time.Duration) {
	w.t.Helper()
	err := w.Outcome(ctl)
	took := time.Since(began)
	w.t.Logf("it took %v: %v", took, err)
	require.LessOrEqual(w.t, took, within)
	require.ErrorIs(w.t, err, want)
}

// Gate lets those go on who wait at it; at the end of the test as well.
type Gate struct {
	// C is closed when the gate is open.
	C    chan struct{}
	open func()
}

// NewGate makes a gate that is shut.
func NewGate(t testing.TB) *Gate {
	g := &Gate{C: make(chan struct{})}
	g.open = sync.OnceFunc(func() { close(g.C) })
	t.Cleanup(g.open)
	return g
}

// Open opens it; once more is harmless.
func (g *Gate) Open() { g.open() }

// IsOpen reports whether it is open.
func (g *Gate) IsOpen() bool {
	select {
	case <-g.C:
		return true
	default:
		return false
	}
}

// Wait waits until it is open, or for the end of the context.
func (g *Gate) Wait(ctx context.Context) error {
	select {
	case <-g.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Idle takes so long, or until the context ends.
func Idle(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
