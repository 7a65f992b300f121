package streamtest

import (
	"testing"
	"testing/synctest"
)

// Feature is something that a stage under test declares about itself.
type Feature func(*features)

type features struct {
	ordered, again, concurrent  bool
	fails, diverts              bool
	panics, holds               bool
	ends, endless, blind, hands bool
	late                        bool
	ahead                       int
	parallel                    int
	bubble                      func(*testing.T, func(*testing.T))
}

func declare(fs []Feature) features {
	f := features{ahead: -1, bubble: synctest.Test}
	for _, declares := range fs {
		declares(&f)
	}
	return f
}

// Ordered declares that results come in the order of the input.
func Ordered() Feature { return func(f *features) { f.ordered = true } }

// Again declares that the blueprint can run more than once.
func Again() Feature { return func(f *features) { f.again = true } }

// Concurrent declares that the blueprint can run several times at once (and so more than once).
func Concurrent() Feature { return func(f *features) { f.again, f.concurrent = true, true } }

// Fails declares that the stage's user function can return an error, and that it ends the run.
func Fails() Feature { return func(f *features) { f.fails = true } }

// Diverts declares that the stage's user function can return an error, and that the element then
// goes to another sink.
func Diverts() Feature { return func(f *features) { f.diverts = true } }

// Panics declares that a panic in the stage's user function ends the run with a *stream.PanicError.
func Panics() Feature { return func(f *features) { f.panics = true } }

// Holds declares that the stage keeps elements back (Batch): under hurry it must let them go. It
// keeps at least five.
func Holds() Feature { return func(f *features) { f.holds = true } }

// Ends declares that the stage may complete by itself (Take), after five elements at the earliest.
func Ends() Feature { return func(f *features) { f.ends = true } }

// Late declares that a flow connects its input later than it is built (Concat), and so cannot stand
// in front of a sink.
func Late() Feature { return func(f *features) { f.late = true } }

// Endless declares that a source never completes by itself.
func Endless() Feature { return func(f *features) { f.endless = true } }

// Blind declares that a sink does not call the function that New is given: what it takes cannot be
// seen.
func Blind() Feature { return func(f *features) { f.blind = true } }

// HandsOver declares that a sink hands elements over to code that finishes them later (ToChan).
func HandsOver() Feature { return func(f *features) { f.hands = true } }

// Ahead declares the back-pressure bound: while the first element is not finished behind it, the
// stage takes in at most n more.
func Ahead(n int) Feature { return func(f *features) { f.ahead = n } }

// Parallel declares that n calls of the stage's user function run at the same time.
func Parallel(n int) Feature { return func(f *features) { f.parallel = n } }

// In declares in which bubble a case runs; by default that is synctest.Test. A stage that needs a
// broker starts it there.
func In(bubble func(t *testing.T, run func(t *testing.T))) Feature {
	return func(f *features) { f.bubble = bubble }
}

// run runs a case as a subtest, in its bubble.
func (f *features) run(t *testing.T, name string, body func(t *testing.T)) {
	t.Run(name, func(t *testing.T) {
		defer func() {
			if p := recover(); p != nil && !t.Failed() { // the bubble: it is deadlocked
				t.Errorf("the stream, or a goroutine that it has left behind, hangs: %v", p)
			}
		}()
		f.bubble(t, func(t *testing.T) {
			noLeak(t)
			body(t)
		})
	})
}
