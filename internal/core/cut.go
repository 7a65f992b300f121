package core

import "runtime"

// The cut: how ends finish what has begun and begin nothing else.
//
// Goal: a drain, a revoke and a rewind end with every effect made exactly once. An element begins
// when a stage with effects claims it: a function with a context is called, a record is produced, a
// receiver takes it over. When an assignment ends, there is one position, its cut: everything
// before it is finished, through all later stages and with all retries; nothing at or after it
// begins, and it is thrown away wherever it lies, to be delivered again by whoever has the
// partition next.
//
// One atomic word for each assignment holds how many positions have begun (the highest begun
// position plus one) and a state. A claim raises the count, or is refused where the word is frozen
// and the position is not below the count, in one step. So no stage can begin what another has
// found to be given back.
//
// Invariants:
//  1. A freeze takes all its assignments in one step, under cutMu. Between busy and frozen no claim
//     is decided: who finds a busy word waits for cutMu. So the cut is the highest begun position,
//     and all stages agree about it.
//  2. A merge (a batch that was emitted) carries positions of several assignments, which begin
//     together: it claims all of them under cutMu. A freeze looks at all merges that are on their
//     way: where one has a member that must run, because it lies before its cut or its assignment
//     is kept, the cuts of the other members' assignments are raised to cover it, until nothing
//     changes. After that, a merge lies before all its cuts or after all of them. So no cut is
//     raised after its freeze, and nothing that was thrown away is ever needed. Merges are made
//     under cutMu, of elements that lie before their cuts (heldTokens.emit). One with elements
//     that have no token has begun when it is made, and runs whatever happens to the others: nobody
//     would deliver those again.
//  3. What is given up makes a gap, in an assignment that stays too: nothing at or after it
//     finishes, so nothing overtakes it. Positions before it still begin and finish, so that
//     nothing of them is delivered again, until the assignment is frozen. A merge with a member at
//     or after a gap is void: it is given up when it is found, and so are its other members.
//  4. The tracker knows its cut before anybody can be refused: a position that is given back is not
//     outstanding any more.
//  5. Elements are handed to user code between two loads of freezing (beginHandOver): whether a
//     channel has taken an element is known before the cut is made.
//
// Rejected: each stage deciding for itself what has not begun (two stages disagree about one
// element, and one of a record's parts is done twice); raising a cut when a merge is claimed (what
// lies between was thrown away already); dropping merges of kept and revoked partitions (order
// breaks).

// The states of an entry's word; the count is in the bits above.
const (
	open   = 0
	busy   = 1
	frozen = 2
	gapped = 3 // open up to the gap

	stateMask = 3
	stateBits = 2
)

const noGap = ^uint64(0)

// Claim begins the element of a token, for a stage with effects; false: it lies after the cut,
// and is to be given back. An element without a token begins always.
func (l *Ledger) Claim(t Token) bool {
	if t == 0 {
		return true
	}
	if !t.composite() {
		e := l.entry(t.Index())
		return e != nil && e.claim(l, t.Position())
	}
	return l.claimComposite(t)
}

func (l *Ledger) claimComposite(t Token) bool {
	c := l.composites.at(t)
	if !c.merged {
		return l.Claim(c.one[0].first)
	}
	l.cutMu.Lock()
	defer l.cutMu.Unlock()
	if gone, _ := l.gone(t); gone {
		return false
	}
	l.beginAll(t)
	return true
}

// claim begins a position.
func (e *entry) claim(l *Ledger, position uint64) bool {
	for {
		w := e.word.Load()
		switch {
		case w>>stateBits > position:
			return true
		case w&stateMask == frozen:
			return false
		case w&stateMask == busy:
			l.cutMu.Lock() // until the freeze is over
			l.cutMu.Unlock()
		case w&stateMask == gapped && position >= e.gap.Load():
			return false
		case e.word.CompareAndSwap(w, (position+1)<<stateBits|w&stateMask):
			return true
		}
	}
}

// beginAll raises the counts of all positions of a token, where they are not frozen. The caller
// holds cutMu.
func (l *Ledger) beginAll(t Token) {
	l.positions(t, func(e *entry, _, last uint64) bool {
		if e != nil {
			e.claim(l, last)
		}
		return false
	})
}

// positions calls f with each run of positions of a token, until it reports true, and reports
// that. An assignment that has ended has no entry.
func (l *Ledger) positions(t Token, f func(e *entry, first, last uint64) bool) bool {
	if !t.composite() {
		return f(l.entry(t.Index()), t.Position(), t.Position())
	}
	for _, s := range l.composites.members(t) {
		if s.first.composite() {
			if l.positions(s.first, f) {
				return true
			}
			continue
		}
		if first := s.first.Position(); f(l.entry(s.first.Index()), first, first+uint64(s.n)-1) {
			return true
		}
	}
	return false
}

// gone reports whether the element of a token is to be thrown away, and how it ends then.
func (l *Ledger) gone(t Token) (gone bool, how fate) {
	switch {
	case t == 0:
		return false, fine
	case !t.composite():
		return l.entry(t.Index()).after(t.Position()), returned
	}
	c := l.composites.at(t)
	switch {
	case c.merged && c.void.Load():
		return true, abandoned
	case c.untracked:
		return false, fine
	}
	gone = true
	for _, s := range c.members {
		var out bool
		inner := returned
		if s.first.composite() {
			out, inner = l.gone(s.first)
		} else {
			out = l.entry(s.first.Index()).after(s.first.Position())
		}
		if out && inner == abandoned {
			return true, abandoned
		}
		gone = gone && out
	}
	return gone, returned
}

// after reports whether a position lies at or after the cut.
func (e *entry) after(position uint64) bool {
	if e == nil {
		return true
	}
	w := e.word.Load()
	return w&stateMask == frozen && position >= w>>stateBits || position >= e.gap.Load()
}

