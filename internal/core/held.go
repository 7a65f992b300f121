package core

// heldTokens are those of the elements that a holder keeps, one for each of them.
type heldTokens struct {
	toks    []Token
	tracked int
}

// keep adds the token of an element that the holder keeps.
func (h *heldTokens) keep(t Token) {
	h.toks = append(h.toks, t)
	if t != 0 {
		h.tracked++
	}
}

// emission is what a holder is about to emit: one token for all of it.
type emission struct {
	token Token
	// kept reports, for each element, whether it is emitted; nil is all of them. Those that lie
	// after the cut are given back.
	kept func(i int) bool
	// empty: nothing is left.
	empty bool
}

// emit makes one token of all that is held, and holds nothing any more. What lies after the cut is
// given back, in one step with making the token: so a merge lies before all its cuts when it is
// made. A merge with elements that have no token has begun, since nobody would deliver those again.
func (h *heldTokens) emit(isl *Island) (em emission) {
	toks := h.toks
	l := isl.run.Ledger
	if h.tracked == 0 {
		h.toks = toks[:0]
		return emission{empty: len(toks) == 0}
	}
	h.toks, h.tracked = nil, 0
	l.cutMu.Lock()
	var gone []bool
	left := len(toks)
	if l.everCut.Load() { // also long after the sweep: a holder may keep things for hours
		for i, t := range toks {
			if out, _ := l.gone(t); out {
				if gone == nil {
					gone = make([]bool, len(toks))
				}
				gone[i] = true
				left--
			}
		}
	}
	spans, untracked := spansOf(toks, gone)
	untracked = untracked || l.composites.anyUntracked(spans)
	switch {
	case len(spans) == 1 && spans[0].n == 1 && !untracked:
		em.token = spans[0].first
	case len(spans) > 0:
		em.token = l.composites.merge(spans, untracked)
	}
	if untracked && em.token != 0 {
		l.beginAll(em.token)
	}
	l.cutMu.Unlock()
	em.empty = left == 0
	if gone != nil {
		em.kept = func(i int) bool { return !gone[i] }
		for i, t := range toks {
			if gone[i] {
				isl.run.sweepOut(t, isl.run.sweptFate(t))
			}
		}
	}
	return em
}

// spansOf joins tokens to runs, without those that are gone, and reports whether there are elements
// without one.
func spansOf(toks []Token, gone []bool) (spans []span, untracked bool) {
	for i, t := range toks {
		switch n := len(spans); {
		case gone != nil && gone[i]:
		case t == 0:
			untracked = true
		case n > 0 && spans[n-1].joins(t):
			spans[n-1].n++
		default:
			spans = append(spans, span{t, 1})
		}
	}
	return spans, untracked
}
