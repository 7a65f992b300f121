package core

import "time"

// ahead is what becomes of the elements behind a retry.
//
// A stage that retries in place is the first of its island, and stands behind a boundary
// (Island.Retries). While it pauses between two attempts, nothing behind it moves, and its order
// wants just that. But a revoke waits for the elements of its partitions among them, and the pause
// of an element that is kept may be longer than the revoke's deadline. So while assignments are
// being revoked the island goes ahead inside the pause: it looks through what stands behind the
// element, pushes what is being revoked through the chain, and sets the rest aside, to be handled
// behind the retry. Taking it from the boundary lets in what is blocked further upstream.
//
// Invariants:
//  1. An element goes ahead only if every record behind it is being revoked, and none is of an
//     assignment of which the element that pauses, or one that was set aside before it, has a
//     record too. So no partition's order changes, that of the revoked ones neither. Behind an
//     element that is kept and has a record of an assignment that has ended, nothing goes ahead:
//     the partition may have come back, under an index that does not tell.
//  2. No pause begins inside a pause: a stage that fails on such an element gives it up.
//  3. The stage that pauses is the first of the chain and has pushed nothing yet. No stage behind
//     it is at work, and holders behind it may be flushed: what they keep came before the element.
//  4. What was set aside is given out before what comes from the boundary, in its order.
//  5. No more than a limit is set aside. When that is reached, what is revoked and lies behind it
//     waits for the retry, or for the revoke's deadline.
//
// What was set aside is input like what lies in a ring: a cancellation refuses it, a dropped
// assignment's elements are thrown away when it is given out, and a hard stop leaves it where it
// is.
//
// Rejected: giving up what is behind the retry, for the next owner. It is not done twice, but a
// batch of it may be half done, and it is the most expensive work of a stream that is lost: what
// has come as far as a stage that talks to the outside. Also rejected: retrying beside the island.
// What is behind a retry of a kept partition waits for it for the sake of order, in a place that is
// not bounded by back-pressure then.
type ahead[T any] struct {
	*Boundary[T]
	isl   *Island
	push  func(T)
	limit int

	vals []T
	toks []Token

	// What Next gave out last. own: it was set aside before. The element at is in hand; cut: what
	// is behind it was set aside, and its places are free.
	chunk    Chunk[T]
	at       int
	own, cut bool

	// orders (entry.order) that nothing may go ahead in (invariant 1) …
	blocked map[uint32]struct{}
	all     bool // … or all
	// that had begun when all that is set aside was looked through last
	revokes  uint64
	complete bool // nothing more will come from the boundary
}

// DefaultAside is the number of elements that a retry sets aside at most, while what is behind it
// is revoked.
const DefaultAside = 1 << 15

// Retries declares that the island's first stage, and no other, pauses between attempts at an
// element (Pause).
func (isl *Island) Retries() { isl.retries = true }

// pausing is an ahead, whatever its elements are.
type pausing interface {
	step() (more bool)
	input() bool
}

func newAhead[T any](isl *Island, b *Boundary[T], push func(T)) *ahead[T] {
	limit := isl.run.Aside
	if limit <= 0 {
		limit = DefaultAside
	}
	return &ahead[T]{Boundary: b, isl: isl, push: push, limit: limit, blocked: map[uint32]struct{}{}}
}

// Pause waits between two attempts at the element in hand, until due or until whoever waits for the
// element makes that sooner. It says how to go on; Halted is said by the run's being stopped, and a
// downstream that wants no more ends the pause as TryAgain does (Unwanted tells).
func (isl *Island) Pause(due time.Time) Wait {
	r, first, t := isl.run, isl.ahead, isl.frame.cur
	isl.pending.flush(r.Ledger)
	for {
		seen := r.pokes.Load() // before the looks
		leaving, more := first != nil && r.Ledger.leaving.Load() > 0 && !r.Draining(), false
		if leaving {
			isl.ahead = nil // invariant 2, whatever happens
			more = first.step()
			isl.ahead = first
		}
		if isl.gateDue() {
			isl.flushInPause()
		}
		if r.Stopped() || isl.unwanted() {
			return TryAgain
		}
		var what Wait
		what, due = r.Retry(t, due)
		switch {
		case what != KeepWaiting:
			return what
		case more:
			continue
		}
		isl.seenPoke = seen
		isl.park(func() bool { return isl.unwanted() || leaving && first.input() }, due)
	}
}

// flushInPause lets holders emit while an element pauses in front of them: nothing that it has gone
// on with is in the way, as the stage that pauses is the island's first.
func (isl *Island) flushInPause() {
	frame, stage, first := isl.frame, isl.stage, isl.ahead
	isl.ahead = nil // invariant 2
	isl.guard(func() { isl.flush() })
	isl.frame, isl.stage, isl.ahead = frame, stage, first
	isl.pending.flush(isl.run.Ledger)
}

// Unwanted reports whether what follows in the chain wants no more.
func (isl *Island) Unwanted() bool { return isl.noMore }

// Next implements Intake.
func (a *ahead[T]) Next() (Chunk[T], Status) {
	a.cut = false
	if n := min(len(a.vals), maxChunk); n > 0 {
		a.own, a.chunk = true, Chunk[T]{Vals: a.vals[:n], Toks: a.toks[:n]}
		return a.chunk, Ready
	}
	var status Status
	a.own = false
	a.chunk, status = a.Boundary.Next()
	return a.chunk, status
}

// work is chunk, one element at a time: inside a pause it must be known which one that is.
func (a *ahead[T]) work() (n int) {
	c := a.chunk
	for n < len(c.Vals) {
		one := Chunk[T]{Vals: c.Vals[n : n+1]}
		if c.Toks != nil {
			one.Toks = c.Toks[n : n+1]
		}
		a.at = n
		n += chunk(a.isl, one, a.push, false)
		switch {
		case n == a.at: // the run was stopped
			return n
		case a.cut:
			return len(c.Vals)
		case a.isl.noMore:
			return n
		}
	}
	return n
}

