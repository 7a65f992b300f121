package core

import (
	"errors"
	"sync"
	"sync/atomic"
)

// Assignment accounts for the tokens of one assignment of one partition, from its start (or a seek,
// a rewind, a new run) to its end. The ledger calls it from any goroutine, with positions given as
// a word: base is a multiple of 64 and bit i of mask stands for position base+i. Done and Abandon
// are idempotent: marks may be repeated, also for positions below the frontier.
type Assignment interface {
	// Done marks positions of which no part travels any more and none was abandoned.
	Done(base, mask uint64)
	// HandOver says, before an element is handed to code outside of the graph, by the stage of that
	// name, that the positions are done only when that is answered: by one who has finished the
	// element, or by the record's explicit Commit. Each call counts.
	HandOver(base, mask uint64, stage string)
	// Withdraw takes one HandOver of each position back: it did not take place after all.
	Withdraw(base, mask uint64)
	// Abandon says that the positions were given up: they must be delivered again.
	Abandon(base, mask uint64)
	// Return says that positions after the cut were thrown away: nothing holds them any more.
	Return(base, mask uint64)
	// Cut says that no position at or after it finishes: those are not outstanding any more and
	// not done. begun is how many positions some stage with effects has begun; gap says that the
	// position was given up, and has to be delivered again if the assignment stays. It returns how
	// many outstanding ones it has given back. A cut is lowered by a later call, never raised.
	Cut(position, begun uint64, gap bool) int
	// Locate tells where a position lies, for errors.
	Locate(position uint64) (topic string, partition int32, offset int64, ok bool)
}

// ErrIndexesUsedUp is returned by Register after 16,777,213 assignments in one run.
var ErrIndexesUsedUp = errors.New("vicuna: the run has used up its assignment indexes")

// Ledger knows every assignment whose tokens travel in a run, and the composites made of them. A
// child run has one of its own.
type Ledger struct {
	run *Run // nil in tests of the ledger alone

	mu      sync.Mutex
	next    uint32
	closed  bool // a drain has begun: what is assigned now begins nothing
	entries entries

	// cutMu is held while cuts are made and while merges are made and claimed. It comes before
	// mu, the composites' lock and the trackers'.
	cutMu    sync.Mutex
	freezing atomic.Int32 // freezes under way: no element is handed to user code meanwhile

	everCut atomic.Bool  // some assignment has a cut, or had one
	thrown  atomic.Int64 // elements that were thrown away because they lay after a cut

	leaving atomic.Int32  // assignments that are being revoked
	revokes atomic.Uint64 // that have begun, each counted before it can be seen and after

	gate Gate // its fields are written under cutMu and mu

	// Has a lock of its own.
	composites composites
}

type entry struct {
	// Fixed when it is made, and the atomics as their comments say; revoking is set once, by the
	// revoke.
	assignment Assignment
	index      uint32
	order      uint32        // the index of the first of the partition's assignments that overlap
	word       atomic.Uint64 // count and state; see cut.go
	entered    atomic.Uint64 // count and state of the gate; see gate.go
	revoking   atomic.Bool
	// nothing at or after it finishes: something there was given up; written under Ledger.cutMu
	gap      atomic.Uint64
	deadline atomic.Int64 // of the revoke: when retries of its elements are given up; 0 is none

	givenUp map[uint64]struct{} // positions that are counted as given up; under the outcome's lock

	// Under Ledger.cutMu.
	expired uint64 // how many positions had begun when the time was over (GiveUpFrom)
	begun   uint64 // how many positions had begun when a cut was lowered first
}

func newLedger() *Ledger { return &Ledger{next: firstIndex} }

// Register gives the assignment a fresh index. During a drain it begins nothing. after is the index
// of an assignment of the same partition that is still being revoked, or 0: the order of the
// partition's records holds over both.
func (l *Ledger) Register(a Assignment, after uint32) (uint32, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next > maxIndex {
		return 0, ErrIndexesUsedUp
	}
	index := l.next
	l.next++
	e := &entry{assignment: a, index: index, order: index}
	e.gap.Store(noGap)
	if before := l.entry(after); before != nil {
		e.order = before.order
	}
	if l.gate.closed.Load() {
		e.entered.Store(gateShut)
	}
	if l.closed {
		e.word.Store(frozen)
		a.Cut(0, 0, false)
	}
	l.entries.add(index, e)
	return index, nil
}

// Release forgets an assignment: later marks with its index do nothing.
func (l *Ledger) Release(index uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entry(index); e != nil && e.revoking.Load() {
		l.leaving.Add(-1)
	}
	l.entries.remove(index)
}

func (l *Ledger) entry(index uint32) *entry { return l.entries.at(index) }

// fate is what became of a token.
type fate uint8

const (
	fine      fate = iota
	refused        // nobody has taken it in this branch of a Broadcast; see refusal.go
	returned       // given back: it lies after the cut and has not begun
	abandoned      // given up: it must be delivered again, and nothing after it finishes
)

// end ends n tokens from s.first on, or n parts of a composite.
func (l *Ledger) end(s span, f fate) {
	if s.first == 0 {
		return
	}
	if s.first.composite() {
		if f == abandoned {
			l.gapAt(s.first)
		}
		l.ended(l.composites.end(s.first, s.n, f, false))
		return
	}
	e := l.entry(s.first.Index())
	if e == nil {
		return
	}
	if f == refused {
		f = abandoned // by all branches
	}
	if f == abandoned {
		if !l.gap(e, s.first.Position()) {
			f = returned // it was given back, or lies after a gap
		}
	}
	eachWord(s, func(base, mask uint64) {
		switch f {
		case abandoned:
			e.assignment.Abandon(base, mask)
		case returned:
			e.assignment.Return(base, mask)
		default:
			e.assignment.Done(base, mask)
		}
	})
}

