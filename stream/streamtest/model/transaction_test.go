package model

import "slices"

// A transactional world commits per epoch. An output enters the transaction at a session's sink,
// and nowhere else, so only there something has to stop for a commit: calls, batches and polls go
// on. An epoch's end closes the gate at the sinks. Its cut is, for each partition, the highest
// position of which an output has entered; what lies up to there belongs to the epoch, and the end
// waits until it is finished, and commits the offsets of what is finished. What lies after it waits
// at the gate, and goes on in the next epoch. Something abandoned aborts.

// entered is an output that is in the transaction.
type entered struct {
	island int
	items  []item
	prov   []*delivery
}

func (w *world) txnEvent(k int) {
	switch {
	case k < 14:
		w.closeGate()
	case k < 16:
		w.trace("abort")
		w.abort()
	case k < 17:
		w.trace("crash")
		w.abortTruth()
		w.hardStop(true)
	case !w.run.draining:
		w.drain(w.rng.IntN(2) * (10 + w.rng.IntN(60)))
	}
}

// closeGate begins the end of an epoch; false: it has begun.
func (w *world) closeGate() bool {
	r := w.run
	if r.epochEnds {
		return false
	}
	w.trace("the gate closes")
	r.epochEnds = true
	for _, a := range r.parts {
		if a != nil {
			a.gateCut = a.entered
		}
	}
	if w.rules.GateCoversMerges {
		w.coverAtGate()
	}
	return true
}

// coverAtGate raises the cuts so that each merge on its way lies before all of them or after all:
// some of it has entered already in another branch.
func (w *world) coverAtGate() {
	for changed := true; changed; {
		changed = false
		for i := range w.composites {
			c := &w.composites[i]
			t := token{index: -int32(i + 1)}
			if !c.live || !w.before(t) {
				continue
			}
			w.marksOf(t, func(m token) bool {
				if a := w.assignment(m.index); a != nil && int(m.pos) > a.gateCut {
					a.gateCut, changed = int(m.pos), true
					w.saw(sawGateRaised)
				}
				return true
			})
		}
		if !w.rules.GateFixpoint {
			return
		}
	}
}

// before tells whether some of an element lies up to the gate's cut.
func (w *world) before(t token) bool {
	return !w.marksOf(t, func(m token) bool {
		a := w.assignment(m.index)
		return a == nil || int(m.pos) > a.gateCut
	})
}

// gateWaits tells whether an epoch's end waits for records that are not finished.
func (w *world) gateWaits() bool {
	if !w.txn || !w.run.epochEnds {
		return false
	}
	for _, a := range w.run.parts {
		if a != nil && a.frontier < a.gateCut {
			return true
		}
	}
	return false
}

// hurriesAll tells whether somebody hurries beside the gate.
func (w *world) hurriesAll() bool {
	if !w.gateWaits() {
		return true
	}
	w.run.epochEnds = false
	defer func() { w.run.epochEnds = true }()
	return w.hurry()
}

// belongs tells whether a holder has something that the epoch waits for.
func (is *island) belongs(k *holding) bool {
	for _, t := range k.tokens {
		if is.w.before(t) {
			return true
		}
	}
	return false
}

// lets tells whether the gate lets an element in.
func (w *world) lets(t token) bool {
	return !w.rules.GateCloses || !w.run.epochEnds || w.before(t)
}

// mayEnter tells whether the output in hand may enter the transaction now: what is set aside and
// may enter, too, goes first.
func (is *island) mayEnter(a *activation) bool {
	w := is.w
	if !w.lets(is.frame.cur) {
		return false
	}
	return a.ahead || !w.rules.GateOpensInOrder || !slices.ContainsFunc(is.keeps[a.st].tokens, w.lets)
}

// enter notes that it does.
func (is *island) enter(e *elem) {
	w := is.w
	if !w.txn {
		return
	}
	if len(is.keeps[len(is.keeps)-1].elems) > 0 {
		w.saw(sawPassedTheGate)
	}
	w.marksOf(is.frame.cur, func(m token) bool {
		if a := w.assignment(m.index); a != nil {
			a.entered = max(a.entered, int(m.pos))
		}
		return true
	})
	w.trace("an output of p%d:%d.%d enters at island %d", e.items[0].d.part, e.items[0].d.rec, e.items[0].sub, is.id)
	w.entered = append(w.entered, entered{is.id, e.items, e.prov})
}

