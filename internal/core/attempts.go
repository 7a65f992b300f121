package core

import "sync"

// attempts are the elements of a stage that wait for another attempt, or are in one, with why the
// last one failed. Failures are few beside elements, so one lock does for them.
type attempts struct {
	mu     sync.Mutex
	of     map[Token]attempt
	others int   // elements without a token
	last   error // the latest failure, while any element waits
}

type attempt struct {
	failed int
	err    error
}

// Failed notes that a call for an element has failed, for the failedth time, and is to be made
// again.
func (s *StageInfo) Failed(t Token, failed int, err error) {
	a := &s.attempts
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = err
	switch {
	case t != 0 && a.of == nil:
		a.of = map[Token]attempt{t: {failed, err}}
	case t != 0:
		a.of[t] = attempt{failed, err}
	case failed == 1:
		a.others++
	}
}

// Tried says that nothing more is tried for an element that has failed: it went on, or came to an
// end.
func (s *StageInfo) Tried(t Token) {
	a := &s.attempts
	a.mu.Lock()
	defer a.mu.Unlock()
	if t == 0 {
		a.others--
	} else {
		delete(a.of, t)
	}
	if len(a.of) == 0 && a.others == 0 {
		a.last = nil
	}
}

// waiting is how many elements are tried again, and the latest failure of one.
func (a *attempts) waiting() (n int, last error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.of) + a.others, a.last
}

// on is the attempt for an element that a record is in. The lock is held while the token is looked
// into: its element cannot end meanwhile, as Tried comes before that. So it comes before the locks
// of the ledger, its composites and the trackers.
func (a *attempts) on(l *Ledger, topic string, partition int32, offset int64) (attempt, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for t, at := range a.of {
		if l.contains(t, topic, partition, offset) {
			return at, true
		}
	}
	return attempt{}, false
}

// contains reports whether a record is one of those that a token stands for.
func (l *Ledger) contains(t Token, topic string, partition int32, offset int64) bool {
	return l.positions(t, func(e *entry, first, last uint64) bool {
		if e == nil {
			return false
		}
		tt, p, from, ok := e.assignment.Locate(first)
		if !ok || tt != topic || p != partition || offset < from {
			return false
		}
		_, _, to, ok := e.assignment.Locate(last)
		return ok && offset <= to
	})
}

// AttemptOn names the stage that tries again what it has failed on for a record, how often it has
// failed and why it did last; "" where none does.
func (r *Run) AttemptOn(topic string, partition int32, offset int64) (stage string, failed int, err error) {
	stages, children := r.allStages(), r.allChildren()
	for _, s := range stages {
		if a, ok := s.attempts.on(r.Ledger, topic, partition, offset); ok {
			return s.Name, a.failed, a.err
		}
	}
	for _, c := range children {
		if stage, failed, err := c.AttemptOn(topic, partition, offset); stage != "" {
			return stage, failed, err
		}
	}
	return "", 0, nil
}

// HasBegun reports whether a stage with effects has begun what is at a position of an assignment.
func (r *Run) HasBegun(index uint32, position uint64) bool {
	e := r.Ledger.entry(index)
	return e != nil && position < e.wanted(r.Ledger)
}
