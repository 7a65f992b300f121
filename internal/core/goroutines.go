package core

import (
	"slices"
	"sync"
)

// goroutines are those of a run: which ones are alive, what they are called, and when none is left.
//
// Each begins in launch, so that a panic in it is a fault of the run with its place, and is counted
// from before it starts until after its fault was told. The run is over when none is left; served
// ones are left out of that, since they serve it until after its last island.
type goroutines struct {
	fail func(stage string, err error) // ends the run

	ended  chan struct{} // closed when none is left
	linger chan struct{} // closed when none is left but those whose elements nobody wants any more

	mu        sync.Mutex
	live      map[*goroutine]struct{}
	minders   int           // of live
	childless chan struct{} // closed when minders becomes 0, where somebody waits for that
	over      bool          // ended is closed
	lingers   bool          // linger is closed
	// goroutines that run functions of the user's on behalf of this run, by id; see inside.go
	ids map[uint64]int
}

// goroutine is one of them.
type goroutine struct {
	what     string
	minder   bool   // it watches over a child, whose own limits bound it
	released bool   // user code that makes elements which nobody wants any more
	served   bool   // the run does not wait for it
	after    func() // called when it has ended; nil is nothing
}

func (gs *goroutines) init(fail func(stage string, err error)) {
	gs.fail = fail
	gs.ended, gs.linger = make(chan struct{}), make(chan struct{})
	gs.live = map[*goroutine]struct{}{}
}

// Go starts a goroutine that the run waits for. what names it if it does not come back.
func (gs *goroutines) Go(what string, f func()) { gs.launch(&goroutine{what: what}, f) }

// GoChild is Go for who watches over a child. Should user code not return, the run waits for its
// children all the same: each is bounded by itself, and tells of the functions that it has left.
func (gs *goroutines) GoChild(what string, f func()) {
	gs.launch(&goroutine{what: what, minder: true}, f)
}

// GoUser is Go for user code that makes elements. release says that they are not wanted any more:
// should nothing but such code be left, the run waits for it no longer than the close time-out.
func (gs *goroutines) GoUser(what string, f func()) (release func()) {
	g := &goroutine{what: what}
	gs.launch(g, f)
	return func() {
		gs.mu.Lock()
		defer gs.mu.Unlock()
		g.released = true
		gs.checkEnded()
	}
}

// Serve is Go for what serves the run until after its last island: a loop that commits what was
// finished. The run does not wait for it. Who calls it calls stop in an OnEnd hook, which closes
// quit and waits until f has returned; stop is harmless when repeated.
func (gs *goroutines) Serve(what string, f func(quit <-chan struct{})) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	g := &goroutine{what: what, served: true, after: func() { close(done) }}
	gs.launch(g, func() { f(quit) })
	return sync.OnceFunc(func() {
		close(quit)
		<-done
	})
}

func (gs *goroutines) launch(g *goroutine, f func()) {
	leave := gs.enter(g)
	launch(func() {
		defer gs.Here()()
		f()
	}, func(err error) {
		if err != nil {
			gs.fail(g.what, err)
		}
		leave()
		if g.after != nil {
			g.after()
		}
	})
}

// Alive are the names of those that have not ended, sorted: served ones too.
func (gs *goroutines) Alive() []string {
	return gs.names(func(*goroutine) bool { return true })
}

// stuck are the names of those that the run waits for in vain; none where all have returned.
func (gs *goroutines) stuck() []string {
	return gs.names(func(g *goroutine) bool { return !g.served })
}

func (gs *goroutines) names(which func(*goroutine) bool) (names []string) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	for g := range gs.live {
		if which(g) {
			names = append(names, g.what)
		}
	}
	slices.Sort(names)
	return names
}

// enter counts a goroutine that is about to start, or the caller's own, until leave is called.
func (gs *goroutines) enter(g *goroutine) (leave func()) {
	gs.mu.Lock()
	gs.live[g] = struct{}{}
	if g.minder {
		gs.minders++
	}
	gs.mu.Unlock()
	return func() {
		gs.mu.Lock()
		defer gs.mu.Unlock()
		delete(gs.live, g)
		if g.served {
			return
		}
		if g.minder {
			if gs.minders--; gs.minders == 0 && gs.childless != nil {
				close(gs.childless)
				gs.childless = nil
			}
		}
		gs.checkEnded()
	}
}

// checkEnded tells if none is left; the caller holds the lock.
func (gs *goroutines) checkEnded() {
	left := false
	for g := range gs.live {
		if !g.served && !g.released {
			return
		}
		left = left || !g.served
	}
	switch {
	case left && !gs.lingers:
		gs.lingers = true
		close(gs.linger)
	case !left && !gs.over:
		gs.over = true
		close(gs.ended)
	}
}

// awaitChildren waits until every child is over: what ends with the run is theirs to write until
// then, and what they report belongs to its outcome.
func (gs *goroutines) awaitChildren() {
	for {
		gs.mu.Lock()
		if gs.minders == 0 {
			gs.mu.Unlock()
			return
		}
		if gs.childless == nil {
			gs.childless = make(chan struct{})
		}
		c := gs.childless
		gs.mu.Unlock()
		<-c
	}
}
