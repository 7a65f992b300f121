package partitions

import "github.com/vicuna-go/vicuna/internal/topics"

// Bounds are the ends to which a bounded run reads. The zero value is none.
type Bounds struct {
	// Known says that there are ends, and that they are known.
	Known bool
	// First is where partitions without a committed offset begin.
	First map[topics.Partition]int64
	// Ends are those of the partitions that were there when the run started.
	Ends map[topics.Partition]int64
}

// Of is the end of a partition; one that is newer than the run's start ends at 0. false: there is
// none, or it is not known yet.
func (b Bounds) Of(p topics.Partition) (int64, bool) { return b.Ends[p], b.Known }

// From is the offset from which a partition is read: next, or its first record where that is not
// known.
func (b Bounds) From(p topics.Partition, next int64) int64 {
	if next < 0 {
		return b.First[p]
	}
	return next
}

// Passed reports whether a partition that is read from next on was read to its end.
func (b Bounds) Passed(p topics.Partition, next int64) bool {
	return b.Known && b.From(p, next) >= b.Ends[p]
}

// Bound tells the ends.
func (t *Table[F]) Bound(b Bounds) { t.ends = b }

// Bounds are the ends.
func (t *Table[F]) Bounds() Bounds { return t.ends }

// read reports whether everything up to the end of a partition was fetched.
func (t *Table[F]) read(p *Part[F]) bool {
	return t.ends.Passed(p.Partition, p.next) && !p.missed && p.Flow.Staged() == 0
}

// Finish completes the lanes of what was read to its end and finished; what was given up has to be
// delivered again first. It reports whether that is everything. In between it hurries: nothing more
// comes, and holders need not wait.
func (t *Table[F]) Finish() (all bool) {
	if !t.ends.Known {
		return false
	}
	type lane struct{ read, finished bool }
	lanes := map[Lane]lane{}
	all = len(t.parts) > 0
	for _, p := range t.parts {
		read := t.read(p) && !p.Going()
		if !p.Attached() {
			all = all && read
			continue
		}
		l, seen := lanes[p.lane]
		lanes[p.lane] = lane{(l.read || !seen) && read, (l.finished || !seen) && p.Flow.Finished()}
	}
	ending := map[Lane]bool{}
	for l, is := range lanes {
		finished := is.read && is.finished && !l.Rewinds()
		all = all && finished
		if finished {
			t.out.Complete = append(t.out.Complete, l)
		} else if is.read {
			ending[l] = true
		}
	}
	t.hurry(AtEnd, ending)
	t.out.CompleteAll = t.out.CompleteAll || all
	return all
}

// AtRest reports whether a partition waits to be read to its end while nothing is in the way of
// that: its tail may hold nothing that can be read.
func (t *Table[F]) AtRest(p *Part[F]) bool {
	return p.state == Flowing && !p.missed && p.Flow.Staged() == 0 && !p.Flow.Rewinding() && p.Flow.Queued() == 0 &&
		!t.ends.Passed(p.Partition, p.next)
}

// Skip says that there is nothing to read of a partition from one offset up to another, unless
// something has come of it meanwhile.
func (t *Table[F]) Skip(p *Part[F], from, to int64) {
	same := p.next == from || p.next < 0 && from == t.ends.First[p.Partition]
	if t.has(p) && same && !p.Going() && !p.missed && !p.rewinding() {
		p.next = to
	}
}
