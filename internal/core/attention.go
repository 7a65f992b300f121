package core

import (
	"sync"
	"sync/atomic"
)

// What islands are wanted for: the bits of the word that they look at for each element.
const (
	wantStop  = 1 << iota // the run is stopped hard
	wantDrain             // sources are to stop
	wantDrop              // something lies after a cut, and is thrown away where it is found
	wantHurry             // somebody waits for the last tokens
	wantYield             // a source's island is to give the rest of its chunk back
	wantGate              // a gate is closed, and somebody waits for what lies before its cuts
)

// attention is how a run is heard by its islands. Between two elements an island looks at one word,
// and while that is zero at nothing else. An island that is parked, or waits in a push, is woken by
// [Run.poke], which counts: who has read the count before it looked around, and finds it unchanged
// when its parked flag is up, has missed nothing.
//
// Bits that come and go are set and cleared under a lock each, so that no request is lost between
// the last one's end and the next one's begin. Stop and drain stay.
type attention struct {
	// On a cache line of their own: every island reads them for each element.
	_     [64]byte
	word  atomic.Uint32
	pokes atomic.Uint64 // how often it was poked
	_     [64]byte

	hurries *hurries // shared with the runs around and inside

	// drops numbers the cuts for which islands are swept; see sweep.go. It is raised under dropMu.
	dropMu sync.Mutex
	drops  atomic.Uint32

	// yields is how many islands were told to yield and have not; under yieldMu.
	yieldMu sync.Mutex
	yields  int
}

func (a *attention) want(bit uint32)        { a.word.Or(bit) }
func (a *attention) unwant(bit uint32)      { a.word.And(^bit) }
func (a *attention) wanted(bit uint32) bool { return a.word.Load()&bit != 0 }

// Stopped reports whether the run was stopped hard.
func (a *attention) Stopped() bool { return a.wanted(wantStop) }

// Draining reports whether sources are to stop.
func (a *attention) Draining() bool { return a.wanted(wantDrain) }

// Dropping reports whether elements that lie after a cut are still looked for.
func (a *attention) Dropping() bool { return a.wanted(wantDrop) }

// wantDropped begins another drop.
func (a *attention) wantDropped() {
	a.dropMu.Lock()
	defer a.dropMu.Unlock()
	a.drops.Add(1)
	a.want(wantDrop)
}

// dropped says that every island is swept up to a drop. Where that was the last one, nothing is
// looked for any more.
func (a *attention) dropped(drop uint32) {
	a.dropMu.Lock()
	defer a.dropMu.Unlock()
	if a.drops.Load() == drop {
		a.unwant(wantDrop)
	}
}

// wantYielded counts an island that is to yield; yielded counts one that has.
func (a *attention) wantYielded() {
	a.yieldMu.Lock()
	defer a.yieldMu.Unlock()
	a.yields++
	a.want(wantYield)
}

func (a *attention) yielded() {
	a.yieldMu.Lock()
	defer a.yieldMu.Unlock()
	if a.yields--; a.yields == 0 {
		a.unwant(wantYield)
	}
}
