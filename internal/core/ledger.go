package core

import (
	"errors"
	"sync"
	"sync/atomic"
)

// Assignment accounts for the tokens of one assignment of one partition, from its start (or a seek, a rewind, a new
// run) to its end. The ledger calls it from any goroutine, with positions given as a word: base is a multiple of 64 and bit i of
// mask stands for position base+i. Done and Abandon are idempotent: marks may be repeated, also for positions behind the frontier.
type Assignment interface {
	// Done marks positions of which no part travels any more and none was abandoned.
	Done(base, mask uint64)
	// HandOver says, before the element is handed to user code, that from now on the element's explicit Commit decides.
	HandOver(base, mask uint64)
	// Withdraw takes one HandOver of each position back: it did not take place after all.
	Withdraw(base, mask uint64)
	// Abandon says that the positions were given up: they must be delivered again.
	Abandon(base, mask uint64)
	// Locate tells where a position lies, for errors.
	Locate(position uint64) (topic string, partition int32, offset int64, ok bool)
}

// ErrIndexesUsedUp is returned by Register after 16,777,213 assignments in one run.
var ErrIndexesUsedUp = errors.New("vicuna: the run has used up its assignment indexes")

// Ledger knows every assignment whose tokens travel in a run, and the composites made of them. Child runs share their parent's.
type Ledger struct {
	mu      sync.Mutex
	next    uint32
	entries atomic.Pointer[map[uint32]*entry] // copied on write: assignments come and go seldom, marks are many

	leaving atomic.Int32  // assignments that are being revoked
	revokes atomic.Uint64 // that have begun, each counted before it can be seen and behind

	composites composites
}

type entry struct {
	assignment Assignment
	revoking   atomic.Bool
	dropped    atomic.Bool
}

func newLedger() *Ledger {
	l := &Ledger{next: firstIndex}
	l.entries.Store(&map[uint32]*entry{})
	return l
}

// Register gives the assignment a fresh index.
func (l *Ledger) Register(a Assignment) (uint32, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next > maxIndex {
		return 0, ErrIndexesUsedUp
	}
	index := l.next
	l.next++
	l.edit(func(m map[uint32]*entry) { m[index] = &entry{assignment: a} })
	return index, nil
}

// Release forgets an assignment: later marks with its index do nothing.
func (l *Ledger) Release(index uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entry(index); e != nil && e.revoking.Load() {
		l.leaving.Add(-1)
	}
	l.edit(func(m map[uint32]*entry) { delete(m, index) })
}

func (l *Ledger) edit(change func(map[uint32]*entry)) {
	old := *l.entries.Load()
	m := make(map[uint32]*entry, len(old)+1)
	for k, v := range old {
		m[k] = v
	}
	change(m)
	l.entries.Store(&m)
}

func (l *Ledger) entry(index uint32) *entry { return (*l.entries.Load())[index] }

// drop marks an assignment whose elements are to be dropped wherever they are found.
func (l *Ledger) drop(index uint32) {
	if e := l.entry(index); e != nil {
		e.dropped.Store(true)
	}
}

// Dropped reports whether every record behind the token belongs to dropped (or released) assignments: a merged element goes on while one
// of its marks is still wanted.
func (l *Ledger) Dropped(t Token) bool {
	if t == 0 {
		return false
	}
	if t.composite() {
		for _, s := range l.composites.members(t) {
			if !l.Dropped(s.first) {
				return false
			}
		}
		return true
	}
	e := l.entry(t.Index())
	return e == nil || e.dropped.Load()
}

// fate is what became of a token.
type fate uint8

const (
	fine fate = iota
	abandoned
)

// end ends n tokens from s.first on, or n parts of a composite.
func (l *Ledger) end(s span, f fate) {
	if s.first == 0 {
		return
	}
	if s.first.composite() {
		one, many, how, last := l.composites.end(s.first, s.n, f)
		if !last {
			return
		}
		l.end(one, how)
		for _, m := range many {
			l.end(m, how)
		}
		return
	}
	e := l.entry(s.first.Index())
	if e == nil {
		return
	}
	eachWord(s, func(base, mask uint64) {
		if f == abandoned {
			e.assignment.Abandon(base, mask)
		} else {
			e.assignment.Done(base, mask)
		}
	})
}

// End ends a token that is not in a frame any more, on a goroutine that is no island, as done or as abandoned.
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

// HandOver records that the element with this token is about to be handed to user code.
func (l *Ledger) HandOver(t Token) {
	if t != 0 {
		l.handOver(span{t, 1}, Assignment.HandOver)
	}
}

// Withdraw takes a HandOver back: the element was not given to user code, or is finished without it.
func (l *Ledger) Withdraw(t Token) {
	if t != 0 {
		l.handOver(span{t, 1}, Assignment.Withdraw)
	}
}

func (l *Ledger) handOver(s span, mark func(a Assignment, base, mask uint64)) {
	if s.first.composite() {
		for _, m := range l.composites.members(s.first) {
			l.handOver(m, mark)
		}
		return
	}
	if e := l.entry(s.first.Index()); e != nil {
		eachWord(s, func(base, mask uint64) { mark(e.assignment, base, mask) })
	}
}

// Locate tells where the (first) record behind the token lies.
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
