package core

// Held collects the tokens of the elements that a holder keeps, one for each of them.
type Held struct {
	toks    []Token
	tracked int
}

// Keep counts the element in hand as kept by the holder.
func (h *Held) Keep(isl *Island) {
	t := isl.Out()
	h.toks = append(h.toks, t)
	if t != 0 {
		h.tracked++
	}
}

// Len is the number of elements that are held.
func (h *Held) Len() int { return len(h.toks) }

// Emission is what a holder is about to emit: one token for all of it.
type Emission struct {
	Token Token
	// Kept reports, for each element, whether it is emitted; nil is all of them. Those that lie
	// after the cut are given back.
	Kept func(i int) bool
	// Empty: nothing is left.
	Empty bool
}

// Emit makes one token of all that is held, and holds nothing any more. What lies after the cut is
// given back, in one step with making the token: so a merge lies before all its cuts when it is
// made. A merge with elements that have no token has begun, since nobody would deliver those again.
func (h *Held) Emit(isl *Island) (em Emission) {
	toks := h.toks
	l := isl.run.Ledger
	if h.tracked == 0 {
		h.toks = toks[:0]
		return Emission{Empty: len(toks) == 0}
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
		em.Token = spans[0].first
	case len(spans) > 0:
		em.Token = l.composites.merge(spans, untracked)
	}
	if untracked && em.Token != 0 {
		l.beginAll(em.Token)
	}
	l.cutMu.Unlock()
	em.Empty = left == 0
	if gone != nil {
		em.Kept = func(i int) bool { return !gone[i] }
		for i, t := range toks {
			if gone[i] {
				isl.run.sweepOut(t, isl.run.sweptFate(t))
			}
		}
	}
	return em
}

// Sweep gives back what lies after the cut, and reports what is kept; nil is all of it. Holders
// call it before they look at whether there is anything to emit.
func (h *Held) Sweep(isl *Island) (kept func(i int) bool) {
	if h.tracked == 0 || !isl.run.Ledger.everCut.Load() {
		return nil
	}
	var gone []bool
	for i, t := range h.toks {
		if out, how := isl.run.Ledger.gone(t); out {
			if gone == nil {
				gone = make([]bool, len(h.toks))
			}
			gone[i] = true
			isl.run.sweepOut(t, how)
		}
	}
	if gone == nil {
		return nil
	}
	left := h.toks[:0]
	for i, t := range h.toks {
		if !gone[i] {
			left = append(left, t)
		} else {
			h.tracked--
		}
	}
	h.toks = left
	return func(i int) bool { return !gone[i] }
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
