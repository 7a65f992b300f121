package model

// A branch of a broadcast completes when something in it takes no more, however far down that is.
// It has had its share: what it still contains, in its queues, holders, calls and closures, and
// what is pushed to it before the cancellation has travelled up, is refused, which says nothing
// yet. An element of the broadcast is done when some branch has taken it, and given up when all
// have refused it, or refused in the branch that its broadcast stands in. So it does not matter
// when branches complete, nor which one is the last.
//
// The last branch to complete completes the branch that its broadcast stands in, or, under no
// broadcast, the run.

// complete notes that a branch has completed.
func (r *run) complete(w *world, b int) {
	if b < 0 {
		r.ending = true
		return
	}
	if r.completed[b] {
		return
	}
	r.completed[b] = true
	bc := w.graph.branches[b].broadcast
	if r.living[bc]--; r.living[bc] > 0 {
		w.saw(sawBranchEnd)
	} else {
		r.complete(w, w.graph.branches[b].parent)
	}
}

// cancel is called when a stage of the island takes no more.
func (is *island) cancel(st int) {
	if st > is.cancelAt {
		is.cancelAt = st
	}
	is.w.run.complete(is.w, is.spec.branch)
}

// refused ends an element that nobody takes any more, and tells how its token ends.
func (w *world) refused(e *elem, t token) reason {
	e.refuse()
	how := w.refusal(t)
	for _, d := range e.prov {
		if how == faulted && t.index != 0 && !d.lost && w.rules.RefusedAbandons {
			w.violate("given up", "record %d of partition %d was refused and given up, and some branch may take it", d.rec, d.part)
		}
	}
	return how
}

func (w *world) refusal(t token) reason {
	if w.rules.RefusalWaits && w.inBranch(t) {
		return unwanted
	}
	return faulted
}

// inBranch tells whether a token is a branch's part of an element, or is made of such ones.
func (w *world) inBranch(t token) bool {
	if t.index >= 0 {
		return false
	}
	c := w.composite(t)
	if c.branches {
		return true
	}
	for _, u := range c.of {
		if w.inBranch(u) {
			return true
		}
	}
	return false
}

// refuseToken ends a token (or one part of it) as one that nobody has taken.
func (w *world) refuseToken(t token, run *pendingRun) {
	if t.index >= 0 || w.refusal(t) == faulted {
		w.abandon(t, faulted)
		return
	}
	c := w.composite(t)
	if !c.split {
		c.live = false
		for _, u := range c.of {
			w.refuseToken(u, run)
		}
		return
	}
	c.refused = true
	w.endPart(c, run)
}

// What follows is the truth about it.

// ballot is an element that a broadcast has given to its branches.
type ballot struct {
	of    origin
	open  int // branches that have not ended their parts, and the broadcast until it has given all
	taken bool
}

// share is what one branch has of it.
type share struct {
	of      *ballot
	live    int // elements that descend from it and exist
	refused bool
}

func newBallot(of origin) *ballot {
	for _, s := range of.shares {
		s.live++
	}
	return &ballot{of: of, open: 1}
}

func (b *ballot) share() *share {
	b.open++
	return &share{of: b}
}

func (s *share) end(refused bool) {
	s.refused = s.refused || refused
	if s.live--; s.live == 0 {
		s.of.taken = s.of.taken || !s.refused
		s.of.close()
	}
}

// close ends one of those that the ballot waits for.
func (b *ballot) close() {
	if b.open--; b.open > 0 {
		return
	}
	if !b.taken && len(b.of.shares) == 0 {
		for _, d := range b.of.prov {
			d.lost = true
		}
	}
	for _, s := range b.of.shares {
		s.end(!b.taken)
	}
}

// refuse ends an element that nobody takes any more.
func (e *elem) refuse() {
	if len(e.shares) == 0 {
		e.end(false)
		return
	}
	for _, s := range e.shares {
		s.refused = true
	}
	e.end(true)
}
