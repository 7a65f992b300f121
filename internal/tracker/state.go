package tracker

import (
	"math/bits"
	"time"
)

// Committable tells what may be committed; false where that is nothing: no position is finished, or
// the tracker is closed.
func (t *Tracker) Committable() (Mark, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.committable()
}

func (t *Tracker) committable() (Mark, bool) {
	switch {
	case t.closed:
		return Mark{}, false
	case t.frontier == 0:
		return t.opts.Start, t.start
	}
	offset, epoch, _ := t.offsets.at(t.frontier - 1)
	return Mark{Offset: offset + 1, Epoch: epoch}, true
}

// Oldest tells the offset of the first record that is not done, how long ago it was delivered, and
// false where there is none.
func (t *Tracker) Oldest() (offset int64, age time.Duration, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.frontier == t.delivered {
		return 0, 0, false
	}
	offset, _, _ = t.offsets.at(t.frontier)
	return offset, time.Since(t.polls.at(t.frontier)), true
}

// Frontier is the first position that is not done.
func (t *Tracker) Frontier() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.frontier
}

// Outstanding is the number of positions that were delivered and neither finished nor abandoned.
func (t *Tracker) Outstanding() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.outstanding
}

// Travelling is [Tracker.Outstanding] without those that only wait for user code to call Commit.
// Where that is not 0, the next change is told ([Less]).
func (t *Tracker) Travelling() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.outstanding
	if n == 0 {
		return 0
	}
	for base := t.frontier &^ 63; base < t.delivered; base += 64 {
		w := t.word(base)
		n -= bits.OnesCount64(w.ended & w.handed &^ w.committed &^ w.settled)
	}
	t.asked = n > 0
	return n
}

// Abandoned reports whether a position was given up (not reclaimed) and has to be delivered again.
func (t *Tracker) Abandoned() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return (t.abandoned > 0 || t.gap) && !t.closed
}

// Room is how many more positions should be delivered. A full tracker has none until a quarter of
// its limit is finished.
func (t *Tracker) Room() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.full || t.closed {
		return 0
	}
	return max(0, t.opts.Limit-t.span())
}

// Full reports whether the tracker has reached its limit, and has no room yet.
func (t *Tracker) Full() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.full && !t.closed
}

// Position is the one that the next delivery begins with.
func (t *Tracker) Position() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.delivered
}

// Locate implements core.Assignment. Records below the frontier may be forgotten.
func (t *Tracker) Locate(position uint64) (topic string, partition int32, offset int64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if position >= t.delivered {
		return "", 0, 0, false
	}
	offset, _, ok = t.offsets.at(position)
	return t.opts.Topic, t.opts.Partition, offset, ok
}
