package core

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func newTestRun() *Run {
	return NewRun(context.Background(), Limits{Drain: time.Second, Close: time.Second})
}

// A hurry stands until it is released, however often that is done; reasons are told apart, shared
// with runs inside, and raised for each.
func TestHurryIsAHandle(t *testing.T) {
	r := newTestRun()
	child := r.Child()
	raised := child.HurryRaised()
	a, b := r.Hurry("revoke"), child.Hurry("held back")
	<-raised
	require.Equal(t, []string{"held back", "revoke"}, r.Hurries())
	late := r.Child()
	for _, run := range []*Run{r, child, late} {
		require.True(t, run.Hurried())
		require.True(t, run.wanted(wantHurry))
	}
	a.Release()
	a.Release()
	require.True(t, r.Hurried())
	require.Equal(t, []string{"held back"}, late.Hurries())
	b.Release()
	for _, run := range []*Run{r, child, late} {
		require.False(t, run.Hurried())
		require.False(t, run.wanted(wantHurry))
	}
	(*Hurry)(nil).Release()
	require.Empty(t, r.Hurries())
}

// Every wake-up counts: who has parked at the first reason is woken by the second.
func TestEachHurryWakes(t *testing.T) {
	r := newTestRun()
	pokes := r.pokes.Load()
	defer r.Hurry("one").Release()
	require.Equal(t, pokes+1, r.pokes.Load())
	defer r.Hurry("two").Release()
	require.Equal(t, pokes+2, r.pokes.Load())
}

// No hurry is left when a run is over, whatever ended it, and also where a drain comes too late.
func TestNoHurryAfterTheEnd(t *testing.T) {
	for name, end := range map[string]func(*Run, context.CancelFunc){
		"completed": func(*Run, context.CancelFunc) {},
		"drained":   func(r *Run, _ context.CancelFunc) { r.Drain(nil) },
		"cancelled": func(_ *Run, cancel context.CancelFunc) { cancel() },
		"stopped":   func(r *Run, _ context.CancelFunc) { r.Drain(nil); r.Stop(ErrStopped) },
		"discarded": func(r *Run, _ context.CancelFunc) { r.Drain(nil); _ = r.Discard(ErrStopped) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r := newTestRun()
			child := r.Child()
			end(r, cancel)
			if name != "discarded" {
				_ = child.Supervise(ctx)
				require.Equal(t, r.Draining(), r.Hurried(), "the outer run goes on")
				_ = r.Supervise(ctx)
			} else {
				_ = child.Discard(ErrStopped)
			}
			r.Drain(nil)
			child.Drain(nil)
			require.Empty(t, r.Hurries())
			require.Empty(t, r.hurries.runs, "nobody is told any more")
		})
	}
}
