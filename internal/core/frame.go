package core

// The frame: how a token is settled.
//
// An island handles one element at a time. Its frame holds the token in hand, the number of outputs
// that took it along, and its fate. When the fused chain has returned, the island looks:
//
//	abandoned                 the element was refused, or its stage failed: it must be delivered again
//	refused                   a branch of a Broadcast wants no more; see refusal.go
//	fine, no output           done: filtered, skipped, or a finishing sink has taken it
//	fine, one output          the token went on with it
//	an expanding chain        (FlatMap, known when the graph is built, and the branches of a
//	                          Broadcast) opened a split with its first output; the frame's own
//	                          part ends now, with the fate; the others when they end
//
// So operators need no token code: Map, Filter, FlatMap only call the next closure, or do not. What
// counts as an output is decided where elements leave the chain: a boundary that took it, a holder
// that keeps it, a sink that has it in flight (Out). A push that was refused takes its output back
// (Refused).
//
// A holder's emission (Batch) is a frame of its own around the push, with the outer frame restored
// after it, because a flush may fall inside another element's push, or inside a FlatMap. So is
// what a Broadcast does with an element: whether a branch takes it is asked of each element by
// itself, also of those that a FlatMap before it makes of one.
type frame struct {
	cur      Token
	split    Token
	outs     int32
	fate     fate
	branches bool // the outputs are those of a Broadcast, one for each branch
	// expanding: between the start of the frame and the next holder there is a stage that can emit
	// several elements.
	expanding bool
}

// Out counts an output of the element in hand and returns the token that travels with it.
func (isl *Island) Out() Token {
	if isl.frame.cur == 0 {
		return 0
	}
	return isl.out()
}

func (isl *Island) out() Token {
	fr := &isl.frame
	fr.outs++
	if !fr.expanding {
		if invariants && fr.outs > 1 {
			panic("core: a second output in an island that was not built as expanding")
		}
		return fr.cur
	}
	if fr.split == 0 {
		fr.split = isl.run.Ledger.composites.split(fr.cur, fr.branches)
	}
	isl.run.Ledger.composites.add(fr.split)
	return fr.split
}

// Refused takes back an output that Out has counted with t: the push was refused by a cancelled
// downstream, or given up at a hard stop.
func (isl *Island) Refused(t Token) {
	if t == 0 {
		return
	}
	f := isl.run.refusal(t)
	if isl.frame.split != 0 {
		isl.run.Ledger.end(span{t, 1}, f)
		return
	}
	isl.frame.outs--
	isl.frame.fate = max(isl.frame.fate, f)
}

// Abandon gives up the element in hand: a stage failed on it, or a stage that has completed refuses
// it.
func (isl *Island) Abandon() { isl.frame.fate = abandoned }

// Claim begins the element in hand, for a stage with effects. False: it lies after the cut, and
// ends as given back when the stage returns.
func (isl *Island) Claim() bool {
	t := isl.frame.cur
	if t == 0 {
		return true
	}
	if !t.composite() {
		e := isl.claimed
		if e == nil || e.index != t.Index() {
			if e = isl.run.Ledger.entry(t.Index()); e != nil {
				isl.claimed = e
			}
		}
		if e != nil && e.claim(isl.run.Ledger, t.Position()) {
			return true
		}
	} else if isl.run.Ledger.Claim(t) {
		return true
	}
	isl.GiveBack()
	return false
}

// ClaimRun is [Island.Claim] for a stage whose effects take no time of the island's: it begins at
// once what follows the element in its chunk, and will be pushed in any case.
func (isl *Island) ClaimRun() bool {
	t := isl.frame.cur
	if t == 0 {
		return true
	}
	if t > isl.runEnd || t.Index() != isl.runEnd.Index() {
		return isl.Claim()
	}
	if t < isl.runClaimed {
		return true
	}
	if e := isl.run.Ledger.entry(t.Index()); e != nil && e.claim(isl.run.Ledger, isl.runEnd.Position()) {
		isl.runClaimed = isl.runEnd + 1
		return true
	}
	return isl.Claim() // below the cut, perhaps
}

// GiveBack ends the element in hand as one that lies after the cut.
func (isl *Island) GiveBack() {
	isl.frame.fate = isl.run.sweptFate(isl.frame.cur)
	isl.run.Ledger.thrown.Add(1)
}

// TakeBack takes back an output of the element in hand that Out has counted with t: the element has
// ended in the stage, as its fate says.
func (isl *Island) TakeBack(t Token) {
	switch {
	case t == 0:
	case isl.frame.split != 0:
		isl.run.Ledger.end(span{t, 1}, isl.frame.fate)
	default:
		isl.frame.outs--
	}
}

// CutOff reports whether the element in hand lies after the cut, and so is not to be waited for.
func (isl *Island) CutOff() bool { return isl.run.CutOff(isl.frame.cur) }

// Refuse refuses the element in hand because what follows is cancelled.
func (isl *Island) Refuse() {
	f := refused
	if !isl.frame.branches || isl.run.Stopped() {
		f = isl.run.refusal(isl.frame.cur)
	}
	isl.frame.fate = max(isl.frame.fate, f)
}

// Enter starts a frame for an emission with a token of its own; Leave settles it and restores the
// outer one. expanding is what TakeExpanding returned when the holder was built.
func (isl *Island) Enter(t Token, expanding bool) (outer frame) {
	outer = isl.frame
	isl.frame = frame{cur: t, expanding: expanding}
	return outer
}

// Finish ends the element in hand at the input of a finishing flow, before it pushes an untracked
// output (between Enter(0, …) and Leave).
func (isl *Island) Finish() { isl.Done(isl.Out()) }

// Leave settles the frame that Enter began.
func (isl *Island) Leave(outer frame) {
	isl.settle()
	isl.frame = outer
}

func (isl *Island) settle() {
	fr := &isl.frame
	switch {
	case fr.cur == 0:
	case fr.split != 0:
		isl.run.Ledger.endFrame(fr.split, fr.fate)
		fr.split = 0
	case fr.fate != fine:
		isl.run.Ledger.end(span{fr.cur, 1}, fr.fate)
	case fr.outs == 0:
		isl.Done(fr.cur)
	}
}

// Done ends a token that is not in a frame any more (a boundary's, a slot's) as done.
func (isl *Island) Done(t Token) {
	switch {
	case t == 0:
	case t.composite():
		isl.run.Ledger.end(span{t, 1}, fine)
	default:
		isl.pending.done(isl.run.Ledger, t)
		if isl.run.wanted(wantHurry | wantGate) {
			// Somebody waits for the last token. He has raised the hurry before he collected what
			// was pending: either he has seen this one, or it is reported here.
			isl.pending.flush(isl.run.Ledger)
		}
	}
}

func (isl *Island) abandon(t Token) { isl.run.Ledger.end(span{t, 1}, abandoned) }

func (isl *Island) abandonToken(t Token) {
	if t != 0 {
		isl.abandon(t)
	}
}

// refuseToken ends a token as refused.
func (isl *Island) refuseToken(t Token) {
	if t != 0 {
		isl.run.Ledger.end(span{t, 1}, isl.run.refusal(t))
	}
}
