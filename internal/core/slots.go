package core

import "sync/atomic"

// Slots is a ring of places for results that are worked out elsewhere, in any order, and taken in
// the order in which the places were reserved: MapAsync's calls, a producer's acknowledgements.
//
// The sender reserves a slot (and waits while there is none), some goroutine fills it, the
// receiver takes the filled ones from the front. No allocation, no channel and no lock per
// element; the receiver is woken only when the slot that it waits for is filled.
type Slots[T any] struct {
	// The ring, fixed but for limit, which is set before the run starts. A slot is the sender's
	// when it is reserved, then its filler's, then the receiver's.
	vals  []T
	toks  []Token
	state []atomic.Uint32
	mask  uint64
	limit uint64      // slots in use, at most; there may be more for the mask's sake
	wide  func() bool // whether all that there are may be in use now; nil is never

	// The two ends, fixed when it is built.
	send     *Island
	sendLink *Link
	recv     *Island

	// Written by the sender alone; others read tail.
	_     [64]byte
	tail  atomic.Uint64
	chead uint64

	// Written by the receiver alone; others read head.
	_       [64]byte
	head    atomic.Uint64
	lhead   uint64
	passing uint64 // the slot that Next gave out before its turn, plus one; 0 is none
	sweep   sweep

	// Written once each: closed by the sender, cancelled by the receiver.
	_         [64]byte
	closed    atomic.Bool
	cancelled atomic.Bool

	taken   func() // called by the receiver when it has taken results; nil is nobody
	refused func() // called by the receiver when it has cancelled; nil is nobody
}

// States of a slot.
const (
	slotOpen     = iota // free, or reserved and not filled
	slotResult          // the value goes on
	slotDone            // nothing goes on: the token is done
	slotGivenUp         // nothing goes on: the token is abandoned
	slotReturned        // nothing goes on: the element lies after the cut
	slotTaken           // the receiver has cancelled and disposed of it
	slotPassed          // the receiver has taken it before its turn; see pass
)

// NewSlots joins the sender's chain to the receiving island. size is how many slots are in use at
// most.
func NewSlots[T any](at At, size int, recv *Island) *Slots[T] {
	n := 1
	for n < size {
		n *= 2
	}
	s := &Slots[T]{
		vals: make([]T, n), toks: make([]Token, n), state: make([]atomic.Uint32, n), mask: uint64(n - 1), limit: uint64(max(size, 1)),
		send: at.Island, recv: recv, sendLink: &Link{},
	}
	at.Island.outputs = append(at.Island.outputs, s)
	at.KeepsUnbegun()
	return s
}

// Link is what the sender's chain is told a cancellation through.
func (s *Slots[T]) Link() *Link { return s.sendLink }

// Size is the number of slots that there are: slot numbers modulo it are all different.
func (s *Slots[T]) Size() int { return len(s.vals) }

// Len is the number of slots that are reserved or not taken.
func (s *Slots[T]) Len() int { return max(0, int(s.tail.Load())-int(s.head.Load())) }

// Reserve counts the element in hand as an output and gives it a slot. It waits while there is
// none; false: the element was refused. The slot must be published with Publish.
func (s *Slots[T]) Reserve() (slot uint64, ok bool) {
	t := s.tail.Load()
	if t-s.chead >= s.limit && !s.space() || s.cancelled.Load() {
		if !s.cancelled.Load() && s.send.CutOff() {
			s.send.GiveBack()
			return 0, false
		}
		s.send.Refuse()
		s.checkCancelled()
		return 0, false
	}
	s.toks[t&s.mask] = s.send.Out()
	return t, true
}

// Publish makes the slot visible to workers.
func (s *Slots[T]) Publish(slot uint64) { s.tail.Store(slot + 1) }

func (s *Slots[T]) space() bool {
	if s.hasSpace() {
		return !s.cancelled.Load()
	}
	room := false
	s.send.Await(func() bool {
		room = s.hasSpace()
		return room || s.send.CutOff()
	})
	return room && !s.cancelled.Load()
}

func (s *Slots[T]) hasSpace() bool {
	s.chead = s.head.Load()
	used := s.tail.Load() - s.chead
	return used < s.limit || s.cancelled.Load() || used < uint64(len(s.vals)) && s.wide != nil && s.wide()
}

// Token is the slot's.
func (s *Slots[T]) Token(slot uint64) Token { return s.toks[slot&s.mask] }

// Fill gives the slot its result. Any goroutine may call it, once per slot; it does not block.
func (s *Slots[T]) Fill(slot uint64, v T) {
	i := slot & s.mask
	s.vals[i] = v
	s.fill(slot, slotResult)
}

// GiveUp says that nothing goes on for this slot, and its element must be delivered again.
func (s *Slots[T]) GiveUp(slot uint64) { s.fill(slot, slotGivenUp) }

func (s *Slots[T]) fill(slot uint64, how uint32) {
	state := &s.state[slot&s.mask]
	state.Store(how)
	if s.cancelled.Load() {
		// Either the sweep of Cancel found the state that was just stored, or this goroutine
		// disposes of the slot.
		if state.CompareAndSwap(how, slotTaken) {
			s.dispose(slot, how)
		}
		return
	}
	if s.recv.parked.Load() != 0 && (s.head.Load() == slot || s.recv.run.Ledger.leaving.Load() > 0) {
		s.recv.Wake()
	}
}

