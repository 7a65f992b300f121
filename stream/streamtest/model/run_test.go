package model

// run is one run of the graph.
type run struct {
	islands   []*island
	completed []bool // per branch
	living    []int  // per island that broadcasts: branches that have not completed
	parts     []*assignment

	ending    bool // what is abandoned from here on is delivered again by the next run
	draining  bool
	completes bool // the sources have no more
	outage    bool // calls failed for some time
	drainedAt int
	measured  bool
	deadline  int // of the drain, 0: none
	giveUpAt  int
	stopped   bool
	epochEnds bool // the gate is closed
	abort     bool // something was abandoned
}

// start begins a run.
func (w *world) start() {
	g := w.graph
	r := &run{
		completed: make([]bool, len(g.branches)), living: make([]int, len(g.islands)),
		parts: make([]*assignment, len(w.committed)),
	}
	w.run, w.failed, w.half, w.plain = r, false, nil, nil
	for i := range g.islands {
		s := &g.islands[i]
		is := &island{w: w, id: i, spec: s, keeps: make([]holding, len(s.stages)), cancelAt: -1}
		is.in = &queue{capacity: s.capacity, producers: s.producers}
		last := s.stages[len(s.stages)-1]
		if last.kind == kBroadcast {
			r.living[i] = len(last.to)
		}
		if len(last.to) == 0 {
			if w.orders[i] == nil {
				w.orders[i] = map[int][3]int{}
			}
			is.sink = &sink{last: w.orders[i], order: last.order, full: 1 + w.rng.IntN(5)}
			w.sinks = append(w.sinks, is.sink)
		}
		r.islands = append(r.islands, is)
	}
	w.trace("run of\n%v", g)
	for p := range w.committed {
		w.assign(p)
	}
}

// consequences of a step: rewinds, a failed run, a source that nobody listens to, the end.
func (w *world) consequences() {
	r := w.run
	if r.stopped {
		return
	}
	w.rewindGaps()
	if w.checkDrain() {
		return
	}
	if (r.epochEnds || r.abort) && w.checkEpoch() && r.stopped {
		return
	}
	if w.failed && w.txn {
		w.abort()
		return
	}
	if w.failed {
		w.trace("the run fails")
		w.hardStop(false)
		w.taintAll()
		return
	}
	in := r.islands[0].in
	if (r.draining || r.completes || r.ending || in.cancelled) && in.producers > 0 {
		in.producers = 0
		for _, a := range r.parts {
			if a != nil {
				w.reclaim(a)
			}
		}
	}
	if in.producers == 0 && w.finished() {
		w.trace("the run is over")
		w.tick()
		w.checkMemory()
		w.checkPlain()
		if r.measured && !r.outage && !w.txn {
			w.drains = append(w.drains, w.now-r.drainedAt)
		}
		if w.txn && !w.lastEpoch() {
			return
		}
		w.hardStop(false)
	}
}

// finished: every island has ended, and nothing is outstanding.
func (w *world) finished() bool {
	for _, is := range w.run.islands {
		if !is.over || is.sink != nil && len(is.sink.pending) > 0 {
			return false
		}
	}
	if len(w.half) > 0 {
		return false
	}
	w.readPending()
	for _, a := range w.run.parts {
		if a != nil && a.out > 0 {
			return false
		}
	}
	return true
}

// hardStop ends the run where it stands. What the broker has not answered yet is answered later,
// and the user keeps what he was given; in a crash both are gone with the process, and so is the
// handle with its indices.
func (w *world) hardStop(crash bool) {
	w.readPending()
	w.readAcknowledged()
	for _, a := range w.run.parts {
		if a != nil {
			w.finishAssignment(a, !crash)
		}
	}
	w.run.stopped = true
	if crash {
		for _, s := range w.sinks {
			s.pending, s.held = nil, pendingRun{}
		}
		w.sinks, w.user, w.loose = nil, nil, pendingRun{}
		w.assignments = map[int32]*assignment{}
		w.charged = 0
	}
	outside := map[*delivery]int{}
	for _, s := range w.sinks {
		for _, p := range s.pending {
			for _, d := range p.e.prov {
				outside[d]++
			}
		}
	}
	for _, part := range w.deliveries {
		for _, ds := range part {
			for _, d := range ds {
				if d.live > outside[d] || crash && d.handed > d.answered && !d.committed {
					d.lost = true
				}
			}
		}
	}
}
