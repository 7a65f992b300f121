package model

// What stages with effects have done, kept beside the tokens like the rest of the truth: an effect
// on a record happens once over all owners of its partition, unless something was given up; in
// ordered graphs nothing overtakes; and nothing begins after the cut.

// effectKey is one effect: a stage's on one output of a record, in a delivery of an era. Where
// something is given up a new era begins for the records that may be delivered again, and only for
// those.
type effectKey struct{ stage, part, rec, sub, era int }

// taint begins a new era for the records of an assignment from a position on: an effect on them may
// happen again.
func (w *world) taint(a *assignment, pos int) {
	if w.quiet > 0 {
		return
	}
	for rec := a.base + pos - 1; rec < w.records; rec++ {
		w.eras[a.part][rec]++
	}
}

// taintAll is a run's hard end.
func (w *world) taintAll() {
	for p, from := range w.committed {
		for rec := from; rec < w.records; rec++ {
			w.eras[p][rec]++
		}
	}
}

// begins is called when a stage with effects begins an element.
func (is *island) begins(stage int, e *elem, t token) {
	w := is.w
	if is.carriesUntracked(t) {
		return
	}
	for _, it := range e.items {
		a := w.assignment(it.d.mark.index)
		if a != nil && a.index == it.d.mark.index && a.afterCut(int(it.d.mark.pos)) && t.index != 0 {
			w.violate("begun", "stage %d begins record %d of partition %d after the cut", stage, it.d.rec, it.d.part)
		}
	}
}

// carriesUntracked tells whether a token stands for elements without one, too, which nobody would
// deliver again.
func (is *island) carriesUntracked(t token) bool {
	if t.index >= 0 {
		return false
	}
	c := is.w.composite(t)
	if c.untracked {
		return true
	}
	for _, u := range c.of {
		if is.carriesUntracked(u) {
			return true
		}
	}
	return false
}

// effect is called when a stage's effect on an element has happened.
func (is *island) effect(st int, e *elem, repeatable, ordered bool) {
	w := is.w
	if w.txn {
		return
	}
	stage := is.id*100 + st
	for _, it := range e.items {
		w.trace("stage %d does p%d:%d.%d of %d (generation %d)", stage, it.d.part, it.d.rec, it.sub, it.d.mark.index, it.d.mark.generation)
		if !repeatable {
			k := effectKey{stage, it.d.part, it.d.rec, it.sub, it.d.era}
			if w.effects[k] {
				w.violate("double", "stage %d did record %d (output %d) of partition %d again, and nothing was given up", stage, it.d.rec, it.sub, it.d.part)
			}
			w.effects[k] = true
		}
		// Of a partition that is lost, what is merged with kept ones goes on, and the rest does
		// not.
		if ordered && it.d.part >= 0 && !w.cutOff[it.d.mark.generation] {
			w.overtakes(stage, it)
		}
	}
}

// overtakes checks that an output which a stage sees for the first time comes after all of its key
// that it has seen.
func (w *world) overtakes(stage int, it item) {
	k := effectKey{stage: stage, part: it.d.part, rec: it.d.rec, sub: it.sub}
	if w.firsts[k] {
		return
	}
	w.firsts[k] = true
	if it.d.untracked {
		return // a gap does not hold it back
	}
	key := effectKey{stage: stage, part: it.d.part, rec: it.d.rec % 2}
	last, at := w.lasts[key], [2]int{it.d.rec, it.sub}
	if at[0] < last[0] || at[0] == last[0] && at[1] < last[1] {
		w.violate("order", "stage %d sees record %d (output %d) of partition %d for the first time, after %d (output %d)", stage, at[0], at[1], it.d.part, last[0], last[1])
	}
	w.lasts[key] = at
}

// checkMemory: when a run is over nothing is charged but what the user has.
func (w *world) checkMemory() {
	if w.txn {
		return
	}
	for _, a := range w.run.parts {
		if a == nil {
			continue
		}
		for i, m := range a.marks {
			if m.charged && (m.handed == 0 || m.committed) {
				w.violate("memory", "record %d of partition %d is charged after the end", a.base+i, a.part)
			}
		}
	}
}

// checkPlain: what a plain source gave in a run that came to its end is finished, as nobody
// delivers it again.
func (w *world) checkPlain() {
	for _, d := range w.plain {
		if !w.run.ending && !d.excused && (d.live > 0 || d.lost) {
			w.violate("lost", "element %d of the plain source was not finished", d.rec)
		}
	}
}
