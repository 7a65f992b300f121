package producer

import (
	"sync"
	"sync/atomic"
)

// window bounds what is in flight on a client, in records and bytes, for all its streams and Elements.
//
// Taking is done by any goroutine, giving back by the client's promises alone, which are serial. So the counters of what was ever taken and
// ever given back lie on cache lines of their own, and the takers look at the givers' only when the window seems full: two atomic operations
// a record on each side that nobody else's core wants.
//
// Who finds it full queues. Those in the queue are served in turn: whoever comes later queues behind them, so that nobody starves. A promise never
// waits here: it looks at one flag, and wakes the head of the queue if what was given back is enough for it.
type window struct {
	records, bytes int64 // the limits

	_            [64]byte
	takenRecords atomic.Int64
	takenBytes   atomic.Int64
	seenRecords  atomic.Int64 // the takers' last look at what was given back
	seenBytes    atomic.Int64

	_           [64]byte
	backRecords atomic.Int64
	backBytes   atomic.Int64

	_       [64]byte
	waiting atomic.Int32
	mu      sync.Mutex
	queue   []*waiter
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
	r, b := w.takenRecords.Add(records), w.takenBytes.Add(bytes)
	if r-w.seenRecords.Load() <= w.records && b-w.seenBytes.Load() <= w.bytes {
		return true
	}
	backR, backB := w.backRecords.Load(), w.backBytes.Load()
	w.seenRecords.Store(backR)
	w.seenBytes.Store(backB)
	if r-backR <= w.records && b-backB <= w.bytes || r-backR == records {
		return true // there is room, or it is admitted alone
	}
	w.takenRecords.Add(-records)
	w.takenBytes.Add(-bytes)
	return false
}

// give returns what a record has taken. Only promises call it.
func (w *window) give(bytes int64) {
	w.backRecords.Store(w.backRecords.Load() + 1)
	w.backBytes.Store(w.backBytes.Load() + bytes)
	if w.waiting.Load() != 0 {
		w.wakeHead()
	}
}

// refund returns what was taken for a record that never reached the client.
func (w *window) refund(records, bytes int64) {
	w.takenRecords.Add(-records)
	w.takenBytes.Add(-bytes)
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

// enqueue puts a waiter at the end of the queue. Its wake is called when it may be its turn; it then calls admit.
func (w *window) enqueue(h *waiter) {
	w.mu.Lock()
	w.queue = append(w.queue, h)
	w.waiting.Store(int32(len(w.queue)))
	w.mu.Unlock()
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
	backR, backB := w.backRecords.Load(), w.backBytes.Load() // first: never less than there is
	return w.takenRecords.Load() - backR, w.takenBytes.Load() - backB
}
