package feed

import (
	"context"
	"time"

	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

// End is how an assignment has ended.
type End struct {
	Partition topics.Partition
	// Mark is the last that may be committed, where Committable is true.
	Mark        tracker.Mark
	Committable bool
	// Next is the offset of the first record that was delivered and never given to the island; -1
	// where there is none.
	Next int64
	// Undone is the offset of the first record that was delivered and is not finished; -1 where
	// there is none.
	Undone int64
	// Unanswered is that record, where it waited for nothing but answers to its hand-overs; no
	// Answers are missing where that is not so.
	Unanswered tracker.Unanswered
	// Outstanding is the number of records that were neither finished nor given up, and are
	// dropped.
	Outstanding int
}

// Revocation is a revoke that has begun. Wait must be called.
type Revocation[T any] struct {
	f     *Feed[T]
	as    []*Assignment[T]
	by    time.Time
	hurry *core.Hurry
}

// Revoke begins to end the partitions' assignments, within a time: it delivers nothing more of
// them, takes back what has passed no operator, makes the cut, and hurries the run. What has begun
// is finished, and nothing else begins. It does not wait. Partitions that are not assigned, or are
// being revoked already, are left out. A partition may be assigned again while it is being revoked.
func (f *Feed[T]) Revoke(within time.Duration, partitions ...topics.Partition) *Revocation[T] {
	r := &Revocation[T]{f: f, by: time.Now().Add(within)}
	f.mu.Lock()
	for _, p := range partitions {
		if a := f.live[p]; a != nil && a.current() {
			f.setState(a, revoking)
			a.reclaim()
			r.as = append(r.as, a)
		}
	}
	f.mu.Unlock()
	if len(r.as) > 0 {
		f.run.FreezeFor(indexesOf(r.as), within)
	}
	r.hurry = f.run.Hurry("revoke")
	return r
}

// Wait waits until nothing of the partitions is outstanding, or the time is over; the rest is
// dropped. What it returns is to be committed now: afterwards nothing of these assignments is
// committable.
func (r *Revocation[T]) Wait() []End {
	r.Await()
	return r.End()
}

// Await is the waiting of Wait alone; false: the time was over first, or the run is. A transaction
// commits before End.
func (r *Revocation[T]) Await() bool {
	if len(r.as) == 0 {
		return true
	}
	// Its parent ends when the run is stopped, and when it is over.
	ctx, cancel := context.WithDeadline(r.f.run.Context(), r.by)
	defer cancel()
	return r.f.await(ctx, nil, func() bool { return anyOutstanding(r.as) })
}

// End is the end of Wait alone.
func (r *Revocation[T]) End() []End {
	defer r.hurry.Release()
	if len(r.as) == 0 {
		return nil
	}
	return r.f.end(r.as, false)
}

// await waits until nothing that outstanding looks at is; false: ctx has ended first, or stopped
// was closed.
func (f *Feed[T]) await(ctx context.Context, stopped <-chan struct{}, outstanding func() bool) bool {
	for {
		changed := f.bell.Listen()
		f.run.CollectPending()
		if !outstanding() {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		case <-stopped:
			return false
		}
	}
}

func anyOutstanding[T any](as []*Assignment[T]) bool {
	for _, a := range as {
		if a.tracker.Outstanding() > 0 {
			return true
		}
	}
	return false
}

// Lose ends the partitions' assignments at once: they are somebody else's already, and nothing of
// them is committed.
func (f *Feed[T]) Lose(partitions ...topics.Partition) []End {
	f.mu.Lock()
	var as []*Assignment[T]
	for _, p := range partitions {
		as = append(as, f.all(p)...)
	}
	for _, a := range as {
		if a.current() {
			f.setState(a, revoking) // nothing rewinds it any more
		}
	}
	f.mu.Unlock()
	lost := map[topics.Partition]int{}
	for k, n := range f.run.Lose(indexesOf(as)) {
		lost[as[k].partition] += n
	}
	ends := f.end(as, true)
	for i := range ends {
		ends[i].Mark, ends[i].Committable = tracker.Mark{}, false
		ends[i].Outstanding += lost[ends[i].Partition]
	}
	return ends
}

func indexesOf[T any](as []*Assignment[T]) []uint32 {
	indexes := make([]uint32, len(as))
	for i, a := range as {
		indexes[i] = a.index
	}
	return indexes
}

// end ends assignments, and drops what is left of them.
func (f *Feed[T]) end(as []*Assignment[T], lost bool) (ends []End) {
	f.run.CollectPending()
	if f.opts.Once {
		// also where downstream wanted no more, or the run was stopped
		f.run.Freeze(indexesOf(as)...)
	}
	for _, a := range as {
		f.mu.Lock()
		a.reclaim()
		unanswered, _ := a.tracker.Unanswered()
		left := a.tracker.Outstanding()
		unfinished := a.tracker.Frontier()
		f.mu.Unlock()
		if left > 0 {
			// Its time is over: nothing of it finishes any more, and no batch that it is in.
			f.run.GiveUpFrom(a.index, unfinished)
		}
		if !lost {
			f.run.NoteUndone(a.index, a.tracker.Undone)
		}
		f.mu.Lock()
		undone, _, any := a.tracker.Oldest() // now that it does not move any more
		if !any {
			undone = -1
		}
		if offset, ok := a.tracker.Begun(); ok && (a.next < 0 || offset < a.next) {
			a.next = offset // given back by the cut
		}
		mark, ok, _ := a.tracker.Close()
		first := a.state != ended
		f.setState(a, ended)
		f.remove(a)
		// under the lock: the island may have some in hand, and gives those back later
		next := a.next
		f.mu.Unlock()
		if !first {
			continue // lost while it was being revoked
		}
		f.run.Ledger.Release(a.index)
		ends = append(ends, End{Partition: a.partition, Mark: mark, Committable: ok, Next: next, Undone: undone, Unanswered: unanswered, Outstanding: left})
	}
	return ends
}

// Rewound is an assignment that took the place of another from which something was abandoned.
type Rewound[T any] struct {
	*Assignment[T]
	// From is the offset of the first record that was not done: the next to be delivered.
	From int64
}

// Rewind gives a fresh assignment to each partition from which an element was given up, or that was
// paused while elements that had not begun lay in the stream, unless the feed or the run is ending.
// What lies before that element is finished first; until then the stream hurries, and the partition
// is left out. The poller calls it when it is woken, and goes on from there. What was committable
// under the old assignment still is.
func (f *Feed[T]) Rewind() (rewound []Rewound[T], err error) {
	if !f.abandoned.Swap(false) && f.rewinding.Load() == 0 {
		return nil, nil
	}
	f.run.CollectPending() // what is finished is not delivered again
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ending() {
		return nil, nil
	}
	for _, a := range append([]*Assignment[T](nil), f.rota...) {
		if a.state == live && a.tracker.Abandoned() {
			f.setState(a, rewinding)
			a.reclaim()
		}
		if a.state != rewinding || a.tracker.Outstanding() > 0 {
			continue
		}
		from, _, undone := a.tracker.Oldest()
		if f.opts.Once {
			from, _ = a.tracker.Begun()
		}
		mark, _, _ := a.tracker.Close()
		if !undone && !f.opts.Once {
			from = mark.Offset // paused, and everything that was delivered had begun
		}
		a.reclaim()
		f.setState(a, ended)
		f.remove(a)
		f.run.Ledger.Release(a.index)
		fresh, err := f.assign(a.partition, mark)
		if err != nil {
			return rewound, err
		}
		rewound = append(rewound, Rewound[T]{Assignment: fresh, From: from})
	}
	return rewound, nil
}

// rewindable reports whether some partition waits for nothing more before it is rewound.
func (f *Feed[T]) rewindable() bool {
	if f.rewinding.Load() == 0 {
		return false
	}
	f.run.CollectPending()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.rota {
		if a.state == rewinding && a.tracker.Outstanding() == 0 {
			return !f.ending()
		}
	}
	return false
}

func (f *Feed[T]) ending() bool {
	return f.cancelled || f.complete || f.run.Draining() || f.run.Stopped()
}

// Quiesce hurries the run and waits until nothing is outstanding; false when ctx ends or the run is
// stopped first. The poller must have stopped.
func (f *Feed[T]) Quiesce(ctx context.Context) bool {
	defer f.run.Hurry("quiesce").Release()
	return f.await(ctx, f.run.StopC(), func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return anyOutstanding(f.rota)
	})
}

