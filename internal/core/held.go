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
	fates []heldFate // of each element; nil: all of them go out
}

// heldFate is what becomes of an element of a holder that emits.
type heldFate uint8

const (
	goesOut heldFate = iota
	swept            // it lies after the cut, and is given back
	stays            // it lies after the gate's cut, and what goes out before it
)

// emit makes one token of what is held. What lies after the cut is given back, and where some of
// the rest lies before the cuts of a closed gate, what lies after them is held on, all in one step
// with making the token: so a merge lies before all its cuts when it is made, and on one side of
// the gate's. A merge with elements that have no token has begun, since nobody would deliver those
// again.
func (h *heldTokens) emit(isl *Island) (em emission) {
	toks := h.toks
	l := isl.run.Ledger
	if h.tracked == 0 {
		h.toks = toks[:0]
		return em
	}
	l.cutMu.Lock()
	em.fates = fatesOf(l, toks)
	spans, untracked := spansOf(toks, em.fates)
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
	h.toks, h.tracked = nil, 0
	for i, fate := range em.fates {
		switch fate {
		case swept:
			isl.run.sweepOut(toks[i], isl.run.sweptFate(toks[i]))
		case stays:
			h.keep(toks[i])
		}
	}
	return em
}

// fatesOf tells what becomes of each element when a holder emits; nil: all go out. The caller holds
// cutMu.
func fatesOf(l *Ledger, toks []Token) (fates []heldFate) {
	set := func(i int, fate heldFate) {
		if fates == nil {
			fates = make([]heldFate, len(toks))
		}
		fates[i] = fate
	}
	if l.everCut.Load() { // also long after the sweep: a holder may keep things for hours
		for i, t := range toks {
			if out, _ := l.gone(t); out {
				set(i, swept)
			}
		}
	}
	if !l.gate.closed.Load() {
		return fates
	}
	var after []int
	before := false
	for i, t := range toks {
		switch {
		case fates != nil && fates[i] == swept:
		case l.entersBefore(t):
			before = true
		default:
			after = append(after, i)
		}
	}
	if before {
		for _, i := range after {
			set(i, stays)
		}
	}
	return fates
}

// anyBefore reports whether some of what is held lies before the cuts of a closed gate.
func (h *heldTokens) anyBefore(l *Ledger) bool {
	for _, t := range h.toks {
		if t != 0 && l.entersBefore(t) {
			return true
		}
	}
	return false
}

// split parts the elements of a holder that emits into those that go out, in the same slice, and
// those that stay.
func split[T any](em emission, vals []T) (out, left []T) {
	if em.fates == nil {
		return vals, nil
	}
	out = vals[:0]
	for i, v := range vals {
		switch em.fates[i] {
		case goesOut:
			out = append(out, v)
		case stays:
			left = append(left, v)
		}
	}
	clear(vals[len(out):])
	return out, left
}

// spansOf joins the tokens of what goes out to runs, and reports whether there are elements without
// one.
func spansOf(toks []Token, fates []heldFate) (spans []span, untracked bool) {
	for i, t := range toks {
		switch n := len(spans); {
		case fates != nil && fates[i] != goesOut:
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
