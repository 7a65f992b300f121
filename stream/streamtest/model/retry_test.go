package model

// Time, and how retries end: an element is tried again until shortly before the deadline of those
// who wait for it.

// inTicks is so many ticks from now. The clock goes on while somebody waits for it.
func (w *world) inTicks(ticks int) int {
	w.horizon = max(w.horizon, w.now+ticks)
	return w.now + ticks
}

// outage tells whether a call of a stage that is tried again fails: for some time all of them do
// that are for the same partition.
func (w *world) outage(stage int, e *elem) bool {
	k := outageOf(stage, e)
	if w.now < w.outages[k] {
		return true
	}
	if w.final {
		return w.rng.IntN(8) == 0
	}
	switch n := w.rng.IntN(24); {
	case n == 0:
		w.outages[k] = w.inTicks(5 + w.rng.IntN(60))
		w.run.outage = true
		return true
	case n < 4:
		return true
	}
	return false
}

func outageOf(stage int, e *elem) [2]int { return [2]int{stage, e.items[0].d.part} }

type verdict int

const (
	tryAgain verdict = iota
	keepWaiting
	outOfTime
)

// retry tells what to do in a pause that lasts until due. No pause is longer than half of the time
// that is left.
func (is *island) retry(t token, due *int) verdict {
	w := is.w
	if at := w.giveUpAt(t); at > 0 {
		if !w.rules.RetryUntilDeadline {
			return outOfTime
		}
		left := at - w.now
		if left/2 < 1 {
			return outOfTime
		}
		*due = min(*due, w.now+left/2)
	}
	if w.now < *due {
		return keepWaiting
	}
	return tryAgain
}

// giveUpAt is the earliest time of those who wait for an element, 0: nobody does. Elements without
// a token are never given up: nobody would deliver them again.
func (w *world) giveUpAt(t token) int {
	at := 0
	earlier := func(d int) {
		if d > 0 && (at == 0 || d < at) {
			at = d
		}
	}
	if t.index == 0 || w.untrackedBehind(t) {
		return 0
	}
	if w.run.draining {
		earlier(w.run.giveUpAt)
	}
	w.marksOf(t, func(m token) bool {
		if a := w.assignment(m.index); a != nil && a.revoking {
			earlier(a.giveUpAt)
		}
		return true
	})
	if !w.rules.KeptAreNotHurried {
		for _, a := range w.run.parts {
			if a != nil && !a.over && a.revoking {
				earlier(a.giveUpAt)
			}
		}
	}
	return at
}

func (w *world) untrackedBehind(t token) bool {
	return t.index < 0 && w.run.islands[0].carriesUntracked(t)
}

// gaveUp checks what a retry that gives up may: somebody waits for the element, and no longer than
// the outage lasts.
func (w *world) gaveUp(e *elem, t token, stage int) {
	w.saw(sawGiveUp)
	leaving := false
	w.marksOf(t, func(m token) bool {
		a := w.assignment(m.index)
		leaving = leaving || a == nil || a.revoking
		return true
	})
	if !leaving && !w.run.draining {
		w.violate("given up", "stage %d gave an element up whose partitions are kept", stage)
	}
	if at, over := w.giveUpAt(t), w.outages[outageOf(stage, e)]; w.now < over && over < at-3 {
		w.violate("given up", "stage %d gave an element up in tick %d; it would have succeeded from %d on, and there was time until %d", stage, w.now, over, at)
	}
}

// wait sets when retries give up: a quarter of the time is for the last commit.
func (w *world) waitUntil(ticks int) (deadline, giveUpAt int) {
	if ticks == 0 {
		return 0, 0
	}
	return w.inTicks(ticks), w.now + ticks - ticks/4
}

// advance moves the clock, while somebody waits for it.
func (w *world) advance() bool {
	if w.now >= w.horizon {
		return false
	}
	w.now++
	return true
}
