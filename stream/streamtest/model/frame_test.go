package model

// frame is an island's account of the element that it is working on.
type frame struct {
	cur   token
	begin int // the stage that it begins at
	outs  int
	fate  reason
	split token // opened before the first output, if the island may expand

	branches bool // the outputs are for the branches of a broadcast
}

// part is called for each output, before anyone else can see it: the token that travels with it.
func (is *island) part() token {
	f, w := &is.frame, is.w
	f.outs++
	if f.cur.index == 0 {
		return token{}
	}
	from := f.begin
	if !w.rules.SplitPerFrame {
		from = -1
	}
	if !f.branches && !is.spec.expands(from) || !w.rules.SplitForExpanding {
		return f.cur
	}
	if f.split.index == 0 {
		f.split = w.compose(composite{of: []token{f.cur}, split: true, branches: f.branches})
		if w.rules.SplitOwnHold {
			w.composite(f.split).parts = 1
		}
	}
	w.composite(f.split).parts++
	return f.split
}

// look is what the island does when a closure returned: nothing went out, the one output took the
// token along, or a split has to be closed; and abandoned wins.
//
// A mark can end more than once: a fault that unwinds through a Batch's emission abandons the held
// tokens, and then the outer frame abandons the one that it brought; a user commits twice, or
// commits what was abandoned meanwhile. The tracker has to count a mark once, else a revoke or an
// epoch believes that it has waited for everything.
func (is *island) look() {
	f, w := &is.frame, is.w
	abandoned := f.fate > returned
	if f.outs > 0 && !w.rules.AbandonedWins {
		abandoned = false
	}
	switch {
	case f.cur.index == 0:
	case f.split.index != 0:
		switch {
		case abandoned:
			w.abandon(f.split, f.fate)
		case f.fate == returned:
			w.giveBack(f.split, &is.pending)
		case f.fate == unwanted:
			w.refuseToken(f.split, &is.pending)
		case w.rules.SplitOwnHold:
			w.doneFrame(f.split, &is.pending)
		}
	case abandoned:
		w.abandon(f.cur, f.fate)
	case f.fate == returned:
		w.giveBack(f.cur, &is.pending)
	case f.fate == unwanted:
		w.refuseToken(f.cur, &is.pending)
	case f.outs == 0 && w.rules.FrameZeroOutputsDone:
		w.done(f.cur, &is.pending)
	}
}
