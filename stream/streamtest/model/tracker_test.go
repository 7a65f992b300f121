package model

// assignment is the tracker of one partition from its assignment (or rewind, or run) to its end.
type assignment struct {
	index      int32
	generation int32
	part       int
	base       int // the record at position 1
	next       int // the record that the next poll gives
	queue      []*delivery
	elems      []*elem // parallel to queue: polled, not delivered

	marks    []mark // position 1 is marks[0]
	frontier int    // positions up to it are done
	out      int    // outstanding
	bound    int

	count  int  // positions up to it have begun
	frozen bool // no more begin
	gap    int  // the first position that was given up, 0: none
	gapped bool // no more begin after the cut
	// if frozen or gapped: what lies up to here is finished, and what lies after it thrown away
	cut int

	entered int // the highest position of which an output has entered the transaction
	gateCut int // while the gate is closed: what lies up to here belongs to the epoch that ends

	revoking bool // a revoke waits for out to become zero …
	deadline int  // … or until then; 0: as long as it takes
	giveUpAt int  // until when its elements are tried again
	since    int  // when the revoke began
	measured bool
	over     bool // ended: its marks mean nothing any more
}

// mark is the state of a position. It is done when all its parts ended, none was abandoned, and
// every hand-over was answered or Commit was seen.
type mark struct {
	ended     bool // no part travels
	abandoned bool
	// hand-overs recorded, less those that did not take place and those that were answered
	handed    int
	committed bool
	settled   bool // no longer outstanding
	counted   bool // was outstanding
	back      bool // no longer outstanding since it lies after the cut
	charged   bool // its memory is charged
}

// pendingRun is a run of consecutive positions that ended as done and are not in their tracker yet.
type pendingRun struct {
	index    int32
	from, to int32
}

func (p *pendingRun) add(w *world, t token) {
	if p.index == t.index && p.to+1 == t.pos {
		p.to++
		return
	}
	p.flush(w)
	p.index, p.from, p.to = t.index, t.pos, t.pos
}

// flush gives the run to its tracker: by its owner when the run breaks and when it is idle, and by
// the commit loop and a revoke whenever they like.
func (p *pendingRun) flush(w *world) bool {
	if p.index == 0 {
		return false
	}
	if a := w.assignment(p.index); a != nil {
		for pos := p.from; pos <= p.to && int(pos) <= len(a.marks); pos++ {
			m := &a.marks[pos-1]
			m.ended = true
			a.settle(w, m)
			if m.handed == 0 || m.committed {
				w.uncharge(m)
			}
		}
	} else {
		w.saw(sawLateDone)
	}
	*p = pendingRun{}
	return true
}

func (a *assignment) settle(w *world, m *mark) {
	if !m.ended && !m.abandoned || m.settled && w.rules.EndsOncePerMark {
		return
	}
	if !m.abandoned && m.handed > 0 && !m.committed {
		return // with the user
	}
	if m.back && w.rules.RefusedIsNotDone {
		return // it is delivered again, whatever became of it
	}
	m.settled = true
	if !m.back {
		a.out--
	}
	last := len(a.marks)
	if (a.frozen || a.gapped) && w.rules.RefusedIsNotDone {
		last = min(last, a.cut)
	}
	for a.frontier < last && a.marks[a.frontier].settled && !a.marks[a.frontier].abandoned {
		a.frontier++
	}
}

// assignment returns the assignment that a mark's index stands for now, nil when it is over.
func (w *world) assignment(index int32) *assignment {
	a := w.assignments[index]
	if a == nil || a.over {
		return nil
	}
	return a
}

func (w *world) stale(t token) bool { return w.assignment(t.index) == nil }

func (w *world) markOf(t token) (*assignment, *mark) {
	a := w.assignment(t.index)
	if a == nil || int(t.pos) > len(a.marks) {
		return nil, nil
	}
	return a, &a.marks[t.pos-1]
}

func (w *world) abandonMark(t token, why reason) {
	a, m := w.markOf(t)
	if a == nil || m.abandoned && w.rules.EndsOncePerMark {
		return
	}
	m.abandoned = true
	a.settle(w, m)
	w.uncharge(m)
	if w.txn {
		w.run.abort = true // whatever the reason, and while draining too
		return
	}
	if w.lower(a, int(t.pos)) {
		w.taint(a, int(t.pos))
	}
}

// handOver records that an element with this token is about to be given to the user, or (by -1)
// that it was not after all.
func (w *world) handOver(t token, by int) {
	seen := map[token]bool{}
	w.marksOf(t, func(at token) bool {
		if a, m := w.markOf(at); a != nil && (w.rules.HandOverPerToken || !seen[at]) {
			m.handed += by
		}
		seen[at] = true
		return true
	})
}

// userCommit is Commit on a record's Committable.
func (w *world) userCommit(d *delivery) {
	d.committed = true
	a, m := w.markOf(d.mark)
	if a == nil {
		w.saw(sawLateCommit)
		return
	}
	switch {
	case !w.rules.CommitOfPosition:
		m.ended = true
	case !w.rules.CommitSticky && (m.handed == 0 || !m.ended):
		return
	}
	m.committed = true
	a.settle(w, m)
	if m.ended {
		w.uncharge(m)
	}
}

// uncharge gives the memory of a position back.
func (w *world) uncharge(m *mark) {
	if m.charged {
		m.charged = false
		w.charged--
	}
}

// answer is what a committing stage of another graph says for each token of an element that it has
// finished.
func (w *world) answer(d *delivery) {
	d.answered++
	if !w.rules.AnswerCounts {
		called := d.committed
		w.userCommit(d)
		// the user has called nothing: the truth is that one element is finished
		d.committed = called
		return
	}
	w.answerMark(d)
}

// answerMark answers one hand-over of a position.
func (w *world) answerMark(d *delivery) {
	a, m := w.markOf(d.mark)
	if a == nil {
		w.saw(sawLateCommit)
		return
	}
	if m.handed == 0 {
		return
	}
	if m.handed--; m.handed > 0 {
		w.saw(sawAnsweredInPart)
	}
	a.settle(w, m)
	if m.ended && m.handed == 0 {
		w.uncharge(m)
	}
}
