package partitions

import "github.com/vicuna-go/vicuna/internal/topics"

// Fetched says that records of a partition were fetched, the first of which lies at an offset. It
// reports whether somebody wants them: not where the partition is gone or going, nor where it is to
// be read again from a record before these; and where nobody takes them the client has to go back.
func (t *Table[F]) Fetched(tp topics.Partition, first int64) (*Part[F], bool) {
	p := t.parts[tp]
	switch {
	case p == nil || p.Going() || p.rewinding():
		return nil, false
	case !p.Attached() || p.missed:
		if !t.ends.Passed(tp, p.next) { // else it is written after the end of a bounded run
			p.miss(first)
		}
		return nil, false
	}
	return p, true
}

// Read says that records of a partition were taken; it is read from the offset after them.
func (t *Table[F]) Read(p *Part[F], after int64) { p.next = after }

// Refused says that records were not taken after all, because what takes them has ended since:
// whoever takes the partition next begins with them.
func (t *Table[F]) Refused(p *Part[F], first int64) {
	if !p.missed && !p.rewinding() {
		p.miss(first)
	}
}

// GoBack says that a partition is to be read from an offset, by the client.
func (t *Table[F]) GoBack(p *Part[F], offset int64) { p.next, p.missed = offset, true }

// NeedsSeek reports whether some partition is to be read again.
func (t *Table[F]) NeedsSeek() bool {
	for _, p := range t.parts {
		if p.missed && p.Attached() && !p.rewinding() {
			return true
		}
	}
	return false
}

// Seek lets the client go back where records were missed.
func (t *Table[F]) Seek() {
	for _, p := range t.parts {
		if p.missed && p.Attached() && !p.rewinding() {
			p.missed = false
			t.out.Seek = append(t.out.Seek, Seek{p.Partition, p.next})
		}
	}
}

// Rewound says that a fresh assignment has taken the place of one from which something was given
// up; its Flow is that of the fresh one. It begins at an offset.
func (t *Table[F]) Rewound(p *Part[F], from int64) {
	p.next, p.missed = from, false
	if p.reasons&User != 0 {
		t.out.Gate = append(t.out.Gate, Gate[F]{p, true})
	}
	t.out.Seek = append(t.out.Seek, Seek{p.Partition, from})
}
