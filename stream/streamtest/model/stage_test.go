package model

// activation is a stage at work on one element.
type activation struct {
	st      int
	pc      int
	e       *elem
	i, n    int
	until   int     // the call returns, or the pause ends
	ballot  *ballot // of a broadcast
	pausing bool    // between two attempts
	ahead   bool    // something has gone ahead in the pause
	saved   frame
}

// result of a push. Taken speaks of this push alone, not of whether more is wanted: a Take that
// took its last element says taken, and refuses the next. Were the last one refused, a FlatMap that
// had nothing more to give would be abandoned.
type result int

const (
	taken result = iota
	refused
	fault
)

// progress of one small step: on in the same step, a point where others may run, nothing moved.
type progress int

const (
	on progress = iota
	pause
	wait
)

func (is *island) call(st int, e *elem) {
	is.stack = append(is.stack, activation{st: st, e: e})
}

func (is *island) back(r result) progress {
	is.stack = is.stack[:len(is.stack)-1]
	is.ret = r
	return on
}

// exec runs the stack up to the next point where another goroutine could run. What an element's end
// and its frame's look say about it happens in one step, so that the truth and the tokens can be
// compared between any two.
func (is *island) exec() bool {
	moved := false
	for {
		a := &is.stack[len(is.stack)-1]
		switch is.advance(a, &is.spec.stages[a.st]) {
		case pause:
			return true
		case wait:
			return moved || is.flushWhileBlocked()
		}
		moved = true
		if len(is.stack) == 0 {
			if is.ret == fault {
				is.w.failed = true
				if is.w.rules.FaultAbandons {
					is.frame.fate = faulted
				}
			}
			is.look()
			is.frame = frame{}
			return true
		}
	}
}

func (is *island) advance(a *activation, s *stage) progress {
	switch s.kind {
	case kMap:
		return is.doMap(a, s)
	case kFilter:
		if a.e.hash(s.salt)%4 == 0 {
			a.e.end(true)
			return is.back(taken)
		}
		a.st++
		return on
	case kFlatMap:
		return is.doFlatMap(a, s)
	case kBatch:
		return is.doBatch(a, s)
	case kTake:
		return is.doTake(a, s)
	case kFinish:
		return is.doFinish(a)
	case kDivert:
		if a.e.hash(s.salt)%4 != 0 {
			a.st++
			return on
		}
		return is.doBoundary(a, s)
	case kBoundary:
		return is.doBoundary(a, s)
	case kBroadcast:
		return is.doBroadcast(a, s)
	case kForEach:
		return is.doForEach(a, s)
	case kKafka:
		return is.doKafka(a, s)
	default:
		return is.doHand(a, s)
	}
}

// userCall plays a user function: it may take long, and fail. One with effects claims first. ok
// tells that it returned without an error.
func (is *island) userCall(a *activation, s *stage, effect bool) (ok bool, p progress) {
	w := is.w
	claims := effect && !s.repeat
	if a.pc == 0 {
		if claims && !w.rules.MergeClaimsAtOnce && is.claimOne(a) {
			return false, pause
		}
		if claims && !w.claim(is.frame.cur) {
			return false, is.sweep(a)
		}
		if claims {
			is.begins(is.id*100+a.st, a.e, is.frame.cur)
		}
		a.pc, a.until = 1, w.inTicks(w.stall())
		return false, pause
	}
	if a.pausing {
		if p, moved := is.goAhead(a); moved {
			return false, p
		}
		if is.swept() {
			return false, is.sweep(a)
		}
		switch is.retry(is.frame.cur, &a.until) {
		case keepWaiting:
			return false, wait
		case outOfTime:
			w.gaveUp(a.e, is.frame.cur, is.id*100+a.st)
			a.e.end(false)
			is.frame.fate = revoked
			return false, is.back(taken)
		}
		a.pausing = false
		a.until = w.inTicks(w.stall())
		return false, pause
	}
	if w.now < a.until {
		return false, wait
	}
	if !is.fails(a, s) {
		if effect {
			is.effect(a.st, a.e, s.repeat, s.order)
		}
		return true, on
	}
	switch s.policy {
	case pSkip:
		a.e.end(true)
		return false, is.back(taken)
	case pRetry:
		a.until, a.pausing = w.inTicks(1+w.rng.IntN(8)), true
		return false, pause
	}
	a.e.end(false)
	return false, is.back(fault)
}

// fails tells whether a user function fails. One that is skipped fails for the same records each
// time.
func (is *island) fails(a *activation, s *stage) bool {
	w := is.w
	switch s.policy {
	case pSkip:
		return a.e.hash(s.salt+1)%10 == 0
	case pRetry:
		return w.outage(is.id*100+a.st, a.e)
	}
	if w.faults > 0 && w.rng.IntN(15) == 0 {
		w.faults--
		return true
	}
	return false
}

