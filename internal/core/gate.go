package core

import (
	"sync/atomic"
	"time"
)

// Gate is where outputs enter a transaction, and how an epoch of it ends.
//
// Goal: a commit covers exactly the outputs that are in the transaction and the offsets of the
// records that they were made of, and it costs a flush: calls, batches and fetches go on. An output
// enters the transaction at a gate, which stands before the session's sinks and flows, and nowhere
// else. So an epoch ends there: the gate closes, and for each assignment there is a cut, the
// highest position of which something has entered. What lies before the cut still enters, and is
// finished; then what is finished without a gap is committed. What lies after the cut is set aside
// at the gate, in order, and enters when it opens, in the next epoch. Nothing is thrown away: a
// gate is no cut in the sense of cut.go, and that goes on beside it.
//
// One atomic word for each assignment holds how many positions have entered (the highest one plus
// one) and whether the gate is closed, as the word of cut.go does for what has begun.
//
// Invariants, each a rule of stream/streamtest/model (Gate…, Epoch…, HoldersHeedTheGate):
//  1. While the gate is closed a position enters if and only if it lies before its cut, and the
//     cuts stand. An assignment that comes meanwhile has its cut at nothing.
//  2. A merge enters with all its positions or with none. So when the gate closes the cuts are
//     raised to cover every merge on its way that lies before one of them, until nothing changes,
//     under cutMu, which merges are made under. While it is closed, holders make no merge of both
//     sides: they emit what lies before the cuts by itself.
//  3. An end of an epoch waits for every position before the cuts, also where outputs of it have
//     still to come: from calls without order, from a slower branch, from a batch. Holders that
//     have something of it emit that; what they have after the cuts stays with them.
//  4. What is set aside does not stand in the way of what lies before the cuts, and whenever it may
//     enter it goes before whatever comes later. Both are decided in one step, under cutMu.
//  5. What enters has begun (Claim), before it is asked whether it may enter: else a revoke could
//     give back what an epoch waits for.
type Gate struct {
	run    *Run          // written with the run's ledger
	closed atomic.Bool   // written under cutMu and mu of the ledger
	turns  atomic.Uint64 // how often it was closed or opened; written under cutMu
}

const (
	gateShut  = 1 // a bit of an entry's word
	gateShift = 1
)

// Gate is the run's.
func (r *Run) Gate() *Gate { return &r.Ledger.gate }

// Close makes the cut of an epoch: nothing after it enters until Open.
func (g *Gate) Close() {
	l := g.run.Ledger
	l.cutMu.Lock()
	l.mu.Lock()
	g.closed.Store(true)
	l.entries.each(func(e *entry) { e.entered.Or(gateShut) })
	l.mu.Unlock()
	g.coverMerges()
	g.turns.Add(1)
	l.cutMu.Unlock()
	g.run.want(wantGate)
	g.run.poke()
}

// Open lets everything enter, what was set aside first.
func (g *Gate) Open() {
	g.run.unwant(wantGate) // first: holders emit for a closed gate alone
	l := g.run.Ledger
	l.cutMu.Lock()
	l.mu.Lock()
	g.closed.Store(false)
	l.entries.each(func(e *entry) { e.entered.And(^uint64(gateShut)) })
	l.mu.Unlock()
	g.turns.Add(1)
	l.cutMu.Unlock()
	g.run.poke()
}

// Entered is how many positions of an assignment have entered: while the gate is closed, its cut.
func (g *Gate) Entered(index uint32) uint64 {
	if e := g.run.Ledger.entry(index); e != nil {
		return e.entered.Load() >> gateShift
	}
	return 0
}

// coverMerges raises the cuts so that each merge on its way lies before all of them or after all.
// The caller holds cutMu.
func (g *Gate) coverMerges() {
	l := g.run.Ledger
	for changed := true; changed; {
		changed = false
		// within: one that goes to where there is no gate may end at any moment
		l.composites.eachMerge(func(t Token, _ bool) {
			if l.entersBefore(t) && l.enterAll(t) {
				changed = true
			}
		})
	}
}

// entersBefore reports whether some position of a token has entered, or may as it lies before its
// cut.
func (l *Ledger) entersBefore(t Token) bool {
	return l.positions(t, func(e *entry, first, _ uint64) bool {
		return e != nil && first < e.entered.Load()>>gateShift
	})
}

// enterAll lets all positions of a token enter, and reports whether some had not. The caller holds
// cutMu.
func (l *Ledger) enterAll(t Token) (raised bool) {
	l.positions(t, func(e *entry, _, last uint64) bool {
		if e != nil && e.raiseEntered(last) {
			raised = true
		}
		return false
	})
	return raised
}

// raiseEntered counts a position as entered, whether the gate is open or not, and reports whether
// it was not.
func (e *entry) raiseEntered(position uint64) bool {
	for {
		w := e.entered.Load()
		if w>>gateShift > position {
			return false
		}
		if e.entered.CompareAndSwap(w, (position+1)<<gateShift|w&gateShut) {
			return true
		}
	}
}

// enter lets a position enter, unless it lies after the cut of a closed gate.
func (e *entry) enter(position uint64) bool {
	for {
		w := e.entered.Load()
		switch {
		case w>>gateShift > position:
			return true
		case w&gateShut != 0:
			return false
		case e.entered.CompareAndSwap(w, (position+1)<<gateShift):
			return true
		}
	}
}