// endFrame ends the part of a split that its frame holds.
func (l *Ledger) endFrame(split Token, f fate) {
	if f == abandoned {
		l.gapAt(split)
	}
	l.ended(l.composites.end(split, 1, f, true))
}

// ended ends what a composite was made of, if its last part has ended.
func (l *Ledger) ended(one span, many []span, how fate, last bool) {
	if !last {
		return
	}
	l.end(one, how)
	for _, m := range many {
		l.end(m, how)
	}
}

// End ends a token that is not in a frame any more, on a goroutine that is no island, as done or as
// abandoned.
func (l *Ledger) End(t Token, done bool) {
	f := abandoned
	if done {
		f = fine
	}
	l.end(span{t, 1}, f)
}

// doneWord marks the positions of one word as done.
func (l *Ledger) doneWord(word Token, mask uint64) {
	if e := l.entry(word.Index()); e != nil {
		e.assignment.Done(word.Position(), mask)
	}
}

// HandOver records that the element with this token is about to be handed to code outside of the
// graph, by the stage of that name: once for each token that the element carries. A batch of two
// parts of one record is handed over twice, since each of them is going to be finished.
func (l *Ledger) HandOver(t Token, stage string) {
	l.each(span{t, 1}, func(a Assignment, base, mask uint64) { a.HandOver(base, mask, stage) })
}

// Withdraw takes a HandOver back: the element was not handed over, or is finished without it.
func (l *Ledger) Withdraw(t Token) { l.each(span{t, 1}, Assignment.Withdraw) }

// each calls f with the positions under a span, as often as they are there.
func (l *Ledger) each(s span, f func(a Assignment, base, mask uint64)) {
	if s.first == 0 {
		return
	}
	if s.first.composite() {
		members := l.composites.members(s.first)
		for range s.n {
			for _, m := range members {
				l.each(m, f)
			}
		}
		return
	}
	if e := l.entry(s.first.Index()); e != nil {
		eachWord(s, func(base, mask uint64) { f(e.assignment, base, mask) })
	}
}

// Carries reports whether an element with one token has another one's position under it, as itself,
// as a part of it or as a record of a batch.
func (l *Ledger) Carries(t, of Token) bool {
	if !t.composite() {
		return t == of
	}
	for _, s := range l.composites.members(t) {
		if s.first.composite() {
			if l.Carries(s.first, of) {
				return true
			}
		} else if s.first <= of && of < s.first+Token(s.n) {
			return true
		}
	}
	return false
}

// Positions adds the positions under the token to a set.
func (l *Ledger) Positions(t Token, set map[Token]struct{}) { l.places(span{t, 1}, set) }

func (l *Ledger) places(s span, set map[Token]struct{}) {
	if s.first.composite() {
		for _, m := range l.composites.members(s.first) {
			l.places(m, set)
		}
		return
	}
	for i := range Token(s.n) {
		set[s.first+i] = struct{}{}
	}
}

// Locate tells where the (first) record of the token lies.
func (l *Ledger) Locate(t Token) (topic string, partition int32, offset int64, ok bool) {
	for t.composite() {
		m := l.composites.members(t)
		if len(m) == 0 {
			return "", 0, 0, false
		}
		t = m[0].first
	}
	if t == 0 {
		return "", 0, 0, false
	}
	e := l.entry(t.Index())
	if e == nil {
		return "", 0, 0, false
	}
	return e.assignment.Locate(t.Position())
}

// revoking reports whether every record of a token belongs to an assignment that is being taken
// away.
func (l *Ledger) revoking(t Token) bool {
	if t.composite() {
		for _, s := range l.composites.members(t) {
			if !l.revoking(s.first) {
				return false
			}
		}
		return true
	}
	e := l.entry(t.Index())
	return e == nil || e.revoking.Load()
}

// anyOrder calls f with the order that each record of a token is bound to (entry.order), until
// it reports true, and reports that; 0 is that of an assignment that has ended. One may come
// several times.
func (l *Ledger) anyOrder(t Token, f func(order uint32) bool) bool {
	if !t.composite() {
		if e := l.entry(t.Index()); e != nil {
			return f(e.order)
		}
		return f(0)
	}
	for _, s := range l.composites.members(t) {
		if l.anyOrder(s.first, f) {
			return true
		}
	}
	return false
}

// isAt reports whether a token is that of a record. Of an element of several records nothing is
// known from outside: its token may end meanwhile and be used again.
func (l *Ledger) isAt(t Token, topic string, partition int32, offset int64) bool {
	if t == 0 || t.composite() {
		return false
	}
	tt, p, o, ok := l.Locate(t)
	return ok && o == offset && p == partition && tt == topic
}

func eachWord(s span, f func(base, mask uint64)) {
	pos, left := s.first.Position(), uint64(s.n)
	for left > 0 {
		bit := pos & 63
		n := min(64-bit, left)
		mask := (^uint64(0) >> (64 - n)) << bit
		f(pos&^63, mask)
		pos += n
		left -= n
	}
}
