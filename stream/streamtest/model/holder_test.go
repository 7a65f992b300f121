package model

// doBatch keeps an element, or emits. The emission has a frame of its own: its outputs carry the
// merged token, and the outer frame, of the element that made the batch full, goes on as if nothing
// had happened. A refused emission does not refuse that element, which was taken: its token shares
// the emission's fate.
func (is *island) doBatch(a *activation, s *stage) progress {
	w := is.w
	k := &is.keeps[a.st]
	if a.pc == 0 {
		if is.cancelAt > a.st {
			return is.refuse(a.e)
		}
		if len(k.elems) == 0 && s.timed {
			k.until = w.inTicks(1 + w.rng.IntN(10))
		}
		k.elems, k.tokens = append(k.elems, a.e), append(k.tokens, is.part())
		if len(k.elems) < s.n {
			return is.back(taken)
		}
		if is.frame.split.index != 0 {
			w.saw(sawFlushInside)
		}
		a.pc = 1
	}
	if a.pc == 1 {
		if !w.rules.EmitFilters && !a.pausing {
			is.filterHeld(a.st) // and makes its token a moment later
			a.pausing = true
			return pause
		}
		a.pausing = false
		e, t, ok := is.emission(k)
		if !ok {
			return is.back(taken)
		}
		a.saved, a.pc = is.frame, 2
		is.frame = frame{cur: t, begin: a.st + 1}
		is.call(a.st+1, e)
		return on
	}
	if is.ret == fault && w.rules.FaultAbandons {
		is.frame.fate = faulted
	}
	is.look()
	if w.rules.EmissionFrame {
		is.frame = a.saved
	}
	if is.ret == fault {
		return is.back(fault)
	}
	return is.back(taken)
}

// emission takes what a holder keeps, without what lies after a cut or went away. Filtering and
// making the token is one step: so a merge lies before all its cuts when it is made.
func (is *island) emission(k *holding) (*elem, token, bool) {
	var from origin
	var items []item
	var tokens []token
	untracked := false
	var kept holding
	split := is.w.rules.HoldersHeedTheGate && is.w.gateWaits() && is.belongs(k)
	for i, e := range k.elems {
		if is.w.rules.EmitFilters && is.dropGone(e, k.tokens[i]) {
			continue
		}
		if split && !is.w.before(k.tokens[i]) {
			kept.elems, kept.tokens = append(kept.elems, e), append(kept.tokens, k.tokens[i])
			continue
		}
		from.prov, from.shares, items = append(from.prov, e.prov...), append(from.shares, e.shares...), append(items, e.items...)
		if k.tokens[i].index == 0 {
			untracked = true
			continue
		}
		untracked = untracked || is.carriesUntracked(k.tokens[i])
		tokens = append(tokens, k.tokens[i])
	}
	if len(kept.elems) > 0 {
		is.w.saw(sawHolderSplit)
	}
	k.elems, k.tokens = kept.elems, kept.tokens
	for _, d := range from.prov {
		d.untracked = d.untracked || untracked
	}
	if len(items) == 0 {
		return nil, token{}, false
	}
	if !is.w.rules.JoinTokens && len(tokens) > 0 {
		tokens = tokens[len(tokens)-1:]
	}
	return &elem{origin: from, items: items, batch: true}, is.w.merge(tokens, untracked), true
}

// filterHeld throws away what a holder keeps and lies after a cut.
func (is *island) filterHeld(st int) (moved bool) {
	k := &is.keeps[st]
	for i := 0; i < len(k.elems); i++ {
		if gone, _ := is.w.gone(k.tokens[i]); !gone {
			continue
		}
		e, t := k.elems[i], k.tokens[i]
		k.elems = append(k.elems[:i:i], k.elems[i+1:]...)
		k.tokens = append(k.tokens[:i:i], k.tokens[i+1:]...)
		is.drop(e, t)
		i--
		moved = true
	}
	return moved
}

// flush emits between two elements.
func (is *island) flush(st int) {
	is.frame = frame{}
	is.stack = append(is.stack, activation{st: st, pc: 1})
}

// flushWhileBlocked is what must not be: a timer that fires while a push waits. It overtakes the
// push, and the frame of the element that is being pushed is no longer there when the push returns.
func (is *island) flushWhileBlocked() bool {
	if is.w.rules.NoFlushInBlockedPush || len(is.stack) > 20 {
		return false
	}
	for st := range is.keeps {
		if len(is.keeps[st].elems) > 0 && (is.spec.stages[st].timed || is.w.hurry()) {
			is.flush(st)
			return true
		}
	}
	return false
}