// enter lets an element enter.
func (g *Gate) enter(t Token) bool {
	l := g.run.Ledger
	if !t.composite() {
		e := l.entry(t.Index())
		return e != nil && e.enter(t.Position())
	}
	if c := l.composites.at(t); !c.merged {
		return g.enter(c.one[0].first)
	}
	l.cutMu.Lock()
	defer l.cutMu.Unlock()
	return g.enterMerge(t)
}

// enterMerge lets a merge enter, whole. The caller holds cutMu.
func (g *Gate) enterMerge(t Token) bool {
	if g.closed.Load() && !g.run.Ledger.entersBefore(t) {
		return false
	}
	g.run.Ledger.enterAll(t)
	return true
}

// enterLocked is enter for whoever holds cutMu.
func (g *Gate) enterLocked(t Token) bool {
	if !t.composite() {
		return g.enter(t)
	}
	if c := g.run.Ledger.composites.at(t); !c.merged {
		return g.enterLocked(c.one[0].first)
	}
	return g.enterMerge(t)
}

// GateStage builds the gate before a stage that produces into the transaction. info is that
// stage's. foreign is called for an element that has no token, which nobody would deliver again
// after an abort, to end the run; where it is nil, those enter at once.
func GateStage[T any](at At, info *StageInfo, st Stage[T], foreign func()) Stage[T] {
	g := &gateStage[T]{isl: at.Island, gate: at.Island.run.Gate(), push: st.Push, expanding: at.Island.TakeExpanding()}
	at.Island.addHolder(g)
	return Stage[T]{Push: func(v T) {
		t := g.isl.frame.cur
		switch {
		case t == 0 && foreign == nil:
			g.push(v)
		case t == 0:
			g.isl.In(info)
			foreign()
		case !g.isl.ClaimRun():
		case len(g.vals) == 0 && g.enters(t):
			g.push(v)
		default:
			g.queue(v)
		}
	}, Done: func() {
		for len(g.vals) > 0 && g.isl.Await(g.due) {
			g.Flush()
		}
		g.drop()
		st.Done()
	}, Link: st.Link}
}

// gateStage sets aside what may not enter. It is a holder of its island.
type gateStage[T any] struct {
	isl       *Island
	gate      *Gate
	push      func(T)
	expanding bool
	entry     *entry // the assignment of the element that has entered last

	vals []T
	toks []Token
	turn uint64 // the gate's, when the last look found nothing that may enter
}

// enters lets the element in hand enter.
func (g *gateStage[T]) enters(t Token) bool {
	if t.composite() {
		return g.gate.enter(t)
	}
	e := g.entry
	if e == nil || e.index != t.Index() {
		if e = g.gate.run.Ledger.entry(t.Index()); e == nil {
			return false
		}
		g.entry = e
	}
	return e.enter(t.Position())
}

// queue lets the element in hand enter in its turn, or sets it aside: those that are set aside go
// first where they may enter, and it may only where none of them may.
func (g *gateStage[T]) queue(v T) {
	l := g.gate.run.Ledger
	l.cutMu.Lock()
	for g.opens() {
		l.cutMu.Unlock()
		g.Flush()
		l.cutMu.Lock()
	}
	entered := g.gate.enterLocked(g.isl.frame.cur)
	turn := g.gate.turns.Load()
	l.cutMu.Unlock()
	if entered {
		g.push(v)
		return
	}
	g.turn = turn
	g.vals, g.toks = append(g.vals, v), append(g.toks, g.isl.Out())
}

// due reports whether something that is set aside may enter.
func (g *gateStage[T]) due() bool { return g.turn != g.gate.turns.Load() }

// opens reports whether something is set aside, and may enter.
func (g *gateStage[T]) opens() bool { return len(g.vals) > 0 && g.due() }

// gateDue reports whether a gate in the island lets something in that is set aside, or is closed
// and holders may have something that an epoch waits for.
func (isl *Island) gateDue() bool {
	if len(isl.holders) == 0 {
		return false
	}
	if isl.run.wanted(wantGate) {
		return true
	}
	for _, h := range isl.holders {
		if g, ok := h.(interface{ opens() bool }); ok && g.opens() {
			return true
		}
	}
	return false
}

// Len implements Holding.
func (g *gateStage[T]) Len() int { return len(g.vals) }

// Deadline implements Holding: at once, when the gate has opened, or closed with another cut.
func (g *gateStage[T]) Deadline() time.Time {
	if g.due() {
		return time.Unix(0, 0)
	}
	return time.Time{}
}

// Flush implements Holding: what may enter goes on, in order.
func (g *gateStage[T]) Flush() {
	if len(g.vals) == 0 || !g.due() {
		return
	}
	l := g.gate.run.Ledger
	var vals []T
	var toks []Token
	l.cutMu.Lock()
	turn := g.gate.turns.Load()
	keptVals, keptToks := g.vals[:0], g.toks[:0]
	for i, t := range g.toks {
		if g.gate.enterLocked(t) {
			vals, toks = append(vals, g.vals[i]), append(toks, t)
		} else {
			keptVals, keptToks = append(keptVals, g.vals[i]), append(keptToks, t)
		}
	}
	l.cutMu.Unlock()
	clear(g.vals[len(keptVals):])
	g.vals, g.toks, g.turn = keptVals, keptToks, turn
	for i, v := range vals {
		outer := g.isl.Enter(toks[i], g.expanding)
		if g.isl.Halted() {
			g.isl.Abandon()
		} else {
			g.push(v)
		}
		g.isl.Leave(outer)
	}
}

// drop gives up what is still set aside: the run was stopped.
func (g *gateStage[T]) drop() {
	for _, t := range g.toks {
		g.isl.abandonToken(t)
	}
	g.vals, g.toks = nil, nil
}
