package feed

import (
	"sync/atomic"
	"time"

	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

type state uint8

const (
	live state = iota
	// rewinding: from some place on it is read again, as something was given up, or held back; what
	// lies before is waited for
	rewinding
	revoking // nothing more is delivered; what travels is waited for
	ended
)

// Assignment is one assignment of one partition, from its start (or a rewind) to its end.
type Assignment[T any] struct {
	// Fixed when it is made.
	feed      *Feed[T]
	partition Partition
	index     uint32
	tracker   *tracker.Tracker

	// Under the feed's lock.
	state  state
	at     int            // in the feed's turns; -1 once it is out
	before *Assignment[T] // an earlier one of the partition that is being revoked
	queue  []core.Chunk[T]
	queued int // elements in the queue, those that the island has in hand included
	lent   int // elements at the front of the queue that the island has in hand
	paused bool
	next   int64 // the offset of the first element that was taken back; -1 where none was

	// Added to by whoever delivers or ends a record of it.
	charged, chargedRecords atomic.Int64
}

// Partition is the one that is assigned.
func (a *Assignment[T]) Partition() Partition { return a.partition }

// Position is the one that the first element of the next delivery gets; a Committable remembers its
// element's.
func (a *Assignment[T]) Position() uint64 { return a.tracker.Position() }

// Commit finishes a position that was handed to user code; see [tracker.Tracker.Commit]. Any
// goroutine, any number of times, at any time.
func (a *Assignment[T]) Commit(position uint64) { a.tracker.Commit(position) }

// Answer answers one hand-over of a position; see [tracker.Tracker.Answer]. Any goroutine, at any
// time.
func (a *Assignment[T]) Answer(position uint64) { a.tracker.Answer(position) }

// Token is that of a position, and the ledger in which it is one.
func (a *Assignment[T]) Token(position uint64) (*core.Ledger, core.Token) {
	return a.feed.run.Ledger, core.MakeToken(a.index, position)
}

// Room is how many elements should be delivered now: what the tracker and the queue have room for.
// [Feed.Listen] tells when there is more.
func (a *Assignment[T]) Room() int {
	a.feed.mu.Lock()
	defer a.feed.mu.Unlock()
	if a.state != live || a.feed.cancelled {
		return 0
	}
	return max(0, min(a.tracker.Room(), a.feed.opts.Queue-a.queued))
}

// Starved reports whether nothing waits in the queue while something travels: where no more is
// delivered, only that can make room.
func (a *Assignment[T]) Starved() bool {
	a.feed.mu.Lock()
	defer a.feed.mu.Unlock()
	return a.state == live && a.queued == a.lent && a.tracker.Outstanding() > 0
}

// Charged is what deliveries were charged with that are not given back: bytes, and all of their
// elements.
func (a *Assignment[T]) Charged() (bytes, records int64) {
	return a.charged.Load(), a.chargedRecords.Load()
}

// Pinned is how many bytes the leases hold together that outstanding elements keep alive.
func (a *Assignment[T]) Pinned() int64 { return a.tracker.Pinned() }

// Queued is the number of elements that wait for the island.
func (a *Assignment[T]) Queued() int {
	a.feed.mu.Lock()
	defer a.feed.mu.Unlock()
	return a.queued - a.lent
}

// Waiting is [Assignment.Queued] with the elements that the island has in hand and may not have
// come to.
func (a *Assignment[T]) Waiting() int {
	a.feed.mu.Lock()
	defer a.feed.mu.Unlock()
	return a.queued
}

// Pause keeps elements from beginning, or lets them go on. What is queued is kept from the island,
// and of what that has in hand it goes on with no further element. Where stages after it keep
// elements that have not begun, those are given back: the assignment is rewound to them once all
// before them is finished. Any goroutine, and within the functions of the stream.
func (a *Assignment[T]) Pause(paused bool) {
	f := a.feed
	f.mu.Lock()
	a.paused = paused
	inHand := a.lent > 0
	travels := a.tracker.Outstanding() > a.queued-a.lent
	hold := paused && f.isl.KeepsUnbegun() && a.state == live && travels && !f.ending()
	if hold {
		f.setState(a, rewinding)
		a.reclaim()
	}
	f.mu.Unlock()
	switch {
	case hold:
		f.run.Hold(a.index)
	case paused && inHand:
		f.isl.Yield()
	}
	f.isl.Wake()
}

// HandedOver reports whether anything of the assignment was ever handed over to user code.
func (a *Assignment[T]) HandedOver() bool { return a.tracker.HandedOver() }

// Full reports whether the tracker has reached its limit, and has no room yet.
func (a *Assignment[T]) Full() bool { return a.tracker.Full() }

// current reports whether the partition is assigned by it; the caller holds the lock.
func (a *Assignment[T]) current() bool { return a.state == live || a.state == rewinding }

// Rewinding reports whether it waits to be read again from a record that was given up: what is
// fetched meanwhile is not wanted.
func (a *Assignment[T]) Rewinding() bool {
	a.feed.mu.Lock()
	defer a.feed.mu.Unlock()
	return a.state == rewinding
}

// Live reports whether deliveries are accepted.
func (a *Assignment[T]) Live() bool {
	a.feed.mu.Lock()
	defer a.feed.mu.Unlock()
	return a.state == live && !a.feed.cancelled
}

// Deliver queues elements, and counts them as outstanding. at tells offset and leader epoch of the
// i-th; it is called at once and must call nothing of the feed. The slice is the feed's from now
// on. It reports false, and nothing has happened, where the assignment has ended.
func (a *Assignment[T]) Deliver(vals []T, at func(i int) (offset int64, epoch int32)) bool {
	return a.deliver(vals, 0, nil, nil, func(t *tracker.Tracker) uint64 { return t.Delivered(len(vals), at) })
}

// Offsets tells where the elements of a delivery lie: one behind the other from First on, or, where
// At is given, where that says.
type Offsets struct {
	First int64
	Epoch int32
	At    func(i int) (offset int64, epoch int32)
}

// DeliverCharged is [Assignment.Deliver] with the number of bytes that the elements hold in memory,
// the lease under which they are given back when none of the elements is outstanding, and, unless
// that is nil, the lot that is then told if all are done.
func (a *Assignment[T]) DeliverCharged(vals []T, at Offsets, bytes int64, lease *tracker.Lease, lot tracker.Lot) bool {
	return a.deliver(vals, bytes, lease, lot, func(t *tracker.Tracker) uint64 {
		if at.At != nil {
			return t.Delivered(len(vals), at.At)
		}
		return t.DeliveredRun(len(vals), at.First, at.Epoch)
	})
}

// DeliverRun is [Assignment.Deliver] for consecutive offsets of one leader epoch.
func (a *Assignment[T]) DeliverRun(vals []T, offset int64, epoch int32) bool {
	return a.deliver(vals, 0, nil, nil, func(t *tracker.Tracker) uint64 { return t.DeliveredRun(len(vals), offset, epoch) })
}

func (a *Assignment[T]) deliver(vals []T, bytes int64, lease *tracker.Lease, lot tracker.Lot, count func(*tracker.Tracker) uint64) bool {
	f := a.feed
	f.mu.Lock()
	if a.state != live || f.cancelled {
		f.mu.Unlock()
		return false
	}
	if len(vals) > 0 {
		first := count(a.tracker)
		if lease != nil && a.tracker.Charge(len(vals), bytes, lease, lot) {
			a.charged.Add(bytes)
			a.chargedRecords.Add(int64(len(vals)))
		}
		a.queue = append(a.queue, core.Chunk[T]{Vals: vals, First: core.MakeToken(a.index, first)})
		a.queued += len(vals)
	}
	f.mu.Unlock()
	f.isl.Wake()
	return true
}

// Lot is that of the delivery in which an outstanding element came, or nil.
func (a *Assignment[T]) Lot(position uint64) tracker.Lot { return a.tracker.Lot(position) }

// Committable is what may be committed now; see [tracker.Tracker.Committable].
func (a *Assignment[T]) Committable() (tracker.Mark, bool) { return a.tracker.Committable() }

// Outstanding is the number of elements from the poll on that are neither finished nor given up.
func (a *Assignment[T]) Outstanding() int { return a.tracker.Outstanding() }

// Travelling is Outstanding without those that wait for nothing but user code's Commit.
func (a *Assignment[T]) Travelling() int { return a.tracker.Travelling() }

// Abandoned reports whether an element was given up and has to be delivered again.
func (a *Assignment[T]) Abandoned() bool { return a.tracker.Abandoned() }

// Oldest tells the offset of the first record that is not done and how long ago it was delivered.
func (a *Assignment[T]) Oldest() (offset int64, age time.Duration, ok bool) {
	return a.tracker.Oldest()
}

// Unanswered tells of the first record that is not done, where it waits for nothing but answers to
// its hand-overs.
func (a *Assignment[T]) Unanswered() (u tracker.Unanswered, ok bool) { return a.tracker.Unanswered() }

// reclaim takes the queue back, except what the island has in hand; the caller holds the lock.
func (a *Assignment[T]) reclaim() {
	if a.queued == a.lent {
		return
	}
	head := a.queue[0]
	from := head.First.Position() + uint64(a.lent)
	_, _, a.next, _ = a.tracker.Locate(from)
	a.tracker.Reclaim(from)
	if a.lent == 0 {
		a.queue = nil
	} else {
		head.Vals = head.Vals[:a.lent:a.lent]
		a.queue = []core.Chunk[T]{head}
	}
	a.queued = a.lent
}