func (is *island) doMap(a *activation, s *stage) progress {
	if a.pc < 2 {
		ok, p := is.userCall(a, s, s.effect)
		if !ok {
			return p
		}
		if s.early {
			for _, it := range a.e.items {
				is.w.saw(sawEarlyCommit)
				is.w.userCommit(it.d)
			}
		}
		a.pc = 2
		is.call(a.st+1, a.e)
		return on
	}
	if is.ret == fault && s.policy == pSkip && !is.w.rules.PolicyCoversOwnCall {
		return is.back(taken)
	}
	return is.back(is.ret)
}

func (is *island) doFlatMap(a *activation, s *stage) progress {
	switch a.pc {
	case 0:
		if a.n = len(a.e.items); !a.e.batch {
			a.n = a.e.hash(s.salt) % 4
		}
		a.pc = 1
		return on
	case 1: // the next output
		if a.i == a.n {
			a.e.end(true)
			return is.back(taken)
		}
		if is.swept() {
			return is.sweep(a)
		}
		a.pc = 2
		if a.i > 0 {
			return pause
		}
		return on
	case 2:
		it := a.e.items[0]
		if a.e.batch {
			it = a.e.items[a.i]
		} else {
			it.sub = it.sub<<2 | a.i
		}
		a.i++
		a.pc = 3
		is.call(a.st+1, birth(a.e.origin, []item{it}, false))
		return on
	default:
		if is.ret == taken {
			a.pc = 1
			return on
		}
		if is.ret == refused && a.i > 1 {
			is.w.saw(sawRefusedInside)
		}
		if is.ret == refused {
			is.w.refused(a.e, is.frame.cur)
		} else {
			a.e.end(false)
		}
		return is.back(is.ret)
	}
}

func (is *island) doTake(a *activation, s *stage) progress {
	k := &is.keeps[a.st]
	if a.pc == 0 {
		if k.complete {
			return is.refuse(a.e)
		}
		k.count++
		a.pc = 1
		is.call(a.st+1, a.e)
		return on
	}
	if k.count >= s.n && !is.w.final && !k.complete {
		k.complete = true
		is.cancel(a.st)
	}
	return is.back(is.ret)
}

// doFinish ends the element at its input; what goes on from there has a frame without a token, so
// whatever happens to it says nothing about the input.
func (is *island) doFinish(a *activation) progress {
	w := is.w
	if a.pc == 0 {
		if is.cancelAt > a.st {
			return is.refuse(a.e)
		}
		if w.rules.FinishingFlowClaims && !w.claim(is.frame.cur) {
			return is.sweep(a)
		}
		w.done(is.part(), &is.pending)
		a.e.end(true)
		a.saved, a.pc = is.frame, 1
		if w.rules.FinishedUntracked {
			is.frame = frame{}
		}
		is.call(a.st+1, &elem{items: a.e.items, batch: a.e.batch})
		return on
	}
	if w.rules.FinishedUntracked {
		is.frame = a.saved
	}
	if is.ret == fault {
		return is.back(fault)
	}
	return is.back(taken)
}

// refuse ends an element that nobody takes any more.
func (is *island) refuse(e *elem) progress {
	if how := is.w.refused(e, is.frame.cur); is.w.rules.RefusedAbandons {
		is.frame.fate = max(is.frame.fate, how)
	}
	return is.back(refused)
}

func (is *island) doBoundary(a *activation, s *stage) progress {
	if a.pc == 0 {
		a.pc = 1
		return pause
	}
	q := is.w.run.islands[s.to[0]].in
	if q.cancelled {
		is.cancel(a.st)
		return is.refuse(a.e)
	}
	if is.swept() {
		return is.sweep(a)
	}
	if len(q.elems) >= q.capacity {
		return wait
	}
	q.push(a.e, is.part())
	return is.back(taken)
}

// doBroadcast gives each branch its part, in a frame of its own. A branch that has completed
// refuses its part.
func (is *island) doBroadcast(a *activation, s *stage) progress {
	w := is.w
	if a.pc == 0 && a.ballot == nil {
		if is.outletsCancelled() {
			is.cancel(a.st)
			return is.refuse(a.e)
		}
		a.ballot = newBallot(a.e.origin)
		if w.rules.BranchesHaveAFrame {
			t := is.part()
			a.saved = is.frame
			is.frame = frame{cur: t, begin: a.st}
		}
		is.frame.branches = true
	}
	if a.pc == 0 {
		a.pc = 1
		return pause
	}
	if a.i < len(s.to) {
		to := w.run.islands[s.to[a.i]]
		switch {
		case to.in.cancelled:
		case is.swept():
			is.sweep(a)
			return is.endBranches(a)
		case len(to.in.elems) >= to.in.capacity:
			return wait
		default:
			of := a.e.origin
			of.shares = []*share{a.ballot.share()}
			to.in.push(birth(of, a.e.items, a.e.batch), is.part())
		}
		a.i++
		a.pc = 0
		return pause
	}
	if is.frame.outs == 0 && w.rules.RefusedAbandons { // all have completed meanwhile
		is.frame.fate = max(is.frame.fate, unwanted)
	}
	a.e.end(true)
	is.back(taken)
	return is.endBranches(a)
}

func (is *island) endBranches(a *activation) progress {
	a.ballot.close()
	if is.w.rules.BranchesHaveAFrame {
		is.look()
		is.frame = a.saved
	}
	return on
}
