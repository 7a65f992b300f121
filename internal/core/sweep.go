package core

import (
	"math"
	"sync/atomic"
)

// The sweep: how long dropped elements are looked for.
//
// After a drop, every island asks the ledger about every tracked element that it takes, and every
// worker does. That must end when nothing can be found any more, or a stream that has lost a
// partition once is slower for the rest of its run.
//
// Drops are numbered. An island is swept up to a drop when, between two elements, it finds that its
// intake cannot give it an element of an assignment that was dropped until then: a source, because
// an assignment is dropped only after the moment from which its intake gives out nothing more of
// it; any other, when the islands that send to it are swept, and it has taken what was on its way
// at that time. When all islands are swept up to the last drop, the bit that makes them look is
// cleared.
//
// Invariants:
//  1. A swept island sends no element whose records are all of dropped assignments. A holder in it
//     may keep some, but throws them away when it emits (heldTokens.emit), whatever the bit
//     says. Should what it emits come to be dropped as a whole later, that is another drop.
//  2. The bit is cleared under the lock under which a drop takes its number and sets it: a drop in
//     between is not lost.
//  3. An island that becomes swept pokes the run: those behind it look again, also where nothing
//     comes.
//
// An island that is inside a slow function, or blocked, is not swept: then the looks go on. An
// intake that does not know keeps them for the whole run.
//
// Rejected: counting what travels under dropped indexes. Finished tokens are reported twice at
// times, and their trackers are closed.

// Sweeper is an Intake that begins no stream: it can say whether it may give out something that was
// dropped.
type Sweeper interface {
	// Swept reports whether everything was taken that was sent before the senders were swept up to
	// a drop. It is called between two chunks.
	Swept(drop uint32) bool
}

// sweptForEver is said of islands that have ended, and of those whose elements have no tokens.
const sweptForEver = math.MaxUint32

// sweep is called between two chunks while elements of dropped assignments are looked for.
func (isl *Island) sweep(in Sweeper, isSource bool) {
	drop := isl.run.drops.Load()
	if isl.swept.Load() >= drop {
		return
	}
	if in != nil && in.Swept(drop) || in == nil && isSource {
		isl.sweptUpTo(drop)
	}
}

func (isl *Island) sweptUpTo(drop uint32) {
	r := isl.run
	isl.swept.Store(drop)
	drop = r.drops.Load()
	for _, other := range r.allIslands() {
		if other.swept.Load() < drop {
			r.poke()
			return
		}
	}
	r.dropped(drop)
}

// sweep is what the receiving end of a boundary knows: until which element it has to take.
type sweep struct {
	drop  uint32
	until uint64
}

// over reports whether everything was taken that was sent before the sender was swept. sent is read
// after that, so it covers it.
func (s *sweep) over(drop uint32, send *Island, sent *atomic.Uint64, taken uint64) bool {
	if send.swept.Load() < drop {
		return false
	}
	if s.drop != drop {
		s.drop, s.until = drop, sent.Load()
	}
	return taken >= s.until
}

// Swept implements Sweeper.
func (b *Boundary[T]) Swept(drop uint32) bool { return b.sweep.over(drop, b.send, &b.tail, b.lhead) }

// Swept implements Sweeper.
func (s *Slots[T]) Swept(drop uint32) bool { return s.sweep.over(drop, s.send, &s.tail, s.lhead) }

// Swept implements Sweeper. Cells are taken in any order, so those are counted that were sent
// before.
func (c *cells[A, B]) Swept(drop uint32) bool {
	if c.send.swept.Load() < drop {
		return false
	}
	if c.sweep.drop != drop {
		c.sweep.drop, c.sweep.until = drop, c.inTail.Load()
		c.before = c.sweep.until - c.lhead
	}
	return c.before == 0
}
