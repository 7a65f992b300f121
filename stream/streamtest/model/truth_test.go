package model

import "fmt"

// Truth is what really happened to the records, kept beside the tokens and without them: each
// element carries the deliveries that it descends from, each delivery counts its living elements
// and remembers whether one of them was lost.

// delivery is one record, given to the graph once.
type delivery struct {
	part, rec int
	mark      token // the position that the source gave it
	live      int   // elements that descend from it and exist
	lost      bool  // one of them was dropped, so this delivery will never be complete
	era       int   // how often it may have been delivered again before
	// it went on in a merge with elements that have no token, which a gap does not hold back
	untracked bool
	// it was lost by a failure that is skipped, and has no token by which it would be delivered
	// again
	excused   bool
	handed    int  // elements given to the user
	answered  int  // of those, elements that another graph has finished
	committed bool // the user called Commit on its Committable
}

// done tells whether everything that descends from the record was finished.
func (d *delivery) done() bool {
	return d.live == 0 && !d.lost && (d.handed == d.answered || d.committed)
}

// item is a value as a sink sees it: which delivery it came from and, for the order, its place in a
// FlatMap's output.
type item struct {
	d   *delivery
	sub int
}

// elem is an element: one item, or several after a Batch.
type elem struct {
	origin
	items []item
	batch bool
}

// origin is what an element descends from. That of an output is its input's: what a FlatMap makes
// of a batch descends from the whole batch.
type origin struct {
	prov   []*delivery
	shares []*share // of branches of broadcasts
}

func birth(of origin, items []item, batch bool) *elem {
	for _, d := range of.prov {
		d.live++
	}
	for _, s := range of.shares {
		s.live++
	}
	return &elem{origin: of, items: items, batch: batch}
}

// born is a record as an element.
func born(d *delivery) *elem { return birth(origin{prov: []*delivery{d}}, []item{{d: d}}, false) }

// end ends an element: finished (acknowledged, filtered, expanded …) or lost on the way.
func (e *elem) end(finished bool) {
	for _, s := range e.shares {
		s.end(false)
	}
	for _, d := range e.prov {
		d.live--
		if !finished {
			d.lost = true
		}
	}
}

func (e *elem) excuse() {
	for _, d := range e.prov {
		d.excused = true
	}
}

// hash makes a stage's decision about an element: always the same for the same record, and for all
// batches, which are composed otherwise each time.
func (e *elem) hash(salt int) int {
	it := e.items[0]
	h := uint32(it.d.part*7+it.d.rec*13+it.sub*5+salt*17+1)*2654435761 + 12345
	if e.batch {
		h = uint32(salt*17+3)*2654435761 + 12345
	}
	return int(h >> 16 & 0xff)
}

// violation is what a world found wrong, first thing only.
type violation struct{ kind, what string }

func (v *violation) String() string { return v.kind + ": " + v.what }

func (w *world) violate(kind, format string, args ...any) {
	if w.bad == nil {
		w.bad = &violation{kind, fmt.Sprintf(format, args...)}
	}
}

// complete tells whether some delivery of the record was complete.
func (w *world) complete(part, rec int) bool {
	for _, d := range w.deliveries[part][rec] {
		if d.done() {
			return true
		}
	}
	return false
}

// commit moves the committed offset of a partition and checks what that claims.
func (w *world) commit(part, to int) {
	for rec := w.committed[part]; rec < to; rec++ {
		if !w.complete(part, rec) {
			w.violate("not done", "record %d of partition %d was committed and is not done", rec, part)
		}
	}
	if to > w.committed[part] {
		w.trace("commit p%d to %d", part, to)
		w.committed[part] = to
	}
}

// checkVisible compares, right after the commit loop looked, its frontier with the truth.
func (w *world) checkVisible(a *assignment) {
	for pos := a.frontier + 1; pos <= len(a.marks); pos++ {
		if a.afterCut(pos) {
			return // given back
		}
		if d := w.deliveryAt(a, pos); !d.done() {
			if d.lost && a.gap == 0 && !a.revoking && !w.run.ending && !w.run.draining {
				w.violate("stranded", "record %d of partition %d was lost, and nothing delivers it again", d.rec, d.part)
			}
			return
		}
		w.violate("hidden", "record %d of partition %d is done and the commit loop does not see it", a.base+pos-1, a.part)
	}
}

// checkOrder is called when a sink takes an element whose way was ordered: per key, deliveries come
// in the order of their assignments, positions, and outputs of a FlatMap.
func (w *world) checkOrder(s *sink, e *elem) {
	for _, it := range e.items {
		if it.d.part < 0 || it.d.untracked {
			continue
		}
		key := it.d.part*2 + it.d.rec%2
		at := [3]int{int(it.d.mark.generation), int(it.d.mark.pos), it.sub}
		last := s.last[key]
		for i := range at {
			if at[i] > last[i] {
				break
			}
			if at[i] < last[i] {
				w.violate("order", "key %d: %v after %v", key, at, last)
				return
			}
		}
		s.last[key] = at
	}
}
