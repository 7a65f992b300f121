package model

// sink is what stands outside a graph: the broker that acknowledges, or the user that an element is
// handed to.
type sink struct {
	last    map[int][3]int // order per key
	order   bool
	pending []slot // sent, not acknowledged
	held    pendingRun
	full    int
	broke   bool // the user takes no more
	count   int
}

// handed is an element with the user, who calls Commit for each of its records, sometimes twice, or
// in another graph, whose committing stage answers the hand-over.
type handed struct {
	records []*delivery
	until   int
	graph   bool
}

func (is *island) arrived(e *elem) {
	if is.sink.order {
		is.w.checkOrder(is.sink, e)
	}
}

func (is *island) doForEach(a *activation, s *stage) progress {
	ok, p := is.userCall(a, s, true)
	if !ok {
		return p
	}
	is.arrived(a.e)
	a.e.end(true)
	return is.back(taken)
}

func (is *island) doKafka(a *activation, s *stage) progress {
	if a.pc == 0 {
		a.pc = 1
		return pause
	}
	if is.swept() {
		return is.sweep(a)
	}
	if len(is.sink.pending) >= is.sink.full {
		return wait
	}
	if is.w.txn && !is.mayEnter(a) {
		if !is.w.rules.GateSetsAside {
			return wait
		}
		return is.setAside(a)
	}
	if !is.w.claim(is.frame.cur) {
		return is.sweep(a)
	}
	is.enter(a.e)
	is.claimRun()
	is.begins(is.id*100+a.st, a.e, is.frame.cur)
	is.arrived(a.e)
	is.effect(a.st, a.e, false, s.order)
	until := is.w.inTicks(is.w.rng.IntN(4) * is.w.rng.IntN(3))
	is.sink.pending = append(is.sink.pending, slot{e: a.e, t: is.part(), until: until})
	return is.back(taken)
}

// acknowledge answers for one of the sink's elements, in any order. In a run that is over the
// answer still comes.
func (w *world) acknowledge(s *sink) bool {
	if len(s.pending) == 0 {
		return false
	}
	i := w.rng.IntN(len(s.pending))
	p := s.pending[i]
	if w.now < p.until {
		return false
	}
	s.pending = append(s.pending[:i], s.pending[i+1:]...)
	if w.faults > 0 && w.rng.IntN(12) == 0 {
		w.faults--
		w.saw(sawNegative)
		p.e.end(false)
		p.e.excuse()
		if w.rng.IntN(3) == 0 {
			w.failed = true // the policy is to stop: the run fails
		}
		w.abandon(p.t, faulted)
		return true
	}
	p.e.end(true)
	w.done(p.t, &s.held)
	if !w.rules.TokenAnswersNone {
		for _, d := range p.e.prov {
			w.answerMark(d)
		}
	}
	return true
}

// doHand hands over: recorded at all positions under the token, then sent, then the frame sees that
// nothing went out. The recording has to come before the part ends, else the position is done
// before the user said so; and a send that did not take place (the user broke off while it waited)
// has to be withdrawn, else the position waits for a Commit that nobody can call. A count, not a
// flag: an earlier output of the same position may really have been handed over.
func (is *island) doHand(a *activation, s *stage) progress {
	w, k := is.w, is.sink
	if a.pc == 0 {
		if k.broke {
			return is.refuse(a.e)
		}
		if w.rules.HandOverBeforeSend {
			w.handOver(is.frame.cur, 1)
		}
		a.pc, a.n = 1, w.rng.IntN(3)
		return pause
	}
	// the user takes his time; he may know the Committable from elsewhere and call it now
	if a.n > 0 {
		if a.n--; w.rng.IntN(6) == 0 {
			for _, it := range a.e.items {
				w.userCommit(it.d)
			}
		}
		return pause
	}
	if is.swept() { // the send is withdrawn
		if w.rules.HandOverBeforeSend {
			w.handOver(is.frame.cur, -1)
		}
		return is.sweep(a)
	}
	if k.broke || s.n > 0 && k.count >= s.n && !w.final {
		k.broke = true
		if w.rules.HandOverBeforeSend && w.rules.HandOverWithdrawn {
			w.saw(sawWithdrawn)
			w.handOver(is.frame.cur, -1)
			w.settleAll(is.frame.cur)
		}
		is.cancel(a.st)
		return is.refuse(a.e)
	}
	k.count++
	w.claim(is.frame.cur)
	is.begins(is.id*100+a.st, a.e, is.frame.cur)
	is.effect(a.st, a.e, false, s.order)
	is.arrived(a.e)
	h := handed{graph: s.graph, until: w.inTicks(w.rng.IntN(4) * w.rng.IntN(3))}
	for _, d := range a.e.prov {
		d.handed++
	}
	a.e.end(true)
	// His own copy of each record's Committable: those of the batch, or the one of the record.
	h.records = append(h.records, a.e.prov...)
	w.user = append(w.user, h)
	if !w.rules.HandOverBeforeSend {
		is.late = append(is.late, is.frame.cur)
	}
	return is.back(taken)
}

// settleAll looks again at positions whose hand-over was withdrawn.
func (w *world) settleAll(t token) {
	w.marksOf(t, func(m token) bool {
		if a, m := w.markOf(m); a != nil {
			a.settle(w, m)
		}
		return true
	})
}

// userStep lets the user commit one of the elements that he was given, or another graph finish it.
func (w *world) userStep() bool {
	if len(w.user) == 0 {
		return false
	}
	i := w.rng.IntN(len(w.user))
	if w.now < w.user[i].until {
		return false
	}
	if h := w.user[i]; h.graph {
		for _, d := range h.records {
			w.answer(d)
		}
		w.user = append(w.user[:i], w.user[i+1:]...)
		return true
	}
	for _, d := range w.user[i].records {
		w.userCommit(d)
	}
	if w.rng.IntN(6) > 0 { // else again later
		w.user = append(w.user[:i], w.user[i+1:]...)
	}
	return true
}
