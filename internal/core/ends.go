package core

import (
	"slices"
	"time"
)

// Deadlines of ends: until when what has begun is tried again.
//
// Who waits for a run's last elements, a drain or a revoke, waits until a deadline. Retries go on
// until shortly before it, so that what is finished can still be committed. Then the element is
// given up, and what lies before it goes on.

// giveUpMargin is what is kept of a wait for the last commit.
func giveUpMargin(wait time.Duration) time.Duration { return min(5*time.Second, wait/4) }

// shortestPause is the pause between attempts below which an element is given up instead.
const shortestPause = 10 * time.Millisecond

// When somebody waits, a pause takes no more than this part of what is left of the time, and no
// more than a second: what failed for a moment holds nobody up for long, whatever back-off it has.
const (
	pausesInAnEnd       = 8
	longestPauseInAnEnd = time.Second
)

// Wait says how long to wait between two attempts at an element.
type Wait uint8

const (
	// TryAgain: the pause is over.
	TryAgain Wait = iota
	// KeepWaiting: until the time that was told.
	KeepWaiting
	// OutOfTime: whoever waits for the element does not wait long enough; it is given up.
	OutOfTime
	// CutAway: the element lies after the cut, and is thrown away.
	CutAway
)

// Retry tells what to do now in the pause that began with a failure and lasts until due: how to go
// on, and until when to wait, which is due from now on. It is asked again whenever the run's epoch
// has moved on, or the hurry was raised.
func (r *Run) Retry(t Token, due time.Time) (Wait, time.Time) {
	now := time.Now()
	if r.CutOff(t) {
		return CutAway, now
	}
	if !now.Before(due) {
		return TryAgain, due
	}
	if at, ok := r.giveUpAt(t); ok {
		part := at.Sub(now) / pausesInAnEnd
		if part < shortestPause {
			if t != 0 {
				return OutOfTime, now
			}
		} else if soon := now.Add(min(part, longestPauseInAnEnd)); soon.Before(due) {
			due = soon
		}
	}
	return KeepWaiting, due
}

// giveUpAt tells when retries of an element end: the earliest deadline of those who wait for it.
func (r *Run) giveUpAt(t Token) (at time.Time, ok bool) {
	earliest := r.drainUntil.Load()
	if t != 0 && r.Ledger.leaving.Load() > 0 {
		r.Ledger.positions(t, func(e *entry, _, _ uint64) bool {
			if e != nil {
				if d := e.deadline.Load(); d != 0 && (earliest == 0 || d < earliest) {
					earliest = d
				}
			}
			return false
		})
	}
	if earliest == 0 {
		return time.Time{}, false
	}
	return r.start.Add(time.Duration(earliest)), true
}

// CutOff reports whether the element behind a token lies after the cut: nobody waits for it here.
func (r *Run) CutOff(t Token) bool {
	if t == 0 || !r.everCut.Load() {
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
	r.dropped.Add(1)
	r.Ledger.end(span{t, 1}, how)
}

// sweepFor lets all islands look for elements that lie after a cut that was just made.
func (r *Run) sweepFor() {
	r.sweepMu.Lock()
	r.everCut.Store(true)
	r.drops.Add(1)
	r.attention.Or(attendDrop)
	r.sweepMu.Unlock()
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
	r.everCut.Store(true)
	r.CollectPending() // what is finished is not given back
	r.givenBack.Add(int64(l.freeze(set)))
	r.sweepFor()
}

// Hold makes the cut of assignments of which nothing else is to begin, and that nobody waits for:
// what has begun is finished. It may be called within the functions of the run's stages.
func (r *Run) Hold(indexes ...uint32) {
	set := make([]*entry, 0, len(indexes))
	for _, index := range indexes {
		if e := r.Ledger.entry(index); e != nil {
			set = append(set, e)
		}
	}
	if len(set) == 0 {
		return
	}
	r.everCut.Store(true)
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
	r.everCut.Store(true)
	r.CollectPending() // what is finished is not given back
	n := l.freeze(set)
	if n > 0 {
		r.givenBack.Add(int64(n))
		r.Cut()
	}
	if len(set) > 0 {
		r.sweepFor()
	}
}

// Lose ends assignments that are somebody else's already: all of their elements are thrown away. It
// returns how many outstanding positions each had.
func (r *Run) Lose(indexes []uint32) []int {
	r.everCut.Store(true)
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

// GivenBack counts the positions that were delivered to the stream and given back by a drain or a
// revoke, because no stage with effects had begun them.
func (r *Run) GivenBack() (n int64) {
	r.mu.Lock()
	n = r.givenBack.Load() // in one step with the children: one that leaves adds its own
	children := r.snapshotChildren()
	r.mu.Unlock()
	for _, c := range children {
		n += c.GivenBack()
	}
	return n
}

func (r *Run) allIslands() []*Island {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clip(r.islands)
}