// setAside keeps the output in hand until the gate lets it in.
func (is *island) setAside(a *activation) progress {
	is.w.saw(sawSetAside)
	is.w.trace("an output of p%d:%d.%d waits at the gate of island %d", a.e.items[0].d.part, a.e.items[0].d.rec, a.e.items[0].sub, is.id)
	k := &is.keeps[a.st]
	if a.ahead { // it was the first of those that might enter, and the gate has closed meanwhile
		k.elems, k.tokens = slices.Insert(k.elems, 0, a.e), slices.Insert(k.tokens, 0, is.part())
		return is.back(taken)
	}
	k.elems, k.tokens = append(k.elems, a.e), append(k.tokens, is.part())
	return is.back(taken)
}

// passAside lets the first output in that may enter of those that are set aside.
func (is *island) passAside(st int) bool {
	w, k := is.w, &is.keeps[st]
	for i, t := range k.tokens {
		if !w.lets(t) {
			continue
		}
		e := k.elems[i]
		k.elems = append(k.elems[:i:i], k.elems[i+1:]...)
		k.tokens = append(k.tokens[:i:i], k.tokens[i+1:]...)
		is.frame = frame{cur: t, begin: st}
		is.stack = append(is.stack, activation{st: st, e: e, ahead: true})
		return true
	}
	return false
}

// checkEpoch ends an epoch that has waited for everything. A drain ends the last one.
func (w *world) checkEpoch() bool {
	r := w.run
	if !w.txn || r.stopped || w.failed {
		return false
	}
	if r.abort && w.rules.AbortOnAbandon {
		w.abort()
		return true
	}
	if !r.epochEnds {
		return false
	}
	w.readPending()
	if !w.epochIsWhole() {
		return false
	}
	w.saw(sawEpoch)
	w.commitEpoch()
	r.epochEnds, r.abort = false, false
	w.trace("the gate opens")
	for _, a := range r.parts {
		if a != nil && a.revoking && a.out <= 0 {
			w.saw(sawRevokeEndsEpoch)
			w.checkClean(a)
			w.finishAssignment(a, true)
		}
	}
	return true
}

func (w *world) epochIsWhole() bool {
	for _, s := range w.sinks {
		if len(s.pending) > 0 && !w.rules.EpochWaitsForCut {
			return false
		}
	}
	return !w.rules.EpochWaitsForCut || !w.gateWaits()
}

// commitEpoch commits the transaction: the offsets of what is finished, and all outputs. An output
// whose record is not covered would be made again, and be there twice.
func (w *world) commitEpoch() {
	for _, a := range w.run.parts {
		switch {
		case a == nil:
		case w.rules.EpochCommitsFinished:
			w.commit(a.part, a.base+a.frontier)
		default:
			w.commit(a.part, a.next)
		}
	}
	for _, out := range w.entered {
		for _, d := range out.prov {
			if d.rec >= w.committed[d.part] {
				w.violate("torn", "an output of record %d of partition %d was committed, and the record was not: up to %d", d.rec, d.part, w.committed[d.part])
			}
		}
		for _, it := range out.items {
			k := effectKey{stage: out.island, part: it.d.part, rec: it.d.rec, sub: it.sub}
			if w.published[k] {
				w.violate("double", "output %d of record %d of partition %d was committed twice by island %d", it.sub, it.d.rec, it.d.part, out.island)
			}
			w.published[k] = true
		}
	}
	w.entered = nil
}

// abort undoes all that the transaction did, stops the run of the graph, and runs it again from the
// committed offsets.
func (w *world) abort() {
	w.saw(sawAbort)
	w.abortTruth()
	w.hardStop(false)
}

func (w *world) abortTruth() {
	w.entered = nil
	for p, part := range w.deliveries {
		for _, ds := range part[w.committed[p]:] {
			for _, d := range ds {
				d.lost = true
			}
		}
	}
}

// lastEpoch ends the transaction of a run that drained; false: it aborted.
func (w *world) lastEpoch() bool {
	if w.run.abort && w.rules.AbortOnAbandon {
		w.abort()
		return false
	}
	w.commitEpoch()
	return true
}
