package tracker

import (
	"iter"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// Event says what changed, as a set.
type Event uint8

const (
	// Moved: the frontier has moved, there is more to commit.
	Moved Event = 1 << iota
	// Zero: nothing is outstanding any more; also at Close.
	Zero
	// Room: the tracker was full and has room again.
	Room
	// Abandoned: a position was given up and has to be delivered again.
	Abandoned
	// Less: fewer positions may travel than Travelling has told. It is told once after each call of
	// that.
	Less
	// Reached: the frontier has come to the position that the last call of Reached has asked for.
	Reached
)

// DefaultLimit is the number of positions, from the first that is not finished on, at which a
// tracker is full.
const DefaultLimit = 1 << 17

// Options of a [Tracker]. The zero value is usable.
type Options struct {
	// Topic and Partition are told by Locate.
	Topic     string
	Partition int32
	// Limit is the number of positions, from the first that is not finished on, at which the
	// tracker is full. It is a limit for those who deliver: the tracker takes what it is given. 0
	// is DefaultLimit.
	Limit int
	// Plain says that elements carry no Committable: a hand-over to user code ends the token.
	Plain bool
	// Start is what Committable tells until a position is finished; the zero Mark is nothing.
	Start Mark
	// Notify is called when something has changed, on the goroutine that changed it and with no
	// lock held. It must not block. It says that there is something to look at, not what there is:
	// two changes may be told in the other order.
	Notify func(Event)
	// Observer hears what becomes of positions; nil is nobody.
	Observer Observer
}

// Mark is what is committed: the offset of the next record, after the last finished one, and that
// one's leader epoch.
type Mark struct {
	Offset int64
	Epoch  int32
}

// Tracker accounts for one assignment. All methods may be called from any goroutine; none blocks.
//
// Per 64 positions there is one [word] of bits in a ring that grows with what is in flight. Marks
// come as words too (64 positions at a time from a stream in order), so that one lock, taken for a
// few nanoseconds, serves many records. Rejected: atomics on the words. The frontier, the count and
// the bits have to agree whenever somebody looks, which takes a lock around all of them or a
// protocol that costs more than it.
type Tracker struct {
	opts Options // written by New

	mu          sync.Mutex
	words       []word // a ring; the length is a power of two
	hands       handOvers
	delivered   uint64 // positions below it were delivered
	frontier    uint64 // positions below it are done
	outstanding int
	abandoned   int // positions at or after the frontier that were given up
	start       bool
	cut         uint64 // positions at or after it are given back; noCut while there is none
	begun       uint64 // as Cut was told
	top         uint64 // positions at or after it have not ended as done
	awaited     uint64 // the frontier is to reach it; 0: nobody has asked
	gap         bool   // something was given up there
	full        bool
	closed      bool
	asked       bool // by Travelling, which has told of some
	less        bool // fewer travel since

	// Under mu, too.
	offsets  offsets
	polls    polls
	observed bool // the observer was told something under this hold of the lock

	handedOver atomic.Bool // written under mu
}

// word is the state of 64 positions.
type word struct {
	ended     uint64 // no part travels any more
	abandoned uint64 // given up: sticky, whatever ends or is committed later
	handed    uint64 // a hand-over is not answered; how many more, and whose, is in Tracker.hands
	committed uint64 // Commit was called: sticky, before a hand-over too
	settled   uint64 // not outstanding any more: counted down once, whatever comes again
	returned  uint64 // given back by a cut, and not thrown away yet: somebody may hold it
}

const noCut = ^uint64(0)

// New returns a tracker with nothing delivered.
func New(o Options) *Tracker {
	if o.Limit <= 0 {
		o.Limit = DefaultLimit
	}
	if o.Notify == nil {
		o.Notify = func(Event) {}
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	return &Tracker{opts: o, words: make([]word, 4), cut: noCut, start: o.Start != Mark{}}
}

// Delivered counts n more positions as outstanding and returns the first. at tells offset and
// leader epoch of the i-th of them, in order. After Close it does nothing.
func (t *Tracker) Delivered(n int, at func(i int) (offset int64, epoch int32)) (first uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	first = t.delivered
	if t.closed {
		return first
	}
	t.trim()
	for i := range n {
		offset, epoch := at(i)
		t.offsets.add(first+uint64(i), 1, offset, epoch)
	}
	t.deliver(n)
	return first
}

// DeliveredRun is [Tracker.Delivered] for n consecutive offsets of one leader epoch.
func (t *Tracker) DeliveredRun(n int, offset int64, epoch int32) (first uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	first = t.delivered
	if t.closed || n == 0 {
		return first
	}
	t.trim()
	t.offsets.add(first, n, offset, epoch)
	t.deliver(n)
	return first
}

func (t *Tracker) deliver(n int) {
	if n == 0 {
		return
	}
	end := t.delivered + uint64(n)
	for need := int((end-1)>>6-t.frontier>>6) + 1; need > len(t.words); {
		t.grow()
	}
	for i := (t.delivered + 63) >> 6; i <= (end-1)>>6; i++ {
		*t.word(i << 6) = word{}
	}
	t.polls.add(end, time.Now())
	t.delivered = end
	t.outstanding += n
	if t.span() >= t.opts.Limit {
		t.full = true
	}
	if end > t.cut {
		t.giveBack(max(t.cut, end-uint64(n)))
	}
}

func (t *Tracker) grow() {
	old := t.words
	t.words = make([]word, 2*len(old))
	for i := t.frontier >> 6; i <= t.delivered>>6; i++ {
		t.words[i&uint64(len(t.words)-1)] = old[i&uint64(len(old)-1)]
	}
}

func (t *Tracker) trim() {
	t.offsets.trim(t.frontier)
	t.polls.trim(t.frontier)
}

func (t *Tracker) span() int { return int(t.delivered - t.frontier) }

func (t *Tracker) word(position uint64) *word {
	return &t.words[position>>6&uint64(len(t.words)-1)]
}

// Done marks positions of which no part travels any more. It implements core.Assignment, as the
// next three do: base is a multiple of 64, bit i of mask stands for base+i, and what lies behind
// the frontier, or was marked before, does nothing.
func (t *Tracker) Done(base, mask uint64) {
	t.mu.Lock()
	if mask = t.clip(base, mask); mask == 0 {
		t.mu.Unlock()
		return
	}
	w := t.word(base)
	// marks come twice at times, and nothing has changed then
	t.less = t.less || t.asked && mask&^w.ended != 0
	w.ended |= mask
	t.top = max(t.top, base+uint64(bits.Len64(mask)))
	t.let(w, base, mask)
	t.tell(t.settle(w, base, mask))
}

// Abandon gives positions up: they have to be delivered again, by another assignment. Nothing takes
// it back.
func (t *Tracker) Abandon(base, mask uint64) {
	t.mu.Lock()
	if mask = t.clip(base, mask); mask == 0 {
		t.mu.Unlock()
		return
	}
	w := t.word(base)
	fresh := mask & (^w.abandoned | w.returned) // the cut is made first, and has given them back
	t.let(w, base, mask)
	if fresh != 0 {
		w.abandoned |= fresh
		t.abandoned += bits.OnesCount64(fresh)
		t.tell(t.settle(w, base, mask) | Abandoned)
		return
	}
	t.tell(0)
}

// Cut gives back every position from one on that is outstanding: it is not done, nobody is told
// that it was given up, and the frontier does not pass it. The observer is told of it once it was
// thrown away (Return). A later Cut may lower it. begun is how many
// positions had begun. It returns how many were given back. gap: the position was given up, and has
// to be delivered again.
func (t *Tracker) Cut(position, begun uint64, gap bool) int {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return 0
	}
	t.cut, t.begun = min(t.cut, position), max(t.begun, begun)
	before := t.outstanding
	t.giveBack(t.cut)
	n := before - t.outstanding
	t.less = t.less || t.asked && n > 0
	var ev Event
	if n > 0 && t.outstanding == 0 {
		ev = Zero
	}
	if gap && !t.gap {
		t.gap = true
		ev |= Abandoned // in one step: who sees that nothing is outstanding sees this, too
	}
	t.tell(ev)
	return n
}

// giveBack counts down what is outstanding from a position on.
func (t *Tracker) giveBack(from uint64) {
	for base := max(from, t.frontier) &^ 63; base < t.delivered; base += 64 {
		mask := ^uint64(0)
		if base < from {
			mask <<= from - base
		}
		w := t.word(base)
		fresh := t.clip(base, mask) &^ w.settled
		w.abandoned |= fresh
		w.settled |= fresh
		w.returned |= fresh
		t.outstanding -= bits.OnesCount64(fresh)
	}
}

// Return says that positions that a cut has given back were thrown away.
func (t *Tracker) Return(base, mask uint64) {
	t.mu.Lock()
	if mask = t.clip(base, mask); mask != 0 {
		t.let(t.word(base), base, mask)
	}
	t.tell(0)
}

// let tells the observer of positions that a cut has given back, and that nobody holds any more.
func (t *Tracker) let(w *word, base, mask uint64) {
	if now := w.returned & mask; now != 0 {
		w.returned &^= now
		t.settled(base, now, now)
	}
}

// Reached reports whether all positions below one are done; where they are not, the Reached event
// tells, once, when they are. It never comes for a position that is not delivered, or where one
// below it is given up.
func (t *Tracker) Reached(position uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.frontier >= position {
		return true
	}
	t.awaited = position
	return false
}

// Begun tells the offset of the first position that had not begun when the assignment's cut was
// made; false where everything that was delivered had, and it is the offset after that.
func (t *Tracker) Begun() (offset int64, any bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	first := max(t.begun, t.top, t.frontier)
	if t.cut == noCut || t.delivered == 0 {
		return 0, false
	}
	if first >= t.delivered {
		offset, _, _ = t.offsets.at(t.delivered - 1)
		return offset + 1, false
	}
	offset, _, any = t.offsets.at(first)
	return offset, any
}

// Undone gives the positions below one that are not done, whether they are outstanding, given up or
// given back; with unanswered also those that have ended and only wait for user code to answer a
// hand-over. It is called before Close, and visit must call nothing of the tracker.
func (t *Tracker) Undone(below uint64, unanswered bool) iter.Seq[uint64] {
	return func(visit func(position uint64) bool) {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.closed {
			return
		}
		for p := t.frontier; p < min(below, t.delivered); p++ {
			w := t.word(p)
			skip := w.settled &^ w.abandoned
			if !unanswered {
				skip |= w.ended & w.handed
			}
			if skip>>(p&63)&1 == 0 && !visit(p) {
				return
			}
		}
	}
}

// Commit is what the Committable of a record calls: the user has finished with it. It answers all
// hand-overs, and counts whether it comes before them, while parts of the record still travel, or
// twice; a position below the frontier, or a closed tracker, ignores it.
func (t *Tracker) Commit(position uint64) {
	base, mask := position&^63, uint64(1)<<(position&63)
	t.mu.Lock()
	if mask = t.clip(base, mask); mask == 0 {
		t.mu.Unlock()
		return
	}
	w := t.word(base)
	w.committed |= mask
	t.tell(t.settle(w, base, mask))
}

// Reclaim takes back all positions from one on: they were never given to anybody. They are not
// done, and nothing is told of them being abandoned.
func (t *Tracker) Reclaim(from uint64) {
	t.mu.Lock()
	var ev Event
	if !t.closed {
		for base := max(from, t.frontier) &^ 63; base < t.delivered; base += 64 {
			mask := ^uint64(0)
			if base < from {
				mask <<= from - base
			}
			mask = t.clip(base, mask)
			w := t.word(base)
			w.abandoned |= mask
			t.let(w, base, mask)
			ev |= t.settle(w, base, mask)
		}
	}
	t.tell(ev)
}

// clip leaves the positions out that are below the frontier or were not delivered; all of them in
// a closed tracker.
func (t *Tracker) clip(base, mask uint64) uint64 {
	switch {
	case t.closed || base+64 <= t.frontier || base >= t.delivered:
		return 0
	case base < t.frontier:
		mask &= ^uint64(0) << (t.frontier - base)
	}
	if n := t.delivered - base; n < 64 {
		mask &= 1<<n - 1
	}
	return mask
}

// settle counts down what is not outstanding any more and moves the frontier.
func (t *Tracker) settle(w *word, base, mask uint64) (ev Event) {
	now := (w.abandoned | w.ended&^(w.handed&^w.committed)) & mask &^ w.settled
	if now == 0 {
		return 0
	}
	w.settled |= now
	t.less = t.less || t.asked
	t.settled(base, now, w.abandoned|w.handed)
	t.hands.forget(base, now)
	if t.outstanding -= bits.OnesCount64(now); t.outstanding == 0 {
		ev = Zero
	}
	if t.frontier>>6 == base>>6 {
		ev |= t.advance()
	}
	return ev
}

func (t *Tracker) advance() (ev Event) {
	for t.frontier < t.delivered {
		w := t.word(t.frontier)
		bit := t.frontier & 63
		n := uint64(bits.TrailingZeros64(^((w.settled &^ w.abandoned) >> bit)))
		if n == 0 {
			break
		}
		t.frontier += n
		ev |= Moved
		if bit+n < 64 {
			break
		}
	}
	if t.awaited > 0 && t.frontier >= t.awaited {
		t.awaited = 0
		ev |= Reached
	}
	if t.full && t.span() <= t.opts.Limit-(t.opts.Limit+3)/4 {
		t.full = false
		ev |= Room
	}
	return ev
}

// tell unlocks and notifies.
func (t *Tracker) tell(ev Event) {
	if t.less {
		t.less, t.asked = false, false
		ev |= Less
	}
	observed := t.observed
	t.observed = false
	t.mu.Unlock()
	if ev != 0 {
		t.opts.Notify(ev)
	}
	if observed {
		t.opts.Observer.Tell()
	}
}

// settled tells the observer; the caller holds the lock, and calls tell.
func (t *Tracker) settled(base, mask, kept uint64) {
	t.observed = true
	t.opts.Observer.Settled(base, mask, kept)
}

// Close ends the assignment: nothing marks any more, and Committable has nothing to tell. It
// returns what Committable would have told, and how many positions were outstanding. Only the first
// call tells.
func (t *Tracker) Close() (m Mark, ok bool, outstanding int) {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return Mark{}, false, 0
	}
	m, ok = t.committable()
	outstanding = t.outstanding
	t.closed, t.outstanding, t.hands = true, 0, handOvers{}
	t.observed = true
	t.opts.Observer.Closed()
	t.tell(Zero)
	return m, ok, outstanding
}
