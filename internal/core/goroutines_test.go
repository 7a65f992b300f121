package core

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

var errBoom = errors.New("boom")

// A panic, and a goroutine that was ended, are faults of the run with their place, whatever started
// the goroutine; and all are called by name while they are alive.
func TestEveryGoroutineIsGuarded(t *testing.T) {
	for name, start := range map[string]func(*Run, func()){
		"Go":      func(r *Run, f func()) { r.Go("it", f) },
		"GoChild": func(r *Run, f func()) { r.GoChild("it", f) },
		"GoUser":  func(r *Run, f func()) { r.GoUser("it", f) },
		"Serve": func(r *Run, f func()) {
			stop := r.Serve("it", func(quit <-chan struct{}) { <-quit; f() })
			r.OnEnd(func(context.Context) error { stop(); return nil })
		},
	} {
		for how, f := range map[string]func(){
			"panics":    func() { panic(errBoom) },
			"is ended":  runtime.Goexit,
			"is silent": func() {},
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r, c := newTestRun(), make(chan struct{})
					start(r, func() { <-c; f() })
					require.Equal(t, []string{"it"}, r.Alive())
					r.Begin(t.Context())
					close(c)
					<-r.DoneC()
					require.Empty(t, r.Alive())
					var placed *StageError
					if how == "is silent" {
						require.NoError(t, r.Err())
						return
					}
					require.ErrorAs(t, r.Err(), &placed)
					require.Equal(t, "it", placed.Stage)
					require.ErrorIs(t, placed, map[string]error{"panics": errBoom, "is ended": ErrGoexit}[how])
				})
			})
		}
	}
}

// A panic in a function that is called at the end is an error of the run, and the others are called
// all the same.
func TestAPanicAtTheEnd(t *testing.T) {
	r, called := newTestRun(), 0
	r.OnEnd(func(context.Context) error { called++; return nil })
	r.OnEnd(func(context.Context) error { panic(errBoom) })
	r.OnLast(func(context.Context) error { called++; return nil })
	r.Begin(t.Context())
	<-r.DoneC()
	require.ErrorIs(t, r.Err(), errBoom)
	require.Equal(t, 2, called)
}

// A goroutine that the run does not wait for keeps it from nothing, and is not what is stuck.
func TestServedGoroutinesAreNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c := newTestRun(), make(chan struct{})
		stop := r.Serve("served", func(quit <-chan struct{}) { <-quit })
		r.Go("waited for", func() { <-c })
		early := r.Serve("early", func(<-chan struct{}) {})
		early()
		r.Begin(t.Context())
		synctest.Wait()
		require.Equal(t, []string{"served", "waited for"}, r.Alive())
		require.Equal(t, []string{"waited for"}, r.stuck())
		close(c)
		<-r.DoneC()
		require.NoError(t, r.Err())
		require.Equal(t, []string{"served"}, r.Alive())
		stop()
		require.Empty(t, r.Alive())
	})
}
