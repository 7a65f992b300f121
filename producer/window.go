package producer

import (
	"sync"
	"sync/atomic"
)

// window bounds what is in flight on a client, in records and bytes, for all its streams and
// Elements.
//
// What was ever taken and what was ever given back are two counters of records and bytes in one
// word each: their difference is exact as long as less than 16 million records and a terabyte are
// in flight, however often they have gone round. Taking is done by any goroutine, giving back by
// the client's promises alone, which are serial; so the two lie on cache lines of their own, and
// the takers look at the other only when the window seems full.
//
// Who finds it full queues. Those in the queue are served in turn: whoever comes later queues
// behind them, so that nobody starves. A promise never waits here: it looks at one flag, and wakes
// the head of the queue if what was given back is enough for it.
type window struct {
	records, bytes int64 // the limits

	// Written by those who take.
	_     [64]byte
	taken atomic.Uint64
	seen  atomic.Uint64 // the takers' last look at what was given back

	// Written by promises.
	_    [64]byte
	back atomic.Uint64
	ever atomic.Int64 // records ever given back

	// The queue, under mu; waiting is written under mu too, and read without.
	_       [64]byte
	waiting atomic.Int32
	mu      sync.Mutex
	queue   []*waiter
}

const byteBits = 40

func packed(records, bytes int64) uint64 { return uint64(records)<<byteBits + uint64(bytes) }

func unpacked(d uint64) (records, bytes int64) {
	return int64(d >> byteBits), int64(d & (1<<byteBits - 1))
}

type waiter struct {
	records, bytes int64
	wake           func()
}

func newWindow(records, bytes int) *window {
	return &window{records: int64(records), bytes: int64(bytes)}
}

// take admits records and bytes if there is room and nobody waits.
func (w *window) take(records, bytes int64) bool {
	return w.waiting.Load() == 0 && w.tryTake(records, bytes)
}

func (w *window) tryTake(records, bytes int64) bool {
	t := w.taken.Add(packed(records, bytes))
	if w.within(t-w.seen.Load(), records) {
		return true
	}
	back := w.back.Load()
	w.seen.Store(back)
	if w.within(t-back, records) {
		return true
	}
	w.taken.Add(-packed(records, bytes))
	return false
}

// within reports whether that much may be in flight, of which the last records are about to be
// admitted: alone, however many they are.
func (w *window) within(inFlight uint64, records int64) bool {
	r, b := unpacked(inFlight)
	return r <= w.records && b <= w.bytes || r == records
}

// give returns what a record has taken. Only promises call it.
func (w *window) give(bytes int64) {
	w.ever.Store(w.ever.Load() + 1)
	w.back.Store(w.back.Load() + packed(1, bytes))
	if w.waiting.Load() != 0 {
		w.wakeHead()
	}
}

// refund returns what was taken for a record that never reached the client.
func (w *window) refund(records, bytes int64) {
	w.taken.Add(-packed(records, bytes))
	if w.waiting.Load() != 0 {
		w.wakeHead()
	}
}

func (w *window) wakeHead() {
	w.mu.Lock()
	var wake func()
	if len(w.queue) > 0 && w.fits(w.queue[0]) {
		wake = w.queue[0].wake
	}
	w.mu.Unlock()
	if wake != nil {
		wake()
	}
}

func (w *window) fits(h *waiter) bool {
	r, b := w.inFlight()
	return r+h.records <= w.records && b+h.bytes <= w.bytes || r <= 0
}

// enqueue puts a waiter at the end of the queue. Its wake is called when it may be its turn; it
// then calls admit.
func (w *window) enqueue(h *waiter) {
	w.mu.Lock()
	w.queue = append(w.queue, h)
	w.waiting.Store(int32(len(w.queue)))
	w.mu.Unlock()
	w.wakeHead() // it may have found no room because this one had counted itself for a moment
}

// admit lets a waiter in if it is at the head of the queue and there is room.
func (w *window) admit(h *waiter) bool {
	w.mu.Lock()
	if len(w.queue) == 0 || w.queue[0] != h || !w.tryTake(h.records, h.bytes) {
		w.mu.Unlock()
		return false
	}
	w.pop(0)
	w.mu.Unlock()
	w.wakeHead() // there may be room for the next as well
	return true
}

// leave takes a waiter out that has given up.
func (w *window) leave(h *waiter) {
	w.mu.Lock()
	for i, q := range w.queue {
		if q == h {
			w.pop(i)
			break
		}
	}
	w.mu.Unlock()
	w.wakeHead()
}

func (w *window) pop(i int) {
	w.queue = append(w.queue[:i], w.queue[i+1:]...)
	w.waiting.Store(int32(len(w.queue)))
}

// inFlight reads the window.
func (w *window) inFlight() (records, bytes int64) {
	back := w.back.Load() // first: never less than there is
	return unpacked(w.taken.Load() - back)
}
