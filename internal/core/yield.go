package core

// Yield: an intake that begins a stream lends its island a chunk of some hundred elements, and may
// learn meanwhile that it should not have given the rest of it out: a partition was paused, within
// the function of one of these elements perhaps. The island looks at it between two elements, as at
// everything else, and gives back what it has not pushed.

const (
	noYield = iota
	yieldAsked
	yieldOver // the island has ended
)

// Yield makes the island of a source give back the rest of its chunk after the element in hand,
// and ask its intake anew. Any goroutine.
func (isl *Island) Yield() {
	if !isl.yield.CompareAndSwap(noYield, yieldAsked) {
		return
	}
	isl.run.wantYielded()
}

// yielded is called when the island has nothing in hand; to is noYield, or yieldOver after its
// last element.
func (isl *Island) yielded(to uint32) {
	if isl.yield.Load() == to || isl.yield.Swap(to) != yieldAsked {
		return
	}
	isl.run.attention.yielded()
}
