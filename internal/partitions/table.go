package partitions

import (
	"slices"
	"time"

	"github.com/vicuna-go/vicuna/internal/memory"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// Table is all partitions of a run. Its methods are called under one lock, the run's.
type Table[F Flow] struct {
	o     Options
	parts map[topics.Partition]*Part[F]
	// those that are paused for Full or Share, and some that were
	throttled map[*Part[F]]bool
	// hurrying is which lanes were told to hurry, and why: who was told is told when it is over.
	hurrying map[Lane]Urgency
	ending   bool
	ends     Bounds
	// strained: the budget is full, and those that hold more than their share are paused.
	strained bool

	out     Commands[F]
	fetches map[topics.Partition]bool
	order   []topics.Partition // of fetches
}

// Options of a [Table].
type Options struct {
	// Share is what one of n partitions may hold; while the budget is strained it may be less.
	Share func(n int, strained bool) memory.Load
	// Patience is how long a record may be on its way before its partition counts as slow.
	Patience time.Duration
}

// New makes the table of a run that has no partition yet.
func New[F Flow](o Options) *Table[F] {
	return &Table[F]{o: o, parts: map[topics.Partition]*Part[F]{}, throttled: map[*Part[F]]bool{}, hurrying: map[Lane]Urgency{}, fetches: map[topics.Partition]bool{}}
}

// Get is a partition that is assigned, or nil.
func (t *Table[F]) Get(p topics.Partition) *Part[F] { return t.parts[p] }

// All are the assigned partitions. Nobody else may change the map.
func (t *Table[F]) All() map[topics.Partition]*Part[F] { return t.parts }

// Len is how many are assigned.
func (t *Table[F]) Len() int { return len(t.parts) }

// List names them, in order.
func (t *Table[F]) List() []topics.Partition {
	ps := make([]topics.Partition, 0, len(t.parts))
	for p := range t.parts {
		ps = append(ps, p)
	}
	topics.Sort(ps)
	return ps
}

// has reports whether it is this assignment of the partition that there is.
func (t *Table[F]) has(p *Part[F]) bool { return t.parts[p.Partition] == p }

// Join takes in a partition that was assigned. It is not fetched until somebody takes its records.
func (t *Table[F]) Join(tp topics.Partition, flow F) *Part[F] {
	p := &Part[F]{Partition: tp, Flow: flow, next: -1}
	t.parts[tp] = p
	// what is paused stays so across rebalances in the client, and so does what is not
	t.fetch(tp, false)
	return p
}

// Locate says that it is known where a partition begins: at next, which is -1 where only the client
// knows. What is known already stays.
func (t *Table[F]) Locate(p *Part[F], next int64) {
	if p.next < 0 {
		p.next = max(-1, next)
	}
	p.located = true
	p.change()
}

// LocateAnew is Locate where of two answers the later one counts, as nothing was read between them.
func (t *Table[F]) LocateAnew(p *Part[F], next int64) {
	p.next = -1
	t.Locate(p, next)
}

// Attach says that the records of a partition go a way, which its Flow has by now. It reports
// false, and nothing has happened, where the partition is gone or the run ends.
func (t *Table[F]) Attach(p *Part[F], lane Lane) bool {
	if !t.Attachable(p) {
		return false
	}
	p.lane = lane
	p.reasons &^= throttled
	delete(t.throttled, p)
	if p.reasons&User != 0 {
		t.out.Gate = append(t.out.Gate, Gate[F]{p, true})
	} else {
		t.fetch(p.Partition, true)
	}
	p.change()
	return true
}

// Attachable reports whether the records of a partition may be taken.
func (t *Table[F]) Attachable(p *Part[F]) bool { return !t.ending && !p.Going() && t.has(p) }

// Ended is how a sub-stream has ended.
type Ended struct {
	// Progress: it has finished something.
	Progress bool
	// Undone is the offset of the first record that it has not finished, -1 where there is none.
	Undone int64
	// Over: the run ends as well.
	Over bool
}

// Detach says that nobody takes the records of a partition any more: its sub-stream has ended, or
// could not begin. Where the partition stays another one is to follow: at once if it has finished
// something, else after a pause. One that has finished nothing would meet the same record again, a
// poisoned one that Each's policy skips the failures of; and each time the client drops what it has
// fetched of all partitions.
func (t *Table[F]) Detach(p *Part[F], how Ended) {
	p.lane = nil
	if how.Undone >= 0 {
		p.next, p.missed = how.Undone, true
	}
	pause := p.pauseBefore(how.Progress)
	p.change()
	if !t.Attachable(p) {
		return
	}
	t.fetch(p.Partition, false)
	if read := t.ends.Passed(p.Partition, p.next) && !p.missed; how.Over || read {
		return
	}
	t.out.Start = append(t.out.Start, Start[F]{p, pause})
}

// pauseBefore is how long to wait before a partition gets another sub-stream.
func (p *Part[F]) pauseBefore(progress bool) time.Duration {
	if progress {
		p.barren = 0
		return 0
	}
	p.barren++
	return min(firstPause<<min(p.barren-1, 16), longestPause)
}

const (
	firstPause   = 100 * time.Millisecond
	longestPause = 10 * time.Second
)

// Give says that a sub-stream of a partition is to be given out, and reports whether it is: a
// partition that has one which has not ended gets no second.
func (t *Table[F]) Give(tp topics.Partition) (*Part[F], bool) {
	p := t.parts[tp]
	if p == nil || p.Going() || p.given {
		return nil, false
	}
	p.given = true
	return p, true
}

// Closed says that the sub-stream that was given out has ended.
func (t *Table[F]) Closed(p *Part[F]) { p.given = false }

// Revoke says that partitions are being taken away, and returns those of them that there are.
func (t *Table[F]) Revoke(ps []topics.Partition) map[topics.Partition]*Part[F] {
	going := map[topics.Partition]*Part[F]{}
	for _, tp := range ps {
		if p := t.parts[tp]; p != nil {
			p.state = Revoking
			going[tp] = p
		}
	}
	return going
}

// Forget says that partitions were taken away.
func (t *Table[F]) Forget(parts map[topics.Partition]*Part[F]) {
	for _, p := range parts {
		p.state = Gone
		delete(t.throttled, p)
		if t.has(p) {
			delete(t.parts, p.Partition)
		}
	}
}

// End says that the run ends, or its source has completed: no partition is taken in any more, and
// none begins. It returns those that there are, which are nobody's from now on.
func (t *Table[F]) End() map[topics.Partition]*Part[F] {
	t.ending = true
	parts := t.parts
	for _, p := range parts {
		p.state = Gone
	}
	t.parts = map[topics.Partition]*Part[F]{}
	return parts
}

// Ending reports whether End was called.
func (t *Table[F]) Ending() bool { return t.ending }

// Lanes are those of the partitions whose records are taken, each once.
func (t *Table[F]) Lanes() []Lane {
	var lanes []Lane
	seen := map[Lane]bool{}
	for _, p := range t.parts {
		if p.Attached() && !seen[p.lane] {
			seen[p.lane] = true
			lanes = append(lanes, p.lane)
		}
	}
	return lanes
}

// NotAssigned finds the first of partitions that is not there, or is being taken away.
func (t *Table[F]) NotAssigned(ps []topics.Partition) (topics.Partition, bool) {
	i := slices.IndexFunc(ps, func(tp topics.Partition) bool {
		p := t.parts[tp]
		return p == nil || p.Going()
	})
	if i < 0 {
		return topics.Partition{}, false
	}
	return ps[i], true
}
