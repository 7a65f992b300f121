package model

// How partitions and runs end: a drain, a revoke with a deadline, a loss, a rewind behind a gap.
// All of them make a cut.

// drain ends a run: nothing more is delivered, and all its assignments are frozen.
func (w *world) drain(within int) {
	r := w.run
	w.trace("drain, time %d", within)
	r.draining, r.drainedAt, r.measured = true, w.now, !w.rests
	for _, a := range r.parts {
		if a != nil && a.revoking {
			w.saw(sawDrainInRevoke)
		}
	}
	r.deadline, r.giveUpAt = w.waitUntil(within)
	w.freeze(r.parts)
}

// checkDrain stops a run hard whose drain takes too long.
func (w *world) checkDrain() bool {
	r := w.run
	if !r.draining || r.deadline == 0 || w.now < r.deadline || r.stopped {
		return false
	}
	w.saw(sawDrainDeadline)
	if w.txn {
		w.abort()
		return true
	}
	w.hardStop(false)
	w.taintAll()
	return true
}

// revoke starts a revoke: nothing more is delivered, the partitions are frozen in one step,
// everybody hurries.
func (w *world) revoke(set []*assignment, within int) {
	for _, a := range set {
		w.trace("revoke p%d, time %d", a.part, within)
		w.reclaim(a)
		a.revoking, a.since, a.measured = true, w.now, !w.rests
		a.deadline, a.giveUpAt = w.waitUntil(within)
	}
	if w.run.draining {
		w.saw(sawRevokeInDrain)
	}
	w.freeze(set)
}

// checkRevokes ends the revokes that have waited for everything, or long enough.
func (w *world) checkRevokes() bool {
	if len(w.half) > 0 {
		return false
	}
	moved := false
	for _, a := range w.run.parts {
		if a == nil || a.over || !a.revoking {
			continue
		}
		w.readPending()
		late := a.deadline > 0 && w.now >= a.deadline
		switch {
		case w.txn && late:
			w.saw(sawDeadline)
			w.abort()
			return true
		case w.txn && w.rules.RevokeEndsEpoch && a.out <= 0:
			moved = w.closeGate() || moved // checkEpoch ends it
			continue
		case a.out <= 0:
			w.saw(sawCleanRevoke)
			if a.measured && !w.run.draining {
				w.waits = append(w.waits, w.now-a.since)
			}
			w.checkClean(a)
		case late:
			w.saw(sawDeadline)
			w.missed++
		default:
			continue
		}
		w.finishAssignment(a, true)
		if late {
			w.cutOff[a.generation] = true
			w.taint(a, w.committed[a.part]-a.base+1)
		}
		moved = true
	}
	return moved
}

// lose ends a partition that is somebody else's already. Merges with kept ones go on.
func (w *world) lose(a *assignment) {
	w.trace("lost p%d", a.part)
	w.saw(sawLost)
	if w.txn && w.rules.LossAborts {
		w.abort()
		return
	}
	w.finishAssignment(a, false)
	w.cutOff[a.generation] = true
	w.taint(a, w.committed[a.part]-a.base+1)
}

// rewindGaps delivers again from a gap on, under a fresh index, once everything before it is
// finished.
func (w *world) rewindGaps() {
	if !w.rules.RewindOnAbandon || w.run.draining || w.run.ending || len(w.half) > 0 {
		return
	}
	for _, a := range w.run.parts {
		if a == nil || a.gap == 0 || a.revoking {
			continue
		}
		if w.rules.RewindWaits {
			w.readPending()
			if w.waitsBefore(a) {
				w.saw(sawRewindWaits)
				continue
			}
		}
		w.rewind(a)
	}
}

// waitsBefore tells whether something before the gap is on its way.
func (w *world) waitsBefore(a *assignment) bool {
	if w.rules.CutAtGap {
		return a.out > 0
	}
	for _, m := range a.marks[:a.gap-1] {
		if !m.settled {
			return true
		}
	}
	return false
}

// rewind delivers again from the first record that is not done, under a fresh index.
func (w *world) rewind(a *assignment) {
	w.saw(sawRewind)
	w.readPending()
	w.finishAssignment(a, true)
	w.assign(a.part)
}

// seek is a rewind that the user asks for.
func (w *world) seek(a *assignment) {
	w.trace("seek p%d", a.part)
	w.cutOff[a.generation] = true
	w.rewind(a)
	w.taint(w.run.parts[a.part], 1)
}
