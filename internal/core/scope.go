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

	// A joint stands for the branch that one of the inputs of a Merge or Concat is in, which becomes known
	// when that is built. Elements of the other inputs are none of the branch's.
	joint bool
	inner atomic.Pointer[Scope]
}

// branch is the branch itself, where the scope is a joint; nil outside of any.
func (s *Scope) branch() *Scope {
	for s != nil && s.joint {
		s = s.inner.Load()
	}
	return s
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
	s = s.branch()
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
	s = s.branch()
	s.siblings.mu.Lock()
	defer s.siblings.mu.Unlock()
	return s.siblings.alive == 0
}

func (s *Scope) fate() fate {
	s = s.branch()
	if s != nil && s.verdict.Load() == uint32(fine)+1 {
		return fine
	}
	return abandoned
}

// refusal is how an element ends that is refused in the branch.
func (s *Scope) refusal(r *Run, t Token) fate {
	if r.Stopped() || s != nil && s.joint && !s.branch().sent(r.Ledger, t) {
		return abandoned
	}
	return s.fate()
}

// sent reports whether an element came by the branch's Broadcast: its token is one that was split there.
func (s *Scope) sent(l *Ledger, t Token) bool {
	if s == nil || !t.composite() {
		return false
	}
	c := l.composites.at(t)
	if !c.merged {
		return c.siblings == s.siblings || s.sent(l, c.one[0].first)
	}
	for _, m := range c.members {
		if !s.sent(l, m.first) {
			return false
		}
	}
	return true
}

// Splits notes that the tokens that the island splits are those of the branches of a Broadcast.
func (isl *Island) Splits(branches []*Scope) {
	if len(branches) > 0 {
		isl.siblings = branches[0].siblings
	}
}
