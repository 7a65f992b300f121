package tracker

import (
	"math/bits"
	"slices"
	"time"
)

// handOvers are the hand-overs of records that wait for an answer.
//
// A record that is handed to code outside of the graph is not done when its parts have ended: each
// hand-over has to be answered. One that gave the element to another graph is answered when a
// committing stage there finishes it, and each finish answers one ([Tracker.Answer]): a record that
// went out in two envelopes is done with the second. One that gave it to the user is answered by
// his Commit, which says that the record is done, answers all of them, and stays.
//
// Nearly always a position is handed over once, and by the assignment's one stage that does so.
// That is a bit in its word. What is beyond that is in maps.
//
// Rejected: to remember each hand-over by itself, so that an answer names the one that it is for.
// All that comes back from outside is the record's Committable, which is the same for all of them.
type handOvers struct {
	extra  map[uint64]int // unanswered hand-overs of a position beyond the first
	stages []string       // those that handed anything over, 64 at most
	// which of them handed a position over (bit i is stages[i]), where that is not the first alone
	others map[uint64]uint64
}

// forget is told of positions that are not outstanding any more.
func (h *handOvers) forget(base, mask uint64) {
	for ; mask != 0 && len(h.extra)+len(h.others) > 0; mask &= mask - 1 {
		position := base + uint64(bits.TrailingZeros64(mask))
		delete(h.extra, position)
		delete(h.others, position)
	}
}

// add counts one hand-over more of positions that have one.
func (h *handOvers) add(base, again uint64) {
	for ; again != 0; again &= again - 1 {
		if h.extra == nil {
			h.extra = map[uint64]int{}
		}
		h.extra[base+uint64(bits.TrailingZeros64(again))]++
	}
}

// take counts one hand-over less of each position, and returns those that have none any more.
func (h *handOvers) take(base, mask uint64) (none uint64) {
	none = mask
	for left := mask; left != 0 && len(h.extra) > 0; left &= left - 1 {
		position := base + uint64(bits.TrailingZeros64(left))
		switch n := h.extra[position]; n {
		case 0:
			continue
		case 1:
			delete(h.extra, position)
		default:
			h.extra[position] = n - 1
		}
		none &^= 1 << (position & 63)
	}
	return none
}

// by notes which stage hands positions over. handed are those of them that have been before.
func (h *handOvers) by(stage string, base, mask, handed uint64) {
	i := slices.Index(h.stages, stage)
	if i < 0 {
		i = min(len(h.stages), 63)
		h.stages = append(h.stages[:i], stage)
	}
	if i == 0 && len(h.others) == 0 {
		return
	}
	for ; mask != 0; mask &= mask - 1 {
		position := base + uint64(bits.TrailingZeros64(mask))
		by, known := h.others[position]
		switch {
		case !known && i == 0:
			continue
		case !known && handed>>(position&63)&1 != 0:
			by = 1
		}
		if h.others == nil {
			h.others = map[uint64]uint64{}
		}
		h.others[position] = by | 1<<i
	}
}

// names are those of the stages that handed a position over.
func (h *handOvers) names(position uint64) (names []string) {
	by, known := h.others[position]
	if !known {
		return h.stages[:1:1]
	}
	for ; by != 0; by &= by - 1 {
		names = append(names, h.stages[bits.TrailingZeros64(by)])
	}
	return names
}

// HandOver notes that the positions are about to be handed to code outside of the graph, by a
// stage, which has a name. Each call counts.
func (t *Tracker) HandOver(base, mask uint64, stage string) {
	if t.opts.Plain && !t.opts.Observer.Keeps() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if mask = t.clip(base, mask); mask == 0 {
		return
	}
	if t.opts.Plain {
		t.opts.Observer.Kept(base, mask)
		return
	}
	w := t.word(base)
	mask &^= w.settled
	t.hands.by(stage, base, mask, w.handed)
	t.hands.add(base, w.handed&mask)
	w.handed |= mask
	t.handedOver.Store(true)
}

// HandedOver reports whether anything was ever handed over. Where that is not so, there is nothing
// to answer.
func (t *Tracker) HandedOver() bool { return t.handedOver.Load() }

// Withdraw takes one hand-over of each position back, because it did not take place after all.
func (t *Tracker) Withdraw(base, mask uint64) {
	if !t.opts.Plain {
		t.answer(base, mask)
	}
}

// Answer says that an element that was handed over is finished: it answers one hand-over of the
// position. Where none is unanswered it does nothing, also for those that are still to come.
func (t *Tracker) Answer(position uint64) { t.answer(position&^63, 1<<(position&63)) }

func (t *Tracker) answer(base, mask uint64) {
	t.mu.Lock()
	if mask = t.clip(base, mask); mask != 0 {
		mask &= t.word(base).handed
	}
	if mask == 0 {
		t.mu.Unlock()
		return
	}
	t.opts.Observer.Kept(base, mask) // code outside has had it
	w := t.word(base)
	w.handed &^= t.hands.take(base, mask)
	t.tell(t.settle(w, base, mask))
}

// Unanswered is a record that waits for nothing but answers to its hand-overs.
type Unanswered struct {
	Offset int64
	// Age is how long ago the record was delivered.
	Age time.Duration
	// Answers is how many are missing.
	Answers int
	// Stages are the names of the stages that handed the record over, those that were answered too.
	Stages []string
}

// Unanswered tells of the first record that is not done, where all its parts have ended and
// hand-overs of it are not answered.
func (t *Tracker) Unanswered() (u Unanswered, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.frontier == t.delivered {
		return Unanswered{}, false
	}
	at := t.frontier
	if w := t.word(at); w.ended&w.handed&^w.settled>>(at&63)&1 == 0 {
		return Unanswered{}, false
	}
	u.Offset, _, _ = t.offsets.at(at)
	u.Age = time.Since(t.polls.at(at))
	u.Answers = 1 + t.hands.extra[at]
	u.Stages = t.hands.names(at)
	return u, true
}
