package model

// queue is a bounded boundary: what flows into an island.
type queue struct {
	elems     []*elem
	tokens    []token
	capacity  int
	producers int  // closed when none is left
	cancelled bool // the island takes no more: a push is refused
}

func (q *queue) push(e *elem, t token) {
	q.elems, q.tokens = append(q.elems, e), append(q.tokens, t)
}

func (q *queue) pop() (*elem, token) {
	e, t := q.elems[0], q.tokens[0]
	q.elems, q.tokens = q.elems[1:], q.tokens[1:]
	return e, t
}

// holding is what a stage of an island keeps between elements.
type holding struct {
	elems    []*elem
	tokens   []token
	until    int  // batch: its time
	count    int  // take
	complete bool // take
}

// island interprets its fused stages as a stack of activations, one small step at a time.
type island struct {
	w       *world
	id      int
	spec    *islandSpec
	in      *queue
	stack   []activation
	ret     result // of the activation that was popped last
	frame   frame
	pending pendingRun
	keeps   []holding
	slots   []slot
	aside   queue // set aside behind a retry
	sink    *sink // of the last stage, if it is one

	cancelAt int // the stage that takes no more, -1: none; holders before it are dropped
	over     bool

	late []token // hand-overs that were not recorded before the send (only with the rule left out)
}

// step moves the island a little and tells whether anything moved.
func (is *island) step() bool {
	if is.over {
		return false
	}
	if is.spec.workers == noWorkers {
		return is.chain()
	}
	if is.w.rng.IntN(3) == 0 && is.work() {
		return true
	}
	return is.chain() || !is.over && is.work()
}

func (is *island) chain() bool {
	if len(is.late) > 0 {
		for _, t := range is.late {
			is.w.handOver(t, 1)
		}
		is.late = nil
		return true
	}
	if len(is.stack) > 0 {
		return is.exec()
	}
	is.frame = frame{}
	if is.cancelAt < 0 && is.outletsCancelled() {
		is.cancelAt = len(is.spec.stages) - 1
	}
	if is.cancelAt >= 0 && is.discard() {
		return true
	}
	if st, moved := is.due(); st >= 0 {
		is.flush(st)
		return true
	} else if moved {
		return true
	}
	return is.take()
}

// due finds the first holder that has to emit between two elements, upstream first. moved: a timer
// ran, not yet out.
func (is *island) due() (st int, moved bool) {
	w := is.w
	ended := is.inputEnded()
	hurry := w.rules.HurryFlush && w.hurry() && (len(is.in.elems) == 0 || w.rng.IntN(8) == 0)
	for i := range is.keeps {
		if is.filterHeld(i) {
			return -1, true
		}
		if len(is.keeps[i].elems) == 0 {
			continue
		}
		if is.spec.stages[i].kind == kKafka {
			if is.passAside(i) {
				return -1, true
			}
			continue
		}
		if ended || hurry && (is.w.hurriesAll() || is.belongs(&is.keeps[i])) {
			return i, true
		}
		if is.spec.stages[i].timed && w.now >= is.keeps[i].until {
			return i, true
		}
	}
	return -1, moved
}

func (is *island) inputEnded() bool {
	return (is.in.cancelled || is.in.producers == 0) && len(is.in.elems) == 0 && len(is.slots) == 0 && len(is.aside.elems) == 0
}

// take gives the next element to the stages, or ends the island.
func (is *island) take() bool {
	w := is.w
	if is.spec.workers != noWorkers {
		if i := is.nextResult(); i >= 0 {
			e, t := is.slots[i].e, is.slots[i].t
			is.slots = append(is.slots[:i], is.slots[i+1:]...)
			if !is.dropGone(e, t) {
				is.begin(e, t)
			}
			return true
		}
	}
	if q := is.next(); is.spec.workers == noWorkers && len(q.elems) > 0 {
		if e, t := q.pop(); !is.dropGone(e, t) {
			is.begin(e, t)
		}
		return true
	}
	if is.inputEnded() {
		if last := len(is.keeps) - 1; len(is.keeps[last].elems) > 0 {
			return false // at the gate
		}
		is.over = true
		is.pending.flush(w)
		for _, s := range is.spec.stages {
			for _, to := range s.to {
				w.run.islands[to].in.producers--
			}
		}
		return true
	}
	if len(is.in.elems) == 0 && is.pending.index != 0 { // idle: nobody else will break the run
		is.pending.flush(w)
		return true
	}
	return false
}

// begin opens the frame of one element.
func (is *island) begin(e *elem, t token) {
	is.frame = frame{cur: t}
	is.call(0, e)
}

// dropGone drops an element that lies after a cut or whose assignment ended: the look that every
// boundary, holder and worker takes.
func (is *island) dropGone(e *elem, t token) bool {
	if gone, _ := is.w.gone(t); !gone {
		return false
	}
	is.drop(e, t)
	return true
}

// drop ends an element as what it is: given back, or given up with the merge that it is part of.
func (is *island) drop(e *elem, t token) {
	e.end(false)
	if gone, how := is.w.gone(t); gone && how == revoked {
		is.w.abandon(t, revoked)
	} else {
		is.w.giveBack(t, &is.pending)
	}
}

// outletsCancelled tells whether nobody takes anything from this island any more.
func (is *island) outletsCancelled() bool {
	last := is.spec.stages[len(is.spec.stages)-1]
	for _, to := range last.to {
		if !is.w.run.islands[to].in.cancelled {
			return false
		}
	}
	return len(last.to) > 0
}

// discard refuses what waits before a stage that takes no more.
func (is *island) discard() bool {
	moved := !is.in.cancelled
	is.in.cancelled = true
	drop := func(e *elem, t token) {
		moved = true
		is.w.refused(e, t)
		is.w.refuseToken(t, &is.pending)
	}
	for i, e := range is.in.elems {
		drop(e, is.in.tokens[i])
	}
	for i, e := range is.aside.elems {
		drop(e, is.aside.tokens[i])
	}
	for _, s := range is.slots {
		drop(s.e, s.t)
	}
	for st := range is.cancelAt {
		for i, e := range is.keeps[st].elems {
			drop(e, is.keeps[st].tokens[i])
		}
		is.keeps[st].elems, is.keeps[st].tokens = nil, nil
	}
	is.in.elems, is.in.tokens, is.slots, is.aside = nil, nil, nil, queue{}
	return moved
}
