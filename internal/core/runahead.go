package core

import (
	"sync/atomic"
	"time"
)

// runAhead is how far begun elements may run ahead of a slow stage.
//
// An end finishes what has begun, so what has begun and waits for a slow stage is what a drain
// owes. But a stage that is fast wants full chunks, and results that wait for one slow call before
// them are no sign of a slow stage. So the room for begun elements begins small, and doubles
// whenever it is used up while the receiver keeps up: it is idle, or came back for more within
// stall. Where the receiver is still at what it took, or is held back itself, the room is halved,
// and whoever fills it waits.
type runAhead struct {
	// least and most are fixed; the limit is moved by whoever asks for room.
	least uint64
	most  uint64
	limit atomic.Uint64
}

// stall is how long a receiver may be at what it took before it counts as slow.
const stall = int64(time.Millisecond)

func (a *runAhead) init(least, most uint64) {
	a.least, a.most = min(least, most), most
	a.limit.Store(a.least)
}

// room reports whether n more than that many may wait. Any goroutine may call it.
func (a *runAhead) room(n uint64, recv *Island) bool {
	l := a.limit.Load()
	if n < l {
		return true
	}
	if l >= a.most && n >= a.most {
		return false
	}
	if recv.slow() {
		if l > a.least {
			a.limit.CompareAndSwap(l, max(a.least, l/2))
		}
		return false
	}
	if l < a.most {
		a.limit.CompareAndSwap(l, min(a.most, 2*l))
	}
	return n < a.limit.Load()
}

// slow reports whether the island has been at its chunk for long, in a function or because it is
// held back.
func (isl *Island) slow() bool {
	since := isl.chunkSince.Load()
	return since != 0 && isl.run.clock()-since > stall
}

// beginning decides whether a stage with workers begins another call: not while results wait for a
// slow receiver, since an end would have to wait for all of them. While somebody waits for an end
// nothing is held back: what has not begun is refused then.
type beginning struct {
	// Fixed when it is made, but for waits: set by a worker that may not begin, taken by the
	// receiver.
	run   *Run
	recv  *Island
	ahead runAhead
	begun *atomic.Uint64
	taken *atomic.Uint64
	waits atomic.Bool
	more  func()
}

// may reports whether a call may begin; a worker asks. Otherwise resume lets it begin.
func (b *beginning) may() bool {
	if b.ahead.room(b.begun.Load()-b.taken.Load(), b.recv) || b.run.Hurried() {
		return true
	}
	b.waits.Store(true)
	// the receiver may have come in between
	return b.ahead.room(b.begun.Load()-b.taken.Load(), b.recv)
}

// resume is called by the receiver when it has taken results.
func (b *beginning) resume() {
	if b.waits.Load() && b.waits.Swap(false) {
		b.more()
	}
}
