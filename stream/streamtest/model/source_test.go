package model

// The source side: assignments come and go, records are polled, counted, delivered.

func (w *world) assign(part int) {
	a := &assignment{part: part, base: w.committed[part], next: w.committed[part], bound: 2 + w.rng.IntN(6)}
	if w.measured != nil {
		a.bound += 15
	}
	w.generation++
	a.generation = w.generation
	if w.rules.FreshIndex {
		w.lastIndex++
		a.index = w.lastIndex
	} else {
		a.index = int32(part + 1)
	}
	w.assignments[a.index] = a
	w.run.parts[part] = a
	w.trace("assign p%d from %d as %d", part, a.base, a.index)
}

// deliveryAt finds what was polled as a position.
func (w *world) deliveryAt(a *assignment, pos int) *delivery {
	ds := w.deliveries[a.part][a.base+pos-1]
	for i := len(ds) - 1; i >= 0; i-- {
		if ds[i].mark.generation == a.generation {
			return ds[i]
		}
	}
	return nil
}

func (w *world) poll(a *assignment) bool {
	if a == nil || a.over || a.revoking || a.frozen || a.gapped || a.next >= w.records || a.out >= a.bound || w.charged >= w.budget {
		return false
	}
	for n := 1 + w.rng.IntN(3); n > 0 && a.next < w.records; n-- {
		a.marks = append(a.marks, mark{charged: true, counted: w.rules.CountedFromPoll})
		w.charged++
		d := &delivery{part: a.part, rec: a.next, era: w.eras[a.part][a.next]}
		d.mark = token{index: a.index, pos: int32(len(a.marks)), generation: a.generation}
		w.deliveries[a.part][a.next] = append(w.deliveries[a.part][a.next], d)
		a.queue = append(a.queue, d)
		a.elems = append(a.elems, born(d))
		a.next++
		if w.rules.CountedFromPoll {
			a.out++
		}
	}
	return true
}

func (w *world) deliver(a *assignment) bool {
	in := w.run.islands[0].in
	if a == nil || a.over || len(a.queue) == 0 || in.cancelled || in.producers == 0 || len(in.elems) >= in.capacity {
		return false
	}
	mark := a.queue[0].mark
	in.push(a.elems[0], mark)
	a.queue, a.elems = a.queue[1:], a.elems[1:]
	if !w.rules.CountedFromPoll {
		a.marks[mark.pos-1].counted = true
		a.out++
	}
	return true
}

// reclaim takes back what was polled and has passed no operator.
func (w *world) reclaim(a *assignment) {
	for i, d := range a.queue {
		a.elems[i].end(false)
		m := &a.marks[d.mark.pos-1]
		if m.counted && !m.back {
			a.out--
		}
		m.abandoned, m.settled, m.back = true, true, true
		w.uncharge(m)
	}
	a.queue, a.elems = nil, nil
}

// heldBack tells whether the source has more to give and its tracker is full.
func (a *assignment) heldBack(w *world) bool {
	return !a.over && !a.revoking && !a.frozen && !a.gapped && a.next < w.records && (a.out >= a.bound || w.charged >= w.budget)
}

// hurry is a level: on while there is a reason, for every island.
func (w *world) hurry() bool {
	r := w.run
	if r.draining || w.rules.GateHurries && w.gateWaits() {
		return true
	}
	for _, a := range r.parts {
		if a != nil && !a.over && (a.revoking || w.rules.HurryWhenHeldBack && a.heldBack(w) || w.rules.HurryForRewind && a.gap > 0) {
			return true
		}
	}
	return false
}

// readPending is the look that the commit loop and a revoke take at what the islands have not given
// to the trackers yet.
func (w *world) readPending() (moved bool) {
	if !w.rules.PendingRunVisible {
		return false
	}
	for _, is := range w.run.islands {
		moved = is.pending.flush(w) || moved
	}
	return w.readAcknowledged() || moved
}

// readAcknowledged flushes what ended outside the islands.
func (w *world) readAcknowledged() (moved bool) {
	for _, s := range w.sinks {
		moved = s.held.flush(w) || moved
	}
	return w.loose.flush(w) || moved
}

// tick is one round of the commit loop.
func (w *world) tick() {
	w.readPending()
	for _, a := range w.run.parts {
		if a == nil || a.over || w.txn {
			continue
		}
		w.commit(a.part, a.base+a.frontier)
		w.checkVisible(a)
	}
}

// finishAssignment commits for the last time, or not, and ends it.
func (w *world) finishAssignment(a *assignment, mayCommit bool) {
	if mayCommit && !w.txn {
		w.commit(a.part, a.base+a.frontier)
	}
	w.reclaim(a)
	for i := range a.marks {
		w.uncharge(&a.marks[i])
	}
	a.over = true
	w.run.parts[a.part] = nil
}

// checkClean: a revoke that says it has waited for everything leaves nothing behind that still
// lives.
func (w *world) checkClean(a *assignment) {
	for pos := range a.marks {
		if a.afterCut(pos + 1) {
			return
		}
		if d := w.deliveryAt(a, pos+1); !a.marks[pos].abandoned && !d.done() {
			w.violate("not done", "a revoke of partition %d ended while record %d was still on its way", a.part, d.rec)
		}
	}
}
