package partitions

import (
	"github.com/vicuna-go/vicuna/internal/memory"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// Pacing: which partitions are fetched.
//
// A partition whose tracker is full, or that holds more than its share of the memory, is not
// fetched until there is room. What the client has fetched of it already is thrown away and fetched
// again, and the fetch under way is without it; so a partition that is merely ahead of others is
// left alone, and one that is slow has enough to do until it is fetched again.
//
//   - While the budget lasts, twice its share is too much for one that is slow.
//   - Once the budget is full because some hold more than their share and are slow to finish it,
//     while others hold less, those that hold more are paused (Strain). The others may have as much
//     again between them, and nobody more than its share of that, as slow ones may be among them,
//     too.
//   - Where nothing waits to be taken, holders (a Batch) wait for more, which does not come: the
//     stream hurries.

// Pause stops the delivery and the fetching of partitions for the user, or ends that. They are all
// there (NotAssigned).
func (t *Table[F]) Pause(ps []topics.Partition, on bool) {
	for _, tp := range ps {
		p := t.parts[tp]
		if on {
			p.reasons |= User
		} else {
			p.reasons &^= User
		}
		p.change()
		if !p.Attached() {
			continue
		}
		t.out.Gate = append(t.out.Gate, Gate[F]{p, on})
		if p.reasons&throttled == 0 {
			t.fetch(tp, !on)
		}
	}
}

// Delivered says that a partition has got more, and pauses it where that is too much. It reports
// whether it has.
func (t *Table[F]) Delivered(p *Part[F]) bool {
	if p.reasons&throttled != 0 || !p.Attached() || !t.has(p) {
		return false
	}
	switch {
	case p.Flow.Full():
		t.throttle(p, Full)
	case t.tooMuch(p):
		t.throttle(p, Share)
	default:
		return false
	}
	return true
}

// share is what one partition may hold now.
func (t *Table[F]) share() memory.Load { return t.o.Share(len(t.parts), t.strained) }

// tooMuch reports whether a partition is to be paused for what it holds: its share, where what is
// left is for those that have nothing; else twice its share, if it is slow to finish that.
func (t *Table[F]) tooMuch(p *Part[F]) bool {
	share := t.share()
	if t.strained {
		return p.Flow.Load().Exceeds(1, share)
	}
	return p.Flow.Load().Exceeds(2, share) && t.lags(p)
}

// throttle pauses a partition until there is room again.
func (t *Table[F]) throttle(p *Part[F], why Reason) {
	p.reasons |= why
	t.throttled[p] = true
	t.fetch(p.Partition, false)
	p.change()
}

// hogs reports whether a partition has more than its share. It may hold little itself and pin much:
// its few records keep whole responses alive. That looks at each delivery in flight, so it is not
// for every delivery.
func (t *Table[F]) hogs(p *Part[F], share memory.Load) bool {
	return p.Flow.Load().Exceeds(1, share) || p.Flow.Pinned() > share.Bytes
}

// lags reports whether what a partition holds takes long, in which case pausing it costs nothing.
func (t *Table[F]) lags(p *Part[F]) bool {
	age, ok := p.Flow.Age()
	return ok && age > t.o.Patience
}

// Strain is for when the budget has been full for a while. Where some partition is slow and others
// hold less than their share, those that hold more are paused; else not polling does as well, and
// Strain reports false.
func (t *Table[F]) Strain() bool {
	var hogs []*Part[F]
	slow, others := false, false
	share := t.o.Share(len(t.parts), true)
	for _, p := range t.parts {
		hog := p.Attached() && t.hogs(p, share)
		switch {
		case p.reasons&throttled != 0, p.reasons&User != 0 && hog:
			slow = true
		case !p.Attached():
		case p.reasons&User != 0:
			slow = slow || p.Flow.Load() != (memory.Load{})
		case !hog:
			others = true
			slow = slow || t.lags(p)
		default:
			hogs = append(hogs, p)
			slow = slow || t.lags(p)
		}
	}
	if !slow || !others {
		return false
	}
	for _, p := range hogs {
		t.throttle(p, Share)
	}
	t.strained = true
	return true
}

// Relax says that the budget is not full any more.
func (t *Table[F]) Relax() { t.strained = false }

// Strained reports whether the partitions that hold more than their share are paused.
func (t *Table[F]) Strained() bool { return t.strained }

// Release lets partitions be fetched again that have room, and hurries where one has none while
// nothing waits to be taken.
func (t *Table[F]) Release() {
	starving := map[Lane]bool{}
	share := t.share()
	for p := range t.throttled {
		switch {
		case !t.has(p) || !p.Attached() || p.Going():
			delete(t.throttled, p)
		case !p.Flow.Full() && !t.hogs(p, share):
			p.reasons &^= throttled
			delete(t.throttled, p)
			p.change()
			if p.reasons&User == 0 {
				t.fetch(p.Partition, true)
			}
		case p.Flow.Starved():
			starving[p.lane] = true
		}
	}
	t.hurry(Starved, starving)
}

// Idle is told whether nothing is fetched because the budget is used up. Lanes to which nothing is
// on its way hurry then.
func (t *Table[F]) Idle(spent bool) {
	idle := map[Lane]bool{}
	if spent {
		for _, l := range t.Lanes() {
			idle[l] = true
		}
		for _, p := range t.parts {
			if p.Attached() && p.reasons&User == 0 && p.Flow.Queued() > 0 {
				delete(idle, p.lane)
			}
		}
	}
	t.hurry(Spent, idle)
}
