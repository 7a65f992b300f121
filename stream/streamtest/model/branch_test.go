package model

// A branch of a broadcast completes when something in it takes no more, however far down that is. Whether its parts end
// as done or as abandoned depends on whether another branch lives **at that moment**: the verdict is drawn once, under the
// broadcast's count, and holds for all that the branch still contains, in its queues, holders, calls and closures, and for
// all that is pushed to it before the cancellation has travelled up. Were it drawn where an element is met, two branches that
// complete at the same time could each believe in the other, and an element that neither wants would be done.
//
// The last branch to complete completes the branch that its broadcast stands in, or, under no broadcast, the run.

type branch struct {
	complete bool
	done     bool // the verdict
}

// complete draws the verdict on a branch, once.
func (r *run) complete(w *world, b int) bool {
	if b < 0 {
		r.ending = true
		return false
	}
	br := &r.branches[b]
	if br.complete {
		return br.done
	}
	br.complete = true
	bc := w.graph.branches[b].broadcast
	if r.living[bc]--; r.living[bc] > 0 {
		w.saw(sawBranchEnd)
		br.done = true
	} else {
		br.done = r.complete(w, w.graph.branches[b].parent)
	}
	return br.done
}

// cancel is called when a stage of the island takes no more.
func (is *island) cancel(st int) {
	if st > is.cancelAt {
		is.cancelAt = st
	}
	is.w.run.complete(is.w, is.spec.branch)
}

// verdict is the truth about an element that a cancelled island drops.
func (is *island) verdict() bool {
	b := is.spec.branch
	return b >= 0 && is.w.run.branches[b].complete && is.w.run.branches[b].done
}

// refusedIsDone is what the rules make of it.
func (is *island) refusedIsDone() bool {
	w := is.w
	switch {
	case !w.rules.BranchEndsDone:
		return false
	case w.rules.BranchVerdictAtOnce:
		return is.verdict()
	}
	return w.otherBranchOpen(is.spec.branch)
}

// otherBranchOpen looks, as an engine would that keeps no verdict, at whether another branch's queue is open.
func (w *world) otherBranchOpen(b int) bool {
	if b < 0 {
		return false
	}
	bc := w.graph.branches[b].broadcast
	stages := w.graph.islands[bc].stages
	for _, to := range stages[len(stages)-1].to {
		if w.graph.islands[to].branch != b && !w.run.islands[to].in.cancelled {
			return true
		}
	}
	return w.otherBranchOpen(w.graph.branches[b].parent)
}
