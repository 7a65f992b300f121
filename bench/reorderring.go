package main

import (
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A reorderRing gives results in the order of their records. One goroutine fills
// slots (free), the client's promises mark them, another goroutine takes them
// (first, drop). A slot can hold its record, so that nothing is allocated for one:
// it is used again when its result was taken, which is after its promise ran. The
// size is the in-flight window.
type reorderRing struct {
	slots []slot // fixed when it is made

	// Each side keeps its own count and now and then looks at the other's.
	filled uint64 // the filling goroutine's
	seen   uint64 // what it last saw of taken
	taken  atomic.Uint64

	room  parking // the filling goroutine waits here
	ready parking // the taking one here
}

type slot struct {
	// The filling goroutine's until the record is produced, then its promise's until that has set
	// done, then the taking one's.
	rec     *kgo.Record // of the last filling
	own     kgo.Record  // for those who use it again and again
	pass    int64
	err     error
	done    atomic.Bool
	promise func(*kgo.Record, error) // made once, belongs to the slot
}

func newReorderRing(size int) *reorderRing {
	r := &reorderRing{slots: make([]slot, size), room: newParking(), ready: newParking()}
	for i := range r.slots {
		s := &r.slots[i]
		s.promise = func(_ *kgo.Record, err error) {
			s.err = err
			s.done.Store(true)
			r.ready.wake()
		}
	}
	return r
}

// free returns the next slot to fill, and waits while all are in flight.
func (r *reorderRing) free() *slot {
	size := uint64(len(r.slots))
	if r.filled-r.seen >= size {
		r.room.wait(func() bool {
			r.seen = r.taken.Load()
			return r.filled-r.seen < size
		})
	}
	s := &r.slots[r.filled%size]
	r.filled++
	return s
}

// first returns the oldest slot when its outcome is there.
func (r *reorderRing) first() *slot {
	s := &r.slots[r.taken.Load()%uint64(len(r.slots))]
	if !s.done.Load() {
		r.ready.wait(s.done.Load)
	}
	return s
}

// drop gives the oldest slot back.
func (r *reorderRing) drop() {
	n := r.taken.Load()
	r.slots[n%uint64(len(r.slots))].done.Store(false)
	r.taken.Store(n + 1)
	r.room.wake()
}

// parking is where one goroutine waits for another's word. A wake costs one load
// while nobody waits.
type parking struct {
	// parked is set by who waits and cleared by who wakes it through bell.
	parked atomic.Bool
	bell   chan struct{}
}

func newParking() parking { return parking{bell: make(chan struct{}, 1)} }

// wait returns when ok says so. It looks again after it said that it waits, so a
// change before that is seen and one after it rings the bell.
func (p *parking) wait(ok func() bool) {
	for {
		p.parked.Store(true)
		if ok() {
			p.parked.Store(false)
			return
		}
		<-p.bell
		if ok() {
			return
		}
	}
}

func (p *parking) wake() {
	if p.parked.Load() && p.parked.CompareAndSwap(true, false) {
		select {
		case p.bell <- struct{}{}:
		default:
		}
	}
}
