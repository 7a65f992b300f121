package core

import "time"

// How ends make their cuts: a drain, a revoke, a pause, a loss. What a cut is stands in cut.go.

// CutOff reports whether the element of a token lies after the cut: nobody waits for it here.
func (r *Run) CutOff(t Token) bool {
	if t == 0 || !r.Ledger.everCut.Load() {
		return false
	}
	gone, _ := r.Ledger.gone(t)
	return gone
}

// sweptFate is how an element ends that lies after the cut.
func (r *Run) sweptFate(t Token) fate {
	if gone, how := r.Ledger.gone(t); gone {
		return how
	}
	return returned
}

// sweepOut throws an element away that lies after the cut.
func (r *Run) sweepOut(t Token, how fate) {
	r.Ledger.thrown.Add(1)
	r.Ledger.end(span{t, 1}, how)
}

// sweepFor lets all islands look for elements that lie after a cut that was just made.
func (r *Run) sweepFor() {
	r.Ledger.everCut.Store(true)
	r.wantDropped()
	r.poke()
}

// FreezeFor makes the cut of assignments that are being revoked: what has begun is finished, and
// retried until shortly before the time is over; nothing else begins. Raise the hurry afterwards.
func (r *Run) FreezeFor(indexes []uint32, within time.Duration) {
	l := r.Ledger
	set := make([]*entry, 0, len(indexes))
	l.mu.Lock()
	deadline := int64(time.Since(r.start) + within - giveUpMargin(within))
	for _, index := range indexes {
		e := l.entry(index)
		if e == nil || e.revoking.Load() {
			continue
		}
		e.deadline.Store(max(1, deadline))
		l.leaving.Add(1)
		l.revokes.Add(1) // before: who finds it being revoked finds this too
		e.revoking.Store(true)
		l.revokes.Add(1) // and after: who has looked between the two looks again
		set = append(set, e)
	}
	l.mu.Unlock()
	r.Ledger.everCut.Store(true)
	r.CollectPending() // what is finished is not given back
	r.noteGivenBack(l.freeze(set))
	r.sweepFor()
}

// Freeze makes the cut of assignments of which nothing else is to begin, and that nobody waits for:
// what has begun is finished. It may be called within the functions of the run's stages.
func (r *Run) Freeze(indexes ...uint32) {
	set := make([]*entry, 0, len(indexes))
	for _, index := range indexes {
		if e := r.Ledger.entry(index); e != nil {
			set = append(set, e)
		}
	}
	if len(set) == 0 {
		return
	}
	r.Ledger.everCut.Store(true)
	r.CollectPending() // what is finished is not given back
	r.Ledger.freeze(set)
	r.sweepFor()
}

// freezeAll makes the cut of a drain.
func (r *Run) freezeAll() {
	l := r.Ledger
	var set []*entry
	l.mu.Lock()
	l.closed = true
	l.entries.each(func(e *entry) { set = append(set, e) })
	l.mu.Unlock()
	r.Ledger.everCut.Store(true)
	r.CollectPending() // what is finished is not given back
	n := l.freeze(set)
	if n > 0 {
		r.noteGivenBack(n)
		r.Cut()
	}
	if len(set) > 0 {
		r.sweepFor()
	}
}

// Lose ends assignments that are somebody else's already: all of their elements are thrown away. It
// returns how many outstanding positions each had.
func (r *Run) Lose(indexes []uint32) []int {
	r.Ledger.everCut.Store(true)
	lost := make([]int, len(indexes))
	for i, index := range indexes {
		if e := r.Ledger.entry(index); e != nil {
			lost[i] = r.Ledger.lose(e)
		}
	}
	r.sweepFor()
	return lost
}

// GiveUpFrom gives up what an assignment has from a position on, and what it has begun before is
// the last: its time is over.
func (r *Run) GiveUpFrom(index uint32, position uint64) {
	if e := r.Ledger.entry(index); e != nil {
		r.Ledger.cutMu.Lock()
		e.expired = max(e.expired, e.word.Load()>>stateBits)
		r.Ledger.cutMu.Unlock()
		r.Ledger.gap(e, position)
	}
}
