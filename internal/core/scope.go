package core

import "sync/atomic"

// Scope is the branch of a Broadcast in which a stage stands; nil outside of any. It decides what becomes of elements when the branch is
// cancelled: while another branch lives, a branch that ended early has had what it wanted, and its parts are done, so that it cannot
// hold the others' frontier; with the last one they are abandoned.
//
// A hard stop is not an end of a branch: there everything that is refused is abandoned.
type Scope struct {
	outer *Scope
	alive *atomic.Int32 // branches of this Broadcast that are not cancelled
	ended atomic.Bool
}

// Branches returns the scopes of the branches of a new Broadcast.
func Branches(outer *Scope, n int) []*Scope {
	alive := new(atomic.Int32)
	alive.Store(int32(n))
	scopes := make([]*Scope, n)
	for i := range scopes {
		scopes[i] = &Scope{outer: outer, alive: alive}
	}
	return scopes
}

// End says that the branch is cancelled by its downstream. Whoever cancels calls it first, before anything is refused: with two branches that
// end at the same time, the one that ends second finds that nobody lives. Harmless when repeated, and on nil.
func (s *Scope) End() {
	if s != nil && !s.ended.Swap(true) {
		s.alive.Add(-1)
	}
}

// Over reports whether every branch has ended.
func (s *Scope) Over() bool { return s.alive.Load() == 0 }

func (s *Scope) refusal(r *Run) fate {
	if r.Stopped() {
		return abandoned
	}
	for ; s != nil; s = s.outer {
		others := s.alive.Load()
		if !s.ended.Load() {
			others--
		}
		if others > 0 {
			return fine
		}
	}
	return abandoned
}
