package model

// Worker stages: what stands before the fused stages of an island and calls several at a time. A
// worker claims when it begins the call. A pause between attempts holds no worker.

type workers int

const (
	noWorkers workers = iota
	unordered         // results as they come
	inOrder           // results in the order of the input
	byKey             // calls of a key one after the other, results as they come
)

func (k workers) String() string { return [...]string{"", "unordered", "in order", "by key"}[k] }

type slotState int

const (
	slotWaits slotState = iota
	slotRuns
	slotPauses
	slotFinished
)

// slot is an element that a worker stage has taken in, or a sink has sent.
type slot struct {
	e     *elem
	t     token
	state slotState
	until int // the call returns, the pause ends, the acknowledgement may come
}

// work moves the workers a little: takes in, begins a call, ends one, or throws away what lies
// after the cut.
func (is *island) work() bool {
	if is.w.rng.IntN(2) == 0 {
		return is.takeIn() || is.attend()
	}
	return is.attend() || is.takeIn()
}

func (is *island) takeIn() bool {
	if len(is.in.elems) == 0 || len(is.slots) >= is.w.intake(is.spec) {
		return false
	}
	e, t := is.in.pop()
	if !is.dropGone(e, t) {
		is.slots = append(is.slots, slot{e: e, t: t})
	}
	return true
}

// intake is how many elements a worker stage takes in, in work and waiting: where others have begun
// them, few.
func (w *world) intake(s *islandSpec) int {
	if s.late && w.rules.AheadIsBounded {
		return 2*s.calls - 1
	}
	return 6 * s.calls
}

func (is *island) attend() bool {
	w := is.w
	off := 0
	if is.spec.workers == unordered && len(is.slots) > 0 {
		off = w.rng.IntN(len(is.slots))
	}
	running := 0
	for _, s := range is.slots {
		if s.state == slotRuns {
			running++
		}
	}
	for j := range is.slots {
		i := (j + off) % len(is.slots)
		s := &is.slots[i]
		gone, _ := w.gone(s.t)
		switch s.state {
		case slotWaits:
			if gone {
				is.removeSlot(i)
				return true
			}
			if running == is.spec.calls || is.keyBusy(i) || w.rules.ResultsAreBounded && is.ready() >= is.spec.calls {
				continue
			}
			if !w.claim(s.t) {
				is.removeSlot(i)
				return true
			}
			is.checkKey(i)
			is.begins(is.id*100+99, s.e, s.t)
			s.state, s.until = slotRuns, w.inTicks(w.stall())
			return true
		case slotRuns:
			if w.now < s.until {
				continue
			}
			if is.spec.retries && w.outage(is.id*100+99, s.e) {
				s.state, s.until = slotPauses, w.inTicks(1+w.rng.IntN(8))
				return true
			}
			is.effect(99, s.e, false, is.spec.workers == byKey && is.spec.order)
			s.state = slotFinished
			return true
		case slotPauses:
			if gone {
				is.removeSlot(i)
				return true
			}
			switch is.retry(s.t, &s.until) {
			case tryAgain:
				if running < is.spec.calls {
					s.state, s.until = slotRuns, w.inTicks(w.stall())
					return true
				}
			case outOfTime:
				w.gaveUp(s.e, s.t, is.id*100+99)
				e, t := s.e, s.t
				is.slots = append(is.slots[:i], is.slots[i+1:]...)
				e.end(false)
				w.abandon(t, revoked)
				return true
			}
		}
	}
	return false
}

// removeSlot throws an element away that lies after the cut.
func (is *island) removeSlot(i int) {
	e, t := is.slots[i].e, is.slots[i].t
	is.slots = append(is.slots[:i], is.slots[i+1:]...)
	is.drop(e, t)
}

// ready is how many results wait for nothing but room: what is begun beside them runs ahead of the
// stages that follow.
func (is *island) ready() (n int) {
	for _, s := range is.slots {
		if s.state == slotFinished {
			n++
		} else if is.spec.workers == inOrder {
			break
		}
	}
	return n
}

func keyOf(e *elem) [2]int { return [2]int{e.items[0].d.part, e.items[0].d.rec % 2} }

// keyBusy tells whether another of the key is before this one: until its call has returned,
// whatever became of the element.
func (is *island) keyBusy(i int) bool {
	if is.spec.workers != byKey {
		return false
	}
	for j, s := range is.slots {
		if j == i || s.state == slotFinished || keyOf(s.e) != keyOf(is.slots[i].e) {
			continue
		}
		if gone, _ := is.w.gone(s.t); gone && !is.w.rules.KeyBusyUntilReturn {
			continue
		}
		if j < i || s.state == slotRuns {
			return true
		}
	}
	return false
}

func (is *island) checkKey(i int) {
	if is.spec.workers != byKey {
		return
	}
	for j, s := range is.slots {
		if j != i && s.state == slotRuns && keyOf(s.e) == keyOf(is.slots[i].e) {
			is.w.violate("order", "stage %d calls for two elements of a key at once", is.id)
		}
	}
}

// nextResult finds the result that is pushed next, -1: none. In an ordered stage that is the first,
// or, while there is a revoke, one that is leaving as a whole and has nothing of its own partitions
// before it.
func (is *island) nextResult() int {
	w := is.w
	blocked := map[int32]bool{}
	var can []int
	for i, s := range is.slots {
		if s.state == slotFinished {
			switch is.spec.workers {
			case unordered:
				can = append(can, i)
			case byKey:
				if !is.keyBefore(i) {
					can = append(can, i)
				}
			default:
				if i == 0 {
					return 0
				}
				if w.rules.LeavingPassKept && w.leaving() && !w.run.draining && is.goesAhead(s.t, blocked) {
					w.saw(sawPassed)
					return i
				}
			}
		}
		is.block(s.t, blocked)
	}
	if len(can) == 0 {
		return -1
	}
	return can[w.rng.IntN(len(can))]
}

func (is *island) keyBefore(i int) bool {
	for _, s := range is.slots[:i] {
		if keyOf(s.e) == keyOf(is.slots[i].e) {
			return true
		}
	}
	return false
}
