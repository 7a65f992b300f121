package model

// token is what travels beside an element: index and position. An index above zero is an
// assignment's, one below zero a composite's (split or merged), and the zero token is none. The
// generation is for the order check only.
type token struct {
	index, pos int32
	generation int32
}

// composite is a split (several parts of one token) or a merged token (several tokens that go on as
// one).
type composite struct {
	of []token // a split has one

	split     bool
	parts     int  // parts of a split that travel, the frame's own hold included
	abandoned bool // one part was abandoned: reported at once, once
	returned  bool // one part was given back
	refused   bool // nobody took one part

	branches bool // a split for the branches of a broadcast
	taken    bool // one of them has taken its part

	live      bool // a merge that was emitted and has not ended
	void      bool // a merge with a record at or after a gap
	byGap     bool // really so
	untracked bool // a merge with an element that has no token: it has begun
}

// reason says why a token is abandoned; what follows depends on it.
type reason int

const (
	fine     reason = iota // not abandoned
	unwanted               // not taken in this branch of a broadcast
	returned               // given back: it lies after the cut
	revoked                // its assignment left, or its time is over, or its merge is void
	faulted                // a fault, a cancelled downstream, a negative acknowledgement
)

func (w *world) compose(c composite) token {
	w.composites = append(w.composites, c)
	return token{index: -int32(len(w.composites))}
}

func (w *world) composite(t token) *composite { return &w.composites[-t.index-1] }

// merge joins the tokens of what a holder emits. A merge with elements that have no token has
// begun.
func (w *world) merge(ts []token, untracked bool) token {
	switch {
	case len(ts) == 0:
		return token{}
	case len(ts) == 1 && !untracked:
		return ts[0]
	}
	t := w.compose(composite{of: ts, live: true, untracked: untracked && w.rules.UntrackedIsFinished})
	if untracked && w.rules.UntrackedIsFinished {
		w.saw(sawUntracked)
		w.beginAll(t)
	}
	return t
}

// done ends a token (or one part of it) as finished. Positions go to the pending run of whoever
// ends them.
func (w *world) done(t token, run *pendingRun) {
	switch {
	case t.index > 0:
		run.add(w, t)
	case t.index < 0:
		c := w.composite(t)
		if !c.split {
			c.live = false
			for _, u := range c.of {
				w.done(u, run)
			}
			return
		}
		c.taken = true
		w.endPart(c, run)
	}
}

// doneFrame ends the part of a split that its frame holds.
func (w *world) doneFrame(t token, run *pendingRun) { w.endPart(w.composite(t), run) }

// abandon ends a token (or one part of it) as never to be finished. A split tells its parent at
// once, not when the last part has ended: what happens next (rewind, abort) need not wait for the
// others.
func (w *world) abandon(t token, why reason) {
	switch {
	case t.index > 0:
		w.abandonMark(t, why)
	case t.index < 0:
		c := w.composite(t)
		if !c.split {
			if c.void && !c.byGap {
				w.quiet++ // no reason to give anything up
				defer func() { w.quiet-- }()
			}
			for _, u := range c.of {
				w.abandon(u, why)
			}
			c.live = false
			return
		}
		if w.rules.AbandonedPartWins {
			first := !c.abandoned
			c.abandoned = true
			c.parts--
			if w.rules.SplitTellsAtOnce && first || !w.rules.SplitTellsAtOnce && c.parts == 0 {
				w.abandon(c.of[0], why)
			}
			return
		}
		w.endPart(c, &w.loose)
	}
}

func (w *world) endPart(c *composite, run *pendingRun) {
	if c.parts--; c.parts > 0 {
		return
	}
	switch {
	case c.abandoned:
		if !w.rules.SplitTellsAtOnce {
			w.abandon(c.of[0], revoked)
		}
	case c.returned:
		w.giveBack(c.of[0], run)
	case c.refused && !(c.branches && c.taken) && w.rules.RefusedByAllIsGivenUp:
		w.refuseToken(c.of[0], run)
	default:
		w.done(c.of[0], run)
	}
}

// marksOf calls f for each position under a token, until f returns false; it returns what the last
// f returned.
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