// dispose ends the token of a filled slot that nobody will take.
func (s *Slots[T]) dispose(slot uint64, how uint32) {
	t, ledger := s.toks[slot&s.mask], s.recv.run.Ledger
	switch {
	case how == slotDone:
		ledger.end(span{t, 1}, fine)
	case how == slotGivenUp:
		ledger.end(span{t, 1}, abandoned)
	case how == slotReturned:
		s.recv.run.sweepOut(t, s.recv.run.sweptFate(t))
	default:
		ledger.end(span{t, 1}, s.recv.run.refusal(t))
	}
}

func (s *Slots[T]) checkCancelled() {
	if s.cancelled.Load() {
		s.sendLink.Cancel()
	}
}

// Close says that no more slots will be reserved.
func (s *Slots[T]) Close() {
	s.closed.Store(true)
	s.recv.Wake()
}

// Next implements Intake. The free index is published here, before the receiver may park, so that
// fill can compare with it.
func (s *Slots[T]) Next() (Chunk[T], Status) {
	for {
		i := s.lhead & s.mask
		limit := min(uint64(len(s.vals))-i, maxChunk)
		n := uint64(0)
		for n < limit && s.state[i+n].Load() == slotResult {
			n++
		}
		if n > 0 {
			return Chunk[T]{Vals: s.vals[i : i+n], Toks: s.toks[i : i+n]}, Ready
		}
		switch how := s.state[i].Load(); how {
		case slotDone, slotGivenUp, slotReturned:
			s.recv.endEmpty(s.toks[i], how)
		case slotPassed:
		case slotResult:
			continue // filled since
		default:
			if s.closed.Load() && s.tail.Load() == s.lhead {
				return Chunk[T]{}, Complete
			}
			if s.pass() {
				i := (s.passing - 1) & s.mask
				return Chunk[T]{Vals: s.vals[i : i+1], Toks: s.toks[i : i+1]}, Ready
			}
			return Chunk[T]{}, Empty
		}
		s.Taken(1)
	}
}

// endEmpty ends the token of a slot, or a cell, of which nothing goes on.
func (isl *Island) endEmpty(t Token, how uint32) {
	switch how {
	case slotDone:
		isl.Done(t)
	case slotGivenUp:
		isl.abandonToken(t)
	default:
		isl.run.sweepOut(t, isl.run.sweptFate(t))
	}
}

// pass looks, while the front is not filled and partitions are being taken away, for a result of
// theirs that is: it may be given out before its turn, since nobody who stays asked for its place.
// It overtakes nothing of its own partitions. What waits at the front may belong to a partition
// that is kept, and may be tried again for longer than the revoke waits.
func (s *Slots[T]) pass() bool {
	l := s.recv.run.Ledger
	if l.leaving.Load() == 0 {
		return false
	}
	var blocked map[uint32]bool
	isBlocked := func(order uint32) bool { return blocked[order] }
	for slot := s.lhead; slot < s.tail.Load(); slot++ {
		i := slot & s.mask
		t, how := s.toks[i], s.state[i].Load()
		if how == slotPassed {
			continue
		}
		if how != slotOpen && t != 0 && l.revoking(t) && !l.anyOrder(t, isBlocked) {
			if how == slotResult {
				s.passing = slot + 1
				return true
			}
			s.recv.endEmpty(t, how)
			s.state[i].Store(slotPassed)
			continue
		}
		if t != 0 && l.anyOrder(t, func(order uint32) bool {
			if blocked == nil {
				blocked = map[uint32]bool{}
			}
			blocked[order] = true
			return order == 0
		}) {
			// of an assignment that has ended: the partition may have come back in another order
			return false
		}
	}
	return false
}

// Taken implements Intake.
func (s *Slots[T]) Taken(n int) {
	if s.passing != 0 {
		i := (s.passing - 1) & s.mask
		s.passing = 0
		if n > 0 {
			var none T
			s.vals[i] = none
			s.state[i].Store(slotPassed)
		}
		return
	}
	i := s.lhead & s.mask
	clear(s.vals[i : i+uint64(n)])
	for k := range uint64(n) {
		s.state[i+k].Store(slotOpen)
	}
	s.lhead += uint64(n)
	s.head.Store(s.lhead)
	if s.taken != nil {
		s.taken()
	}
	if s.send.parked.Load() != 0 {
		s.send.Wake()
	}
}

// Ready implements Intake.
func (s *Slots[T]) Ready() bool {
	return s.state[s.lhead&s.mask].Load() != slotOpen || s.closed.Load() && s.tail.Load() == s.lhead || s.passable()
}

// passable reports whether pass may find something: it is looked for once the island is awake.
func (s *Slots[T]) passable() bool {
	l := s.recv.run.Ledger
	if l.leaving.Load() == 0 {
		return false
	}
	found := s.pass()
	s.passing = 0
	return found
}

// Cancelled reports whether the receiver wants no more.
func (s *Slots[T]) Cancelled() bool { return s.cancelled.Load() }

// Cancel implements Intake: what is filled and was not taken is refused, and so is what will be
// filled.
func (s *Slots[T]) Cancel() {
	s.cancelled.Store(true)
	if s.refused != nil {
		s.refused()
	}
	for slot := s.lhead; slot < s.tail.Load(); slot++ {
		if how := s.state[slot&s.mask].Swap(slotTaken); how == slotResult || how == slotDone || how == slotGivenUp || how == slotReturned {
			s.dispose(slot, how)
		}
	}
	s.send.Wake()
}

// Unread adds up what the results that were filled and not taken count. Call it when the receiver
// has ended.
func (s *Slots[T]) Unread(count func(T) int64) (n int64) {
	for slot := s.head.Load(); slot < s.tail.Load(); slot++ {
		if i := slot & s.mask; s.state[i].Load() == slotResult {
			n += count(s.vals[i])
		}
	}
	return n
}
