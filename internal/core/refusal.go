package core

// Refusals.
//
// A stage that wants no more refuses what still comes: Take, a sink that completes, a boundary
// whose receiver has cancelled. An element that is refused was not finished, and is to be delivered
// again. A Broadcast is different: a branch that ends while another goes on has had what it wanted,
// and must not hold the others up. So what becomes of an element is known when all branches have
// ended their parts of it:
//
//	a branch took it      done: whatever other branches refused
//	all refused it        refused where the Broadcast stands: in the branch of an outer one,
//	                      perhaps; in none, given up
//	a branch gave it up   given up
//
// It does not depend on when branches end, nor on which one is the last: after branches with a
// Take(3) and a Take(5), five elements are done. A branch has taken an element if it has ended its
// part as done, all of it: one that refuses a part of the parts that a FlatMap has made of it has
// refused it.
//
// So a refusal within a branch says nothing yet to those outside, and cuts nothing off. Any other
// gives the element up at once, so that nothing after it begins. So does every refusal after a hard
// stop, which is no end of a branch.

// refusal is how an element with the token ends that is refused now.
func (r *Run) refusal(t Token) fate {
	if r.Stopped() || !r.Ledger.composites.inBranch(t) {
		return abandoned
	}
	return refused
}

// inBranch reports whether the token is a branch's part of an element, or is made of such ones.
func (cs *composites) inBranch(t Token) bool {
	if !t.composite() {
		return false
	}
	c := cs.at(t)
	if c.branches {
		return true
	}
	for _, m := range c.members {
		if cs.inBranch(m.first) {
			return true
		}
	}
	return false
}

// EnterBranches starts a frame for the branches of a Broadcast: each output until [Island.Leave] is
// one branch's part of the element in hand.
func (isl *Island) EnterBranches() (outer frame) {
	outer = isl.Enter(isl.Out(), true)
	isl.frame.branches = true
	return outer
}
