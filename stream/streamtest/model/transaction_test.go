package model

// A transactional world commits per epoch: stop polling, hurry, wait until nothing is outstanding
// (from the poll on), then commit the position of the polls, which is all that a transaction's end
// can commit. Something abandoned aborts it.

func (w *world) txnEvent(k int) {
	switch {
	case k < 12:
		w.run.epochEnds = true
	case k < 16:
		w.trace("abort")
		w.abort()
	case k < 18:
		w.trace("crash")
		w.abortTruth()
		w.hardStop(true)
	default:
		w.drain(0)
	}
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
	for _, a := range r.parts {
		if a != nil && a.out > 0 {
			return false
		}
	}
	w.saw(sawEpoch)
	w.commitEpoch()
	r.epochEnds, r.abort = false, false
	return true
}

func (w *world) commitEpoch() {
	for _, a := range w.run.parts {
		if a != nil {
			w.commit(a.part, a.next)
		}
	}
}

// abort undoes all that the transaction did, stops the run of the graph, and runs it again from the
// committed offsets.
func (w *world) abort() {
	w.saw(sawAbort)
	w.abortTruth()
	w.hardStop(false)
}

func (w *world) abortTruth() {
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
