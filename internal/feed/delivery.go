package feed

import (
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/memory"
)

// Delivery is what a poller gives to an assignment: elements of one partition, in its order.
type Delivery[T any] struct {
	// Vals are the elements. The slice is the feed's from now on.
	Vals []T
	// Offsets tells where they lie.
	Offsets Offsets
	// Bytes is what they hold in memory, under Lease, which gives it back when none of them is
	// outstanding; nil is no charge.
	Bytes int64
	Lease *memory.Lease
	// Lot is told, of a delivery with a lease, if all of its elements are done; nil is nobody.
	Lot memory.Recyclable
}

// Offsets tells where the elements of a delivery lie: one after the other from First on, all of one
// leader epoch, or, where At is given, where that says. At is called at once, and must call nothing
// of the feed.
type Offsets struct {
	First int64
	Epoch int32
	At    func(i int) (offset int64, epoch int32)
}

// Deliver queues elements, and counts them as outstanding. It reports false, and nothing has
// happened, where the assignment has ended. One goroutine at a time may call it.
func (a *Assignment[T]) Deliver(d Delivery[T]) bool {
	f := a.feed
	f.mu.Lock()
	if a.state != live || f.cancelled {
		f.mu.Unlock()
		return false
	}
	if n := len(d.Vals); n > 0 {
		first := a.count(n, d.Offsets)
		if d.Lease != nil {
			a.charges.Add(first, n, d.Bytes, d.Lease, d.Lot)
		}
		a.queue = append(a.queue, core.Chunk[T]{Vals: d.Vals, First: core.MakeToken(a.index, first)})
		a.queued += n
	}
	f.mu.Unlock()
	f.isl.Wake()
	return true
}

// count counts n elements as outstanding, and returns the position of the first; the caller holds
// the lock.
func (a *Assignment[T]) count(n int, at Offsets) (first uint64) {
	if at.At != nil {
		return a.tracker.Delivered(n, at.At)
	}
	return a.tracker.DeliveredRun(n, at.First, at.Epoch)
}