// Epoch is how the end of a transaction's epoch has come out.
type Epoch uint8

const (
	// Whole: everything that has entered the transaction is finished, and may be committed.
	Whole Epoch = iota
	// GivenUp: something was given up, and will not be finished.
	GivenUp
	// Unfinished: the time was over first, or the run was stopped.
	Unfinished
)

// AwaitEpoch waits, with the gate of the run closed, until everything before its cuts is finished,
// or ctx ends, or the run is stopped. Whatever is given up meanwhile ends it, wherever it lies: the
// run is not going to end well.
func (f *Feed[T]) AwaitEpoch(ctx context.Context) Epoch {
	gate, givenUp := f.run.Gate(), false
	whole := f.await(ctx, f.run.StopC(), func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		unfinished := false
		for _, a := range f.rota {
			givenUp = givenUp || a.tracker.Abandoned()
			unfinished = !a.tracker.Reached(gate.Entered(a.index)) || unfinished
		}
		return unfinished && !givenUp
	})
	switch {
	case givenUp:
		return GivenUp
	case !whole || f.run.Stopped():
		return Unfinished
	}
	return Whole
}

// Finish ends all assignments when the run is over (Run.OnEnd). Elements that user code has, and
// has not committed yet, are waited for until ctx ends, except after a hard stop or where
// downstream wanted no more.
func (f *Feed[T]) Finish(ctx context.Context) []End { return f.end(f.Await(ctx), false) }

// Await is the waiting of Finish alone; it returns the assignments that are still there.
func (f *Feed[T]) Await(ctx context.Context) []*Assignment[T] {
	f.mu.Lock()
	as := append([]*Assignment[T](nil), f.rota...)
	wait := !f.run.Stopped() && (!f.cancelled || f.run.Draining())
	f.mu.Unlock()
	if wait {
		f.await(ctx, nil, func() bool { return anyOutstanding(as) })
	}
	return as
}
