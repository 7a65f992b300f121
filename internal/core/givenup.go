package core

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// GivenUp counts the records of a partition that were given up in a stage.
type GivenUp struct {
	// Stage is the stage that gave them up; "" where that is not known: the run was stopped while they were
	// somewhere on their way.
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

// GivenUpError says that an end came before everything that had begun was finished: records were given up,
// and will be delivered again. It matches its cause: ErrDrainTimeout or ErrStopped, and what began the drain.
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
		b.WriteString("; records were given up and will be delivered again: ")
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

// GiveUp counts an element whose retries nobody waits for any longer: the run is drained, or its partition is
// taken away, and the time is nearly over.
func (s *StageInfo) GiveUp(r *Run, t Token) {
	s.givenUp.Add(1)
	if t == 0 {
		r.NoteGivenUp(GivenUp{Stage: s.Name, Partition: -1, Records: 1})
		return
	}
	r.Ledger.positions(t, func(e *entry, first, last uint64) bool {
		if e != nil {
			g := GivenUp{Stage: s.Name, Records: int(last-first) + 1}
			g.Topic, g.Partition, g.Offset, _ = e.assignment.Locate(first)
			r.NoteGivenUp(g)
		}
		return false
	})
}

// NoteGivenUp adds to what the run has given up: what a stage did, or what an assignment had on its way when
// its time was over.
func (r *Run) NoteGivenUp(g GivenUp) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addGivenUp(g)
	if r.attention.Load()&attendDrain != 0 {
		r.drainGaveUp = true
	}
}

func (r *Run) addGivenUp(g GivenUp) {
	for i := range r.givenUps {
		if o := &r.givenUps[i]; o.Stage == g.Stage && o.Topic == g.Topic && o.Partition == g.Partition {
			o.Records += g.Records
			o.Offset = min(o.Offset, g.Offset)
			return
		}
	}
	r.givenUps = append(r.givenUps, g)
}

// AdoptEnd takes over the end of a child that has left. It reports whether its error says no more than that
// its drain was cut short: that is no fault of its own, and what it has given up is counted already.
func (r *Run) AdoptEnd(child error) bool {
	if OnlyDrained(child) {
		r.Cut()
		return true
	}
	e, ok := child.(*GivenUpError)
	if !ok {
		return errors.Is(child, ErrDrainTimeout) && r.noteTimeout()
	}
	if !errors.Is(e.Cause, ErrDrainTimeout) {
		return false
	}
	r.Cut()
	return r.noteTimeout()
}

func (r *Run) noteTimeout() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drainGaveUp = true
	return true
}

// GivenUps are the records that were given up so far, by stage and partition, with those of child runs.
func (r *Run) GivenUps() []GivenUp {
	r.mu.Lock()
	all := slices.Clone(r.givenUps)
	children := r.snapshotChildren()
	r.mu.Unlock()
	for _, c := range children {
		all = append(all, c.GivenUps()...)
	}
	return all
}
