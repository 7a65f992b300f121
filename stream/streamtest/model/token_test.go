package model

// token is what travels beside an element: index and position. An index above zero is an assignment's, one below zero
// a composite's (split or merged), and the zero token is none. The generation is for the order check only.
type token struct {
	index, pos int32
	generation int32
}

// composite is a split (several parts of one token) or a merged token (several tokens that go on as one).
type composite struct {
	of []token // a split has one

	split     bool
	parts     int  // parts of a split that travel, the frame's own hold included
	abandoned bool // one part was abandoned: reported at once, once
}

// reason says why a token is abandoned; what follows depends on it.
type reason int

const (
	fine    reason = iota // not abandoned
	revoked               // its assignment left, or is about to
	faulted               // a fault, a cancelled downstream, a negative acknowledgement
)

func (w *world) compose(c composite) token {
	w.composites = append(w.composites, c)
	return token{index: -int32(len(w.composites))}
}

func (w *world) composite(t token) *composite { return &w.composites[-t.index-1] }

// merge joins the tokens of what a holder emits.
func (w *world) merge(ts []token) token {
	if len(ts) == 1 {
		return ts[0]
	}
	return w.compose(composite{of: ts})
}

// done ends a token (or one part of it) as finished. Positions go to the pending run of whoever ends them.
func (w *world) done(t token, run *pendingRun) {
	switch {
	case t.index > 0:
		run.add(w, t)
	case t.index < 0:
		c := w.composite(t)
		if !c.split {
			for _, u := range c.of {
				w.done(u, run)
			}
			return
		}
		w.endPart(c, run)
	}
}

// abandon ends a token (or one part of it) as never to be finished. A split tells its parent at once, not when the last
// part has ended: what happens next (rewind, abort) need not wait for the others.
func (w *world) abandon(t token, why reason) {
	switch {
	case t.index > 0:
		w.abandonMark(t, why)
	case t.index < 0:
		c := w.composite(t)
		if !c.split {
			for _, u := range c.of {
				w.abandon(u, why)
			}
			return
		}
		if w.rules.AbandonedPartWins {
			first := !c.abandoned
			c.abandoned = true
			c.parts--
			if first {
				w.abandon(c.of[0], why)
			}
			return
		}
		w.endPart(c, &w.loose)
	}
}

func (w *world) endPart(c *composite, run *pendingRun) {
	if c.parts--; c.parts == 0 && !c.abandoned {
		w.done(c.of[0], run)
	}
}

// marksOf calls f for each position under a token, until f returns false; it returns what the last f returned.
func (w *world) marksOf(t token, f func(token) bool) bool {
	switch {
	case t.index > 0:
		return f(t)
	case t.index < 0:
		for _, u := range w.composite(t).of {
			if !w.marksOf(u, f) {
				return false
			}
		}
	}
	return true
}

// gone tells whether an element with this token is dropped where it stands: all its marks are of assignments that ended.
func (w *world) gone(t token) bool {
	if t.index == 0 {
		return false
	}
	all, some := true, false
	w.marksOf(t, func(m token) bool {
		stale := w.stale(m)
		all, some = all && stale, some || stale
		return true
	})
	if some && !all {
		w.saw(sawMixedMerged)
	}
	if w.rules.MergedGoesWhenAllGone {
		return all
	}
	return some
}
