package core

import (
	"sync"
	"sync/atomic"
)

// Scope is the branch of a Broadcast in which a stage stands; nil outside of any. It decides what becomes of elements when the branch is
// cancelled: a branch that ended while another lives has had what it wanted, and what is still in it is done, so that it cannot hold the
// others' frontier; in the last one it is abandoned.
//
// The verdict is drawn once, when the cancellation begins and before anything is refused, and stored: of two branches that end at the same
// time one is the second. A last branch ends the branch in which its Broadcast stands, and shares its verdict.
//
// A hard stop is not an end of a branch: there everything that is refused is abandoned.
type Scope struct {
	outer    *Scope
	siblings *siblings
	verdict  atomic.Uint32 // 0 while the branch lives, then fate + 1
}

type siblings struct {
	mu    sync.Mutex
	alive int
}

// Branches returns the scopes of the branches of a new Broadcast.
func Branches(outer *Scope, n int) []*Scope {
	s := &siblings{alive: n}
	scopes := make([]*Scope, n)
	for i := range scopes {
		scopes[i] = &Scope{outer: outer, siblings: s}
	}
	return scopes
}

// End says that the branch is cancelled by its downstream. Whoever cancels calls it first. Harmless when repeated, and on nil.
func (s *Scope) End() {
	if s == nil {
		return
	}
	s.siblings.mu.Lock()
	defer s.siblings.mu.Unlock()
	if s.verdict.Load() != 0 {
		return
	}
	s.siblings.alive--
	v := fine
	if s.siblings.alive == 0 {
		s.outer.End()
		v = s.outer.fate()
	}
	s.verdict.Store(uint32(v) + 1)
}

// Over reports whether every branch of the Broadcast has ended.
func (s *Scope) Over() bool {
	s.siblings.mu.Lock()
	defer s.siblings.mu.Unlock()
	return s.siblings.alive == 0
}

func (s *Scope) fate() fate {
	if s != nil && s.verdict.Load() == uint32(fine)+1 {
		return fine
	}
	return abandoned
}

func (s *Scope) refusal(r *Run) fate {
	if r.Stopped() {
		return abandoned
	}
	return s.fate()
}
