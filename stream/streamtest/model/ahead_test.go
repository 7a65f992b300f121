package model

// A retry that pauses while something is being revoked: its island goes ahead inside the pause.
// What is revoked as a whole, and overtakes nothing of its own partitions, goes through the chain
// in frames of its own; the rest is set aside, and comes before what comes in later.

// goAhead makes one small step inside the pause of an activation; false: there is nothing to do
// ahead.
func (is *island) goAhead(a *activation) (progress, bool) {
	w := is.w
	if a.ahead { // one has come back
		a.ahead = false
		if is.ret == fault && w.rules.FaultAbandons {
			is.frame.fate = faulted
		}
		is.look()
		is.frame = a.saved
		if is.ret == fault {
			a.e.end(false)
			return is.back(fault), true
		}
		return pause, true
	}
	if w.run.draining || is.cancelAt >= 0 {
		return on, false
	}
	blocked := map[int32]bool{}
	is.block(is.frame.cur, blocked)
	if w.rules.AheadSeesAllPauses {
		for i := range is.stack {
			if is.stack[i].ahead {
				is.block(is.stack[i].saved.cur, blocked)
			}
		}
	}
	for i, t := range is.aside.tokens {
		if is.goesAhead(t, blocked) {
			if !w.rules.RetryGoesAhead {
				return on, false
			}
			e := is.aside.elems[i]
			is.aside.elems = append(is.aside.elems[:i:i], is.aside.elems[i+1:]...)
			is.aside.tokens = append(is.aside.tokens[:i:i], is.aside.tokens[i+1:]...)
			return is.pass(a, e, t), true
		}
		is.block(t, blocked)
	}
	if !w.leaving() || len(is.in.elems) == 0 {
		return on, false
	}
	if !w.rules.RetryGoesAhead {
		return on, false
	}
	e, t := is.in.pop()
	if is.dropGone(e, t) {
		return pause, true
	}
	if is.goesAhead(t, blocked) {
		return is.pass(a, e, t), true
	}
	is.aside.push(e, t)
	return pause, true
}

// pass pushes an element through the chain, beside the one that pauses.
func (is *island) pass(a *activation, e *elem, t token) progress {
	if is.dropGone(e, t) {
		return pause
	}
	is.w.saw(sawAhead)
	a.saved, a.ahead = is.frame, true
	is.frame = frame{cur: t}
	is.call(0, e)
	return on
}

// goesAhead tells whether all records behind a token are leaving, and none overtakes one of its
// partition.
func (is *island) goesAhead(t token, blocked map[int32]bool) bool {
	overtakes := false
	leaving := t.index != 0 && is.w.marksOf(t, func(m token) bool {
		overtakes = overtakes || blocked[m.index] || blocked[everything]
		a := is.w.assignment(m.index)
		return a == nil || a.revoking
	})
	if leaving && overtakes && is.w.rules.AheadOvertakesNothing {
		is.w.saw(sawBlocked)
		return false
	}
	return leaving
}

func (is *island) block(t token, blocked map[int32]bool) {
	if gone, how := is.w.gone(t); gone && (how == returned || !is.w.rules.VoidStillBlocks) {
		return // a void merge becomes a gap of its other partitions when it is dropped
	}
	is.w.marksOf(t, func(m token) bool {
		blocked[m.index] = true
		if is.w.stale(m) && is.w.rules.EndedBlocksAll {
			blocked[everything] = true // the partition may be back, under another index
		}
		return true
	})
}

const everything = 0 // no assignment's index

// leaving tells whether something is being revoked.
func (w *world) leaving() bool {
	for _, a := range w.run.parts {
		if a != nil && !a.over && a.revoking {
			return true
		}
	}
	return false
}

// next is what the island works on next: what was set aside comes first.
func (is *island) next() *queue {
	if len(is.aside.elems) > 0 && (is.w.rules.AsideComesFirst || len(is.in.elems) == 0) {
		return &is.aside
	}
	return is.in
}