// begins reports whether the word of an entry lets more begin, up to its gap.
func begins(word uint64) bool { return word&stateMask == open || word&stateMask == gapped }

// wanted is how many positions have begun before the gap, or had when the assignment's time was
// over: what an end was to finish.
func (e *entry) wanted(l *Ledger) uint64 {
	l.cutMu.Lock()
	defer l.cutMu.Unlock()
	return max(e.expired, e.word.Load()>>stateBits)
}

// freeze makes the cut of assignments, and returns how many positions were given back.
func (l *Ledger) freeze(set []*entry) (givenBack int) {
	l.barHandOvers()
	defer l.freezing.Add(-1)
	l.cutMu.Lock()
	defer l.cutMu.Unlock()
	frozenNow := set[:0]
	for _, e := range set {
		if e.setState(busy) {
			frozenNow = append(frozenNow, e)
		}
	}
	if len(frozenNow) == 0 {
		return 0
	}
	l.coverMerges()
	for _, e := range frozenNow {
		count := e.word.Load() >> stateBits
		givenBack += e.assignment.Cut(count, max(e.begun, count), false)
		e.word.Store(count<<stateBits | frozen)
	}
	return givenBack
}

// setState takes an entry that is not frozen to a state, whatever its count; false: it is.
func (e *entry) setState(state uint64) bool {
	for {
		w := e.word.Load()
		if !begins(w) {
			return false
		}
		if e.word.CompareAndSwap(w, w&^stateMask|state) {
			return true
		}
	}
}

// coverMerges raises the counts of busy entries so that each merge on its way lies before all its
// cuts or after all of them (invariant 2). The caller holds cutMu.
func (l *Ledger) coverMerges() {
	var mixed []Token
	l.composites.eachMerge(func(t Token, void bool) {
		if void {
			return
		}
		after := l.positions(t, func(e *entry, _, last uint64) bool {
			return e != nil && e.word.Load()&stateMask == busy && last >= e.word.Load()>>stateBits
		})
		if after {
			mixed = append(mixed, t)
		}
	})
	for changed := true; changed; {
		changed = false
		for _, t := range mixed {
			if !l.mustRun(t) {
				continue
			}
			l.positions(t, func(e *entry, _, last uint64) bool {
				if e == nil {
					return false
				}
				if w := e.word.Load(); w&stateMask == busy && last >= w>>stateBits {
					e.word.Store((last+1)<<stateBits | busy)
					changed = true
				}
				return false
			})
		}
	}
}

// mustRun reports whether a position of a merge lies before its cut, or belongs to an
// assignment that is kept. The caller holds cutMu.
func (l *Ledger) mustRun(t Token) bool {
	return l.positions(t, func(e *entry, first, _ uint64) bool {
		if e == nil {
			return false
		}
		w := e.word.Load()
		return begins(w) || first < w>>stateBits
	})
}

// gapAt makes a gap of every position of a composite, as soon as one of its parts is given up:
// the others are not waited for, or what follows would overtake it meanwhile.
func (l *Ledger) gapAt(t Token) {
	if l.run != nil && l.run.Stopped() {
		return
	}
	type place struct {
		e        *entry
		position uint64
	}
	var places []place
	l.positions(t, func(e *entry, first, _ uint64) bool {
		if e != nil && !e.after(first) {
			places = append(places, place{e, first})
		}
		return false
	})
	for _, p := range places {
		l.gap(p.e, p.position)
	}
}

// gap notes that a position was given up: nothing at or after it finishes any more. It reports
// whether that is what the position is: it may have been given back before, or lie after a gap.
func (l *Ledger) gap(e *entry, position uint64) bool {
	if l.run != nil && l.run.Stopped() {
		return true // everything is void
	}
	l.everCut.Store(true)
	l.cutMu.Lock()
	lowered := !e.after(position) && l.lower(e, position)
	isGap := e.gap.Load() == position
	l.cutMu.Unlock()
	if lowered && l.run != nil {
		l.run.sweepFor()
	}
	return isGap
}

// lower makes a gap of an assignment, or lowers it. The caller holds cutMu.
func (l *Ledger) lower(e *entry, position uint64) bool {
	if e.gap.Load() <= position {
		return false
	}
	state := uint64(gapped)
	if !e.setState(busy) {
		state = frozen
	}
	count := e.word.Load() >> stateBits
	e.begun = max(e.begun, count)
	cut := position
	if state == frozen {
		cut = min(cut, count)
	}
	e.gap.Store(position)
	e.assignment.Cut(cut, e.begun, true)
	e.word.Store(min(count, position)<<stateBits | state)
	l.composites.eachMerge(func(t Token, void bool) {
		if c := l.composites.at(t); !void && !c.untracked && l.positions(t, func(other *entry, _, last uint64) bool { return other == e && last >= position }) {
			c.void.Store(true)
		}
	})
	return true
}

// lose freezes an assignment that is somebody else's: nothing of it begins or needs to be finished.
// Merges with kept ones go on.
func (l *Ledger) lose(e *entry) int {
	l.cutMu.Lock()
	defer l.cutMu.Unlock()
	e.setState(busy)
	begun := max(e.begun, e.word.Load()>>stateBits)
	n := e.assignment.Cut(0, begun, false)
	e.word.Store(frozen)
	return n
}

// barHandOvers lets no hand-over to user code begin, and waits for those that are under way
// (invariant 5). Whoever calls it takes freezing down.
func (l *Ledger) barHandOvers() {
	l.freezing.Add(1)
	if l.run == nil {
		return
	}
	for _, isl := range l.run.allIslands() {
		for isl.handing.Load() != 0 {
			isl.Wake()
			runtime.Gosched()
		}
	}
}