// Taken implements Intake.
func (a *ahead[T]) Taken(n int) {
	switch {
	case a.cut:
	case a.own:
		a.drop(n)
	default:
		a.Boundary.Taken(n)
	}
	a.chunk = Chunk[T]{}
}

// drop forgets the first n that were set aside.
func (a *ahead[T]) drop(n int) {
	clear(a.vals[:n])
	a.vals, a.toks = a.vals[n:], a.toks[n:]
	if len(a.vals) == 0 {
		a.vals, a.toks = nil, nil
	}
	a.aside.Store(int64(len(a.vals)))
}

// Ready implements Intake.
func (a *ahead[T]) Ready() bool { return len(a.vals) > 0 || a.Boundary.Ready() }

// Cancel implements Intake.
func (a *ahead[T]) Cancel() {
	for _, t := range a.toks {
		a.isl.refuseToken(t)
	}
	a.drop(len(a.vals))
	a.Boundary.Cancel()
}

// Swept implements Sweeper.
func (a *ahead[T]) Swept(drop uint32) bool { return a.Boundary.Swept(drop) && len(a.vals) == 0 }

// input reports whether step would find something from the boundary.
func (a *ahead[T]) input() bool {
	return !a.complete && len(a.vals) < a.limit && a.Boundary.Ready()
}

// step goes ahead, by a chunk at most; false: there is nothing more at this moment. The frame is
// that of the element that pauses.
func (a *ahead[T]) step() (more bool) {
	if !a.cut {
		a.setAside()
		a.again()
	} else if a.revokes != a.isl.run.Ledger.revokes.Load() {
		a.again()
	}
	if a.over() {
		return false
	}
	if !a.input() {
		a.flush()
		return false
	}
	c, status := a.Boundary.Next()
	if status != Ready {
		a.complete = status == Complete
		return !a.complete // a ring that is ready gives something next time
	}
	n := 0
	for ; n < len(c.Vals) && !a.over(); n++ {
		var t Token
		if c.Toks != nil {
			t = c.Toks[n]
		}
		if a.goes(c.Vals[n], t) {
			continue
		}
		if len(a.vals) >= a.limit {
			break
		}
		a.vals, a.toks = append(a.vals, c.Vals[n]), append(a.toks, t)
	}
	a.aside.Store(int64(len(a.vals)))
	a.Boundary.Taken(n)
	return true
}

func (a *ahead[T]) over() bool { return a.isl.noMore || a.isl.run.Stopped() }

// setAside sets the rest of the chunk aside.
func (a *ahead[T]) setAside() {
	a.cut = true
	if a.own {
		a.drop(a.at + 1)
		return
	}
	c := a.chunk
	a.vals = append(a.vals, c.Vals[a.at+1:]...)
	if c.Toks != nil {
		a.toks = append(a.toks, c.Toks[a.at+1:]...)
	} else {
		a.toks = append(a.toks, make([]Token, len(c.Vals)-a.at-1)...)
	}
	a.aside.Store(int64(len(a.vals)))
	a.Boundary.Taken(len(c.Vals))
}

// again looks through all that is set aside: when another element pauses, and when a revoke has
// begun.
func (a *ahead[T]) again() {
	l := a.isl.run.Ledger
	a.revokes = l.revokes.Load() // before the look
	clear(a.blocked)
	a.all = false
	a.block(a.isl.frame.cur)
	kept := 0
	for i, v := range a.vals {
		if t := a.toks[i]; a.over() || !a.goes(v, t) {
			a.vals[kept], a.toks[kept] = v, t
			kept++
		}
	}
	clear(a.vals[kept:])
	a.vals, a.toks = a.vals[:kept], a.toks[:kept]
	a.aside.Store(int64(kept))
}

// goes ends an element whose partition is gone, or lets it go ahead; else it is to be set aside.
// Where a revoke has begun since all was looked through, it is: what is of the same partition may
// be set aside already, and who comes first goes first.
func (a *ahead[T]) goes(v T, t Token) bool {
	l := a.isl.run.Ledger
	if t == 0 {
		return false
	}
	if gone, how := l.gone(t); gone {
		a.isl.run.sweepOut(t, how)
		return true
	}
	switch {
	case l.revoking(t) && a.revokes == l.revokes.Load() && !a.all && !l.anyOrder(t, a.isBlocked):
		a.inside(func() {
			outer := a.isl.Enter(t, a.isl.frame.expanding)
			a.push(v)
			a.isl.Leave(outer)
		})
		return true
	}
	a.block(t)
	return false
}

func (a *ahead[T]) isBlocked(order uint32) bool {
	_, ok := a.blocked[order]
	return ok
}

func (a *ahead[T]) block(t Token) {
	if t == 0 {
		return
	}
	a.isl.run.Ledger.anyOrder(t, func(order uint32) bool {
		a.blocked[order] = struct{}{}
		a.all = a.all || order == 0
		return false
	})
}

// flush lets the holders emit, as idle does.
func (a *ahead[T]) flush() {
	if len(a.isl.holders) > 0 && a.isl.run.Hurried() {
		a.inside(func() { a.isl.flush() })
	}
	a.isl.pending.flush(a.isl.run.Ledger)
}

// inside calls f, which pushes, and puts back what belongs to the element that pauses.
func (a *ahead[T]) inside(f func()) {
	frame, stage := a.isl.frame, a.isl.stage
	a.isl.guard(f)
	a.isl.frame, a.isl.stage = frame, stage
}
