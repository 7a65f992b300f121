package model

// The cut: each assignment has one position up to which everything is finished and after which
// nothing begins. An element begins when a stage with effects claims it. A freeze makes the cut of
// an end, a gap lowers it.

// claim begins the element of a token, for a stage with effects. What lies after the cut is
// refused, all of it or nothing: a merge that has to run runs whole.
func (w *world) claim(t token) bool {
	if t.index == 0 {
		return true
	}
	if !w.rules.OneCutForAllStages && w.anyFrozen(t) {
		return false
	}
	if gone, _ := w.gone(t); gone {
		return false
	}
	w.beginAll(t)
	return true
}

// claimOne is a merge's claim that begins each record by itself, and others may do something in
// between.
func (is *island) claimOne(a *activation) (more bool) {
	if is.frame.cur.index >= 0 || is.swept() {
		return false
	}
	i := 0
	is.w.marksOf(is.frame.cur, func(m token) bool {
		if i++; i > a.i {
			a.i++
			is.w.beginAll(m)
			more = true
		}
		return !more
	})
	return more
}

// claimRun begins what follows the element in hand without a gap and has left the source with it: a
// stage whose effects take no time may do so, at the price of finishing all of it.
func (is *island) claimRun() {
	t := is.frame.cur
	if !is.w.runs || is.id > 0 || is.spec.workers != noWorkers || t.index <= 0 {
		return
	}
	for _, u := range is.in.tokens {
		if t.pos++; u != t || is.w.after(t) {
			return
		}
		is.w.saw(sawRunBegun)
		is.w.beginAll(t)
	}
}

// beginAll raises the counts of all positions of a token.
func (w *world) beginAll(t token) {
	w.marksOf(t, func(m token) bool {
		if a := w.assignment(m.index); a != nil && !a.frozen && !a.afterCut(int(m.pos)) {
			a.count = max(a.count, int(m.pos))
		}
		return true
	})
}

func (w *world) anyFrozen(t token) bool {
	return !w.marksOf(t, func(m token) bool {
		a := w.assignment(m.index)
		return a == nil || !a.frozen && !a.gapped
	})
}

// after tells whether a position lies after the cut of its assignment, or that has ended.
func (w *world) after(m token) bool {
	a := w.assignment(m.index)
	return a == nil || a.afterCut(int(m.pos))
}

func (a *assignment) afterCut(pos int) bool { return (a.frozen || a.gapped) && pos > a.cut }

// gone tells whether the element of a token is thrown away where it is found, and how it ends
// then: given back, or given up, where it is part of a merge that a gap has made void. A merge of
// which one record is kept, or lies before its cut, goes on.
func (w *world) gone(t token) (gone bool, how reason) {
	switch {
	case t.index == 0:
		return false, fine
	case t.index > 0:
		return w.after(t), returned
	}
	c := w.composite(t)
	if c.split {
		gone, how = w.gone(c.of[0])
		if !w.rules.VoidThroughSplit {
			how = returned
		}
		return gone, how
	}
	if c.untracked {
		return false, fine // nobody would deliver those again
	}
	if w.void(t, c) {
		return true, revoked
	}
	all, some := true, false
	for _, u := range c.of {
		g, h := w.gone(u)
		all, some = all && g, some || g
		if h == revoked {
			how = revoked
		}
	}
	if some && !all {
		w.saw(sawMixedMerged)
	}
	if how != revoked {
		how = returned
	}
	if w.rules.MergedGoesWhenAllGone {
		return all, how
	}
	return some, how
}

// void tells whether a gap has made a merge void. That is noted in the merge when the gap is made,
// since the gap's assignment may have ended when the merge is found.
func (w *world) void(t token, c *composite) bool {
	if w.rules.VoidIsNoted {
		return c.void
	}
	return !w.marksOf(t, func(m token) bool {
		a := w.assignment(m.index)
		return a == nil || a.gap == 0 || int(m.pos) < a.gap
	})
}

// freeze makes the cut of assignments, in one step: the highest position that has begun, raised
// where a merge that has to run has more of it.
func (w *world) freeze(set []*assignment) {
	if len(set) == 0 {
		return
	}
	in := map[*assignment]bool{}
	for _, a := range set {
		if a != nil && !a.over && !a.frozen {
			cut := a.count
			if !w.rules.TakenInIsGivenBack {
				cut = len(a.marks)
			}
			if a.gapped {
				cut = min(cut, a.cut)
			}
			in[a], a.cut = true, cut
		}
	}
	if !w.rules.HoldersGiveBack {
		w.coverHolders(in)
	}
	w.coverMerges(in)
	for _, a := range set {
		if in[a] && w.rules.FreezeAtOnce {
			a.setCut(w, a.cut)
		} else if in[a] {
			w.half = append(w.half, a)
		}
	}
}

// endFreeze is the second half of a freeze that is not made in one step.
func (w *world) endFreeze() {
	for _, a := range w.half {
		if !a.over && !a.frozen {
			a.setCut(w, a.cut)
		}
	}
	w.half = nil
}

