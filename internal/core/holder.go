package core

import "time"

// Holder keeps elements of an operator until it emits them together: a batch, a window. It is
// embedded in the operator's state, which so becomes a [Holding]:
//
//	type pairs[T any] struct {
//		core.Holder[T]
//		push func([]T)
//	}
//
//	func (p *pairs[T]) Flush() { p.Emit(p.push) }
//
//	p := &pairs[T]{push: st.Push}
//	p.Attach(at, p, 2)
//	return core.Stage[T]{Push: func(v T) {
//		at.Island.In(info)
//		if p.Add(v); p.Len() == 2 {
//			p.Flush()
//		}
//	}, Done: func() { p.Flush(); st.Done() }, Link: st.Link}
//
// That is all: a hurry, what lies after a cut, and the tokens of what is kept and emitted are seen
// to here and by the island.
type Holder[T any] struct {
	isl       *Island
	expanding bool // a stage that follows expands
	size      int
	vals      []T
	toks      heldTokens
	// only what lies before the cuts of a closed gate is wanted; see Island.flush
	onlyBefore bool
}

// Holding is an operator that keeps elements, as its island sees it, on whose goroutine all is
// called.
type Holding interface {
	// Len is the number of elements that are held. Nothing else is called while there are none.
	Len() int
	// Flush emits what is held, now: the stream hurries, or the deadline has come.
	Flush()
	// Deadline says when Flush is due; zero is never.
	Deadline() time.Time
}

// Attach makes it the holder of an operator, after the operator's downstream was built. size is how
// many elements it usually holds.
func (h *Holder[T]) Attach(at At, op Holding, size int) {
	h.isl, h.expanding, h.size = at.Island, at.Island.TakeExpanding(), size
	at.KeepsUnbegun()
	at.Island.addHolder(op)
}

// Add keeps the element in hand, or what was made of it.
func (h *Holder[T]) Add(v T) {
	if h.vals == nil {
		h.vals = make([]T, 0, h.size)
	}
	h.toks.keep(h.isl.Out())
	h.vals = append(h.vals, v)
}

// Len is the number of elements that are held.
func (h *Holder[T]) Len() int { return len(h.vals) }

// Deadline is never, by default.
func (h *Holder[T]) Deadline() time.Time { return time.Time{} }

// Emit pushes all that is held, as one element, and holds nothing any more. What lies after a cut
// is given back and left out; where nothing is left, push is not called. Where a gate is closed,
// and some of what is held lies before its cuts and some after them, those are two elements, and
// while nothing else asks for the second it stays. The slice is push's.
func (h *Holder[T]) Emit(push func([]T)) {
	for len(h.vals) > 0 {
		vals := h.vals
		em := h.toks.emit(h.isl)
		out, left := split(em, vals)
		if h.vals = left; len(out) > 0 {
			outer := h.isl.Enter(em.token, h.expanding)
			push(out)
			h.isl.Leave(outer)
		}
		if h.onlyBefore {
			return
		}
	}
}

// Held are the elements that are held, until the next Add or Emit.
func (h *Holder[T]) Held() []T { return h.vals }

// heldBefore implements gated.
func (h *Holder[T]) heldBefore() bool { return h.toks.anyBefore(h.isl.run.Ledger) }

// emitOnlyBefore implements gated.
func (h *Holder[T]) emitOnlyBefore(only bool) { h.onlyBefore = only }

// gated is a Holding that may emit what lies before the cuts of a closed gate, and keep the rest: a
// Holder, and a sink whose client lets records linger.
type gated interface {
	heldBefore() bool
	emitOnlyBefore(only bool)
}

// flushedBefore lets a holder emit what lies before the cuts of a closed gate, and reports whether
// it holds any.
func flushedBefore(h Holding) bool {
	g, ok := h.(gated)
	if !ok || !g.heldBefore() {
		return false
	}
	g.emitOnlyBefore(true)
	defer g.emitOnlyBefore(false)
	h.Flush()
	return true
}

// onHurry is a Holding that keeps what only a hurry brings out, and nobody counts.
type onHurry func()

func (f onHurry) Len() int            { return 1 }
func (f onHurry) Flush()              { f() }
func (f onHurry) Deadline() time.Time { return time.Time{} }

func (f onHurry) heldBefore() bool    { return true }
func (f onHurry) emitOnlyBefore(bool) {}

// OnHurry calls f when the stream hurries, or a gate is closed, whenever the island's input is
// empty or a chunk ends: for a sink whose client lets records linger.
func (isl *Island) OnHurry(f func()) { isl.addHolder(onHurry(f)) }

// addHolder adds a holder upstream of those that were added before: chains are built from their
// end.
func (isl *Island) addHolder(h Holding) {
	isl.holders = append([]Holding{h}, isl.holders...)
}

// flush lets holders emit: all of them under hurry, else those whose time has come, and those that
// hold something that the end of a transaction's epoch waits for. It returns the next deadline.
func (isl *Island) flush() (next time.Time) {
	hurried, gate, now := isl.run.Hurried(), isl.run.wanted(wantGate), time.Time{}
	for _, h := range isl.holders {
		switch {
		case h.Len() == 0:
		case hurried:
			h.Flush()
		case gate && flushedBefore(h):
		default:
			due := h.Deadline()
			if due.IsZero() {
				continue
			}
			if now.IsZero() {
				now = time.Now()
			}
			if !now.Before(due) {
				h.Flush()
			}
		}
	}
	for _, h := range isl.holders { // what one has emitted, another may hold
		if h.Len() == 0 {
			continue
		}
		if due := h.Deadline(); !due.IsZero() && (next.IsZero() || due.Before(next)) {
			next = due
		}
	}
	return next
}
