package core

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// GivenUp counts the records of a partition that were given up in a stage.
type GivenUp struct {
	// Stage is the stage that gave them up; "" where that is not known: the run was stopped while
	// they were somewhere on their way.
	Stage string
	// Topic and Partition are the records'; "" and -1 for elements that have no place in a topic.
	Topic     string
	Partition int32
	// Records is how many there were, and Offset the lowest of their offsets.
	Records int
	Offset  int64
}

func (g GivenUp) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", g.Records)
	if g.Topic != "" {
		fmt.Fprintf(&b, " of %s[%d] from offset %d on", g.Topic, g.Partition, g.Offset)
	}
	if g.Stage != "" {
		fmt.Fprintf(&b, " in stage %q", g.Stage)
	}
	return b.String()
}

// GivenUpError says that an end came before everything that had begun was finished: records were
// given up. They will be delivered again, unless they come from a source that delivers at most
// once. It matches its cause: ErrDrainTimeout or ErrStopped, and what began the drain.
type GivenUpError struct {
	// Cause is ErrDrainTimeout or ErrStopped, or whatever else has ended the run.
	Cause error
	// Because is why the run was drained; nil where nobody said so.
	Because error
	// Records are those that were given up, by stage and partition.
	Records []GivenUp
}

func (e *GivenUpError) Error() string {
	var b strings.Builder
	b.WriteString(e.Cause.Error())
	if len(e.Records) > 0 {
		b.WriteString("; records were given up: ")
		for i, g := range e.Records {
			if i == 8 {
				fmt.Fprintf(&b, ", and of %d more partitions", len(e.Records)-i)
				break
			}
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(g.String())
		}
	}
	if e.Because != nil {
		b.WriteString(": ")
		b.WriteString(e.Because.Error())
	}
	return b.String()
}

func (e *GivenUpError) Unwrap() []error {
	if e.Because == nil {
		return []error{e.Cause}
	}
	return []error{e.Cause, e.Because}
}

// GiveUp counts an element whose retries nobody waits for any longer: the run is drained, or its
// partition is taken away, and the time is nearly over.
func (s *StageInfo) GiveUp(r *Run, t Token) {
	s.givenUp.Add(1)
	if t == 0 {
		r.NoteGivenUp(GivenUp{Stage: s.Name, Partition: -1, Records: 1})
		return
	}
	r.Ledger.positions(t, func(e *entry, first, last uint64) bool {
		if e != nil {
			r.outcome.mu.Lock()
			for position := first; position <= last; position++ {
				r.noteGivenUp(e, position, s.Name)
			}
			r.drainGaveUp = r.drainGaveUp || r.Draining()
			r.outcome.mu.Unlock()
		}
		return false
	})
}

// NoteGivenUp adds to what the run has given up of elements that have no token.
func (r *Run) NoteGivenUp(g GivenUp) {
	r.outcome.mu.Lock()
	defer r.outcome.mu.Unlock()
	r.addGivenUp(g)
	r.drainGaveUp = r.drainGaveUp || r.Draining()
}

// NoteUndone counts as given up what has begun of an assignment that ends, and is not finished: at
// a hard stop also what user code has taken over and not answered, which is told of by itself
// otherwise. undone gives the positions below one that are not done. Where a call for one was at
// work when the run was stopped, or is now, its stage is known.
func (r *Run) NoteUndone(index uint32, undone func(below uint64, unanswered bool) iter.Seq[uint64]) {
	e := r.Ledger.entry(index)
	if e == nil {
		return
	}
	positions := slices.Collect(undone(e.wanted(r.Ledger), r.Stopped()))
	if len(positions) == 0 {
		return
	}
	r.outcome.mu.Lock()
	defer r.outcome.mu.Unlock()
	working := r.working()
	for _, position := range positions {
		r.noteGivenUp(e, position, working[MakeToken(index, position)])
	}
}

// working are the stages with workers whose calls run now, or were running when the run was
// stopped, by the tokens of single records. The caller holds the outcome's lock.
func (r *Run) working() map[Token]string {
	working := map[Token]string{}
	for t, stage := range r.atWork {
		working[t] = stage
	}
	for _, s := range r.allStages() {
		if s.calls != nil {
			for t := range s.calls.running {
				working[Token(t)] = s.Name
			}
		}
	}
	return working
}

// noteGivenUp counts a position once. The caller holds the lock.
func (o *outcome) noteGivenUp(e *entry, position uint64, stage string) {
	if _, ok := e.givenUp[position]; ok {
		return
	}
	if e.givenUp == nil {
		e.givenUp = map[uint64]struct{}{}
	}
	e.givenUp[position] = struct{}{}
	g := GivenUp{Stage: stage, Records: 1}
	g.Topic, g.Partition, g.Offset, _ = e.assignment.Locate(position)
	o.addGivenUp(g)
}

// addGivenUp adds to what was given up in a place. The caller holds the lock.
func (o *outcome) addGivenUp(g GivenUp) {
	if i, ok := o.givenUpAt[g.place()]; ok {
		there := &o.givenUps[i]
		there.Records += g.Records
		there.Offset = min(there.Offset, g.Offset)
		return
	}
	if o.givenUpAt == nil {
		o.givenUpAt = map[GivenUp]int{}
	}
	o.givenUpAt[g.place()] = len(o.givenUps)
	o.givenUps = append(o.givenUps, g)
}

// place is what records are counted by.
func (g GivenUp) place() GivenUp {
	g.Records, g.Offset = 0, 0
	return g
}

// AdoptEnd takes over the end of a child that has left. It reports whether its error says no more
// than that its drain was cut short: that is no fault of its own, and what it has given up is
// counted already.
func (o *outcome) AdoptEnd(child error) bool {
	if OnlyDrained(child) {
		o.Cut()
		return true
	}
	e, ok := child.(*GivenUpError)
	if !ok {
		return errors.Is(child, ErrDrainTimeout) && o.noteTimeout()
	}
	if !errors.Is(e.Cause, ErrDrainTimeout) {
		return false
	}
	o.Cut()
	return o.noteTimeout()
}

func (o *outcome) noteTimeout() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drainGaveUp = true
	return true
}