// coverMerges raises the cuts that are being made so that each merge on its way lies before all
// cuts or after all.
func (w *world) coverMerges(in map[*assignment]bool) {
	for changed := true; changed; {
		changed = false
		for i := range w.composites {
			c := &w.composites[i]
			t := token{index: -int32(i + 1)}
			if !c.live || w.void(t, c) {
				continue
			}
			if !w.mustRun(t, in) {
				continue
			}
			raised := w.raise(t, in)
			changed = changed || raised
			if raised && !w.rules.MixedMergesRun {
				c.void = true
			}
		}
		if !w.rules.Fixpoint {
			return
		}
		if changed {
			w.rounds++
		}
		if w.rounds > 1 {
			w.saw(sawFixpoint)
		}
	}
	w.rounds = 0
}

// mustRun tells whether a position of a merge lies before its cut, or is kept.
func (w *world) mustRun(t token, in map[*assignment]bool) bool {
	return !w.marksOf(t, func(m token) bool {
		a := w.assignment(m.index)
		if a == nil {
			return true
		}
		return (a.frozen || in[a]) && int(m.pos) > a.cut
	})
}

// raise raises the cuts that are being made to cover a merge.
func (w *world) raise(t token, in map[*assignment]bool) (raised bool) {
	w.marksOf(t, func(m token) bool {
		if a := w.assignment(m.index); a != nil && in[a] && int(m.pos) > a.cut {
			raised = true
			if w.rules.MixedMergesRun {
				a.cut = int(m.pos)
				w.saw(sawRaised)
			}
		}
		return true
	})
	return raised
}

// coverHolders is what must not be: an end for which holders emit what has not begun.
func (w *world) coverHolders(in map[*assignment]bool) {
	for _, is := range w.run.islands {
		for _, k := range is.keeps {
			for _, t := range k.tokens {
				w.raise(t, in)
			}
		}
	}
}

// setCut freezes an assignment. What lies after the cut is not outstanding any more.
func (a *assignment) setCut(w *world, cut int) {
	a.frozen = true
	a.lowerCut(w, cut)
}

func (a *assignment) lowerCut(w *world, cut int) {
	a.cut = cut
	w.trace("cut of p%d (as %d) after %d, begun %d", a.part, a.index, a.cut, a.count)
	for pos := cut + 1; pos <= len(a.marks); pos++ {
		m := &a.marks[pos-1]
		if m.settled || m.back || !w.rules.GivenBackIsNotOutstanding {
			continue
		}
		m.back = true
		if m.counted {
			a.out--
		}
	}
}

// lower makes a gap at a position that was given up: what lies before it still finishes, nothing at
// or after it does, and merges with a position at or after it are void. It tells whether there was
// none before.
func (w *world) lower(a *assignment, pos int) bool {
	if w.txn || a.gap != 0 && a.gap <= pos {
		return false
	}
	if a.afterCut(pos) {
		return false // it was given back already
	}
	w.saw(sawGap)
	a.gap = pos
	w.trace("gap of p%d (as %d) at %d", a.part, a.index, pos)
	if !w.rules.CutAtGap {
		return true
	}
	cut := pos - 1
	if !w.rules.FinishBeforeGap {
		cut = a.frontier
	}
	if a.count > cut {
		w.saw(sawBegunAfterGap)
	}
	if a.frozen || a.gapped {
		cut = min(cut, a.cut)
	}
	a.gapped, a.frozen = true, a.frozen || !w.rules.EndsAfterAGap
	a.lowerCut(w, cut)
	for i := range w.composites {
		c := &w.composites[i]
		if !c.live || c.void || c.untracked && w.rules.UntrackedIsFinished {
			continue
		}
		c.void = !w.marksOf(token{index: -int32(i + 1)}, func(m token) bool {
			return m.index != a.index || int(m.pos) < pos
		})
		if c.void {
			c.byGap = w.quiet == 0
			w.saw(sawVoid)
		}
	}
	return true
}

// giveBack ends a token (or one part of it) as given back: it lies after the cut, and has not
// begun.
func (w *world) giveBack(t token, run *pendingRun) {
	switch {
	case !w.rules.RefusedIsNotDone:
		w.done(t, run)
	case t.index > 0:
		if a, m := w.markOf(t); a != nil {
			w.saw(sawGivenBack)
			m.ended = true
			if !w.rules.OneCutForAllStages && !m.settled && !m.back {
				m.back = true
				a.out--
			}
			if w.rules.SweptGivesMemoryBack {
				w.uncharge(m)
			}
		}
	case t.index < 0:
		c := w.composite(t)
		if !c.split {
			c.live = false
			for _, u := range c.of {
				w.giveBack(u, run)
			}
			return
		}
		c.returned = true
		w.endPart(c, run)
	}
}

// sweep throws the element in hand away: it lies after the cut.
func (is *island) sweep(a *activation) progress {
	gone, how := is.w.gone(is.frame.cur)
	if !gone {
		how = returned
	}
	is.w.saw(sawSweptInChain)
	a.e.end(false)
	if is.frame.fate == fine {
		is.frame.fate = how
	}
	return is.back(taken)
}

// swept tells whether the element in hand lies after the cut.
func (is *island) swept() bool {
	gone, _ := is.w.gone(is.frame.cur)
	return gone
}
