package reader

import (
	"sync"
	"time"

	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// Handout is the intake of a stream of sub-streams, one for each partition; package consumer makes
// sources of what it gives out.
type Handout struct {
	// Written by NewHandout.
	s   *Session
	isl *core.Island

	mu        sync.Mutex // guards what follows
	queue     []*Sub
	completed bool
	cancelled bool
	passed    bool // the island has ended
	open      int  // sub-streams that the island has got and that have not ended
}

// Sub is a partition's sub-stream, which runs once.
type Sub struct {
	s    *Session
	part *part
}

var (
	_ core.Intake[*Sub] = (*Handout)(nil)
	_ core.Beginning    = (*Handout)(nil)
)

// NewHandout says that each partition goes a way of its own, which is given out on an island.
func (s *Session) NewHandout(isl *core.Island) *Handout {
	s.handout = &Handout{s: s, isl: isl}
	return s.handout
}

// giveOut makes sub-streams of partitions. One that has a sub-stream which has not ended gets no
// second: a loader whose answer came too late for the client is asked again, and both answers let
// the sub-stream begin.
func (s *substreams) giveOut(ps []topics.Partition) {
	var subs []*Sub
	s.decide(func() {
		for _, tp := range ps {
			if p, given := s.parts.Give(tp); given {
				p.Flow.givenOut, p.Flow.toldWaiting = time.Now(), false
				subs = append(subs, &Sub{s.Session, p})
			}
		}
	})
	s.handout.add(subs)
}

// startAfter makes another sub-stream of a partition after a pause, at the end of which attend is.
func (s *substreams) startAfter(p *part, pause time.Duration) {
	if pause == 0 {
		s.startAgain(p)
		return
	}
	s.mu.Lock()
	s.paced[p] = time.Now().Add(pause)
	s.mu.Unlock()
	s.bell.Ring()
}

// startDue makes the sub-streams whose pause is over, and returns how long the next one waits; -1
// where none does.
func (s *substreams) startDue() time.Duration {
	var due []*part
	wait := time.Duration(-1)
	s.mu.Lock()
	for p, at := range s.paced {
		left := time.Until(at)
		switch {
		case left <= 0 || !s.parts.Attachable(p):
			delete(s.paced, p)
			due = append(due, p)
		case wait < 0 || left < wait:
			wait = left
		}
	}
	s.mu.Unlock()
	for _, p := range due {
		s.startAgain(p)
	}
	return wait
}

// startAgain makes another sub-stream of a partition, unless that has gone since.
func (s *substreams) startAgain(p *part) {
	s.mu.Lock()
	there := s.parts.Attachable(p)
	s.mu.Unlock()
	if there {
		s.giveOut([]topics.Partition{p.Partition})
	}
}

func (o *Handout) add(subs []*Sub) {
	o.mu.Lock()
	if !o.completed && !o.cancelled {
		o.queue = append(o.queue, subs...)
	}
	o.mu.Unlock()
	o.isl.Wake()
}

// complete says that there will be no more.
func (o *Handout) complete() {
	o.mu.Lock()
	o.completed = true
	o.mu.Unlock()
	o.isl.Wake()
}

// Next implements core.Intake.
func (o *Handout) Next() (core.Chunk[*Sub], core.Status) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case len(o.queue) > 0:
		return core.Chunk[*Sub]{Vals: o.queue[:1:1]}, core.Ready
	case o.completed:
		return core.Chunk[*Sub]{}, core.Complete
	}
	return core.Chunk[*Sub]{}, core.Empty
}

// Taken implements core.Intake.
func (o *Handout) Taken(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue = o.queue[n:]
	o.open += n
}

// Pass says that the island has ended: no further sub-stream goes on from it.
func (o *Handout) Pass() {
	o.mu.Lock()
	o.passed = true
	o.mu.Unlock()
	o.s.bell.Ring()
}

// close counts a sub-stream that has ended.
func (o *Handout) close() {
	o.mu.Lock()
	o.open--
	o.mu.Unlock()
	o.s.bell.Ring()
}

// over reports whether there will be no more sub-streams, and every one that there was has ended.
// One that was taken and never run (filtered out) may still be run, and keeps it from being over.
func (o *Handout) over() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.passed && o.open == 0
}

// wanted reports whether sub-streams are still taken.
func (o *Handout) wanted() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.completed && !o.cancelled
}

// Ready implements core.Intake.
func (o *Handout) Ready() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.queue) > 0 || o.completed
}

// Cancel implements core.Intake.
func (o *Handout) Cancel() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cancelled, o.queue = true, nil
}

// More implements core.Beginning.
func (o *Handout) More() bool { return o.s.more() }
