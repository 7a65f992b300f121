package tracker

// Observer hears what becomes of the positions of a tracker: whoever accounts for what records hold
// in memory has to know which of them nobody has any more, and that is not the tracker's business.
//
// Settled, Kept and Closed are called under the tracker's lock, so that what they are told agrees
// with what the tracker says to everybody else; they must not block, and must call nothing of the
// tracker. Bit i of a mask stands for position base+i.
type Observer interface {
	// Settled: these positions are not outstanding any more. Somebody may still have those of kept:
	// they were given up, or handed to user code. A position is told once, except that one which a
	// cut has given back is told when it was thrown away.
	Settled(base, mask, kept uint64)
	// Kept: code outside of the graph has these positions, which count as done all the same.
	Kept(base, mask uint64)
	// Keeps reports whether Kept matters. It is called without the lock.
	Keeps() bool
	// Closed: the assignment has ended, and nothing more is told of its positions.
	Closed()
	// Tell is called after Settled or Closed, with no lock held and after Options.Notify: whoever
	// is woken by what the observer tells then finds what has happened.
	Tell()
}

// nobody observes nothing.
type nobody struct{}

func (nobody) Settled(_, _, _ uint64) {}
func (nobody) Kept(_, _ uint64)       {}
func (nobody) Keeps() bool            { return false }
func (nobody) Closed()                {}
func (nobody) Tell()                  {}
