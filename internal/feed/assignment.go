package feed

import (
	"time"

	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/memory"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

type state uint8

const (
	live state = iota
	// rewinding: from some place on it is read again, since something was given up or held back;
	// what lies before is waited for.
	rewinding
	revoking // nothing more is delivered; what travels is waited for
	ended
)

// Assignment is one assignment of one partition, from its start (or a rewind) to its end.
type Assignment[T any] struct {
	feed      *Feed[T]
	partition topics.Partition
	index     uint32
	tracker   *tracker.Tracker

	// Under the feed's lock.
	state  state
	at     int            // in the feed's rota; -1 once it is out
	before *Assignment[T] // an earlier one of the partition that is being revoked
	queue  []core.Chunk[T]
	queued int // elements in the queue, those that the island has in hand included
	lent   int // elements at the front of the queue that the island has in hand
	paused bool
	hurry  *core.Hurry // while it is rewinding
	next   int64       // the offset of the first element that was taken back; -1 where none was

	charges *memory.Charges // told by the tracker
}

// Partition is the one that is assigned.
func (a *Assignment[T]) Partition() topics.Partition { return a.partition }

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

// Charges are what its deliveries hold in memory.
func (a *Assignment[T]) Charges() *memory.Charges { return a.charges }

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
		f.run.Freeze(a.index)
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

// Begun reports whether a stage with effects has begun the first record that is not done.
func (a *Assignment[T]) Begun() bool { return a.feed.run.HasBegun(a.index, a.tracker.Frontier()) }

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
