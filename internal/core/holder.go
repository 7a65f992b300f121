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
// is given back and left out; where nothing is left, push is not called. The slice is push's.
func (h *Holder[T]) Emit(push func([]T)) {
	if len(h.vals) == 0 {
		return
	}
	vals := h.vals
	h.vals = nil
	em := h.toks.emit(h.isl)
	if em.empty {
		return
	}
	outer := h.isl.Enter(em.token, h.expanding)
	push(only(vals, em.kept))
	h.isl.Leave(outer)
}

// only returns the elements that are kept; kept nil is all of them.
func only[T any](vals []T, kept func(i int) bool) []T {
	if kept == nil {
		return vals
	}
	left := vals[:0]
	for i, v := range vals {
		if kept(i) {
			left = append(left, v)
		}
	}
	clear(vals[len(left):])
	return left
}

// onHurry is a Holding that keeps what only a hurry brings out, and nobody counts.
type onHurry func()

func (f onHurry) Len() int            { return 1 }
func (f onHurry) Flush()              { f() }
func (f onHurry) Deadline() time.Time { return time.Time{} }

// OnHurry calls f when the stream hurries, whenever the island's input is empty or a chunk ends:
// for a sink whose client lets records linger.
func (isl *Island) OnHurry(f func()) { isl.addHolder(onHurry(f)) }

// addHolder adds a holder upstream of those that were added before: chains are built from their
// end.
func (isl *Island) addHolder(h Holding) {
	isl.holders = append([]Holding{h}, isl.holders...)
}

// flush lets holders emit: all of them under hurry, else those whose time has come. It returns the
// next deadline.
func (isl *Island) flush() (next time.Time) {
	hurried, now := isl.run.Hurried(), time.Time{}
	for _, h := range isl.holders {
		switch {
		case h.Len() == 0:
		case hurried:
			h.Flush()
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
