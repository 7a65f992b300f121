package committing

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/settings"
)

// Stage is a committer stage of a run: it tells all groups that it knows of what its settings want.
//
// Elements are observed per goroutine: the embedded Observer is one goroutine's, and Another makes
// one for a second. What they count they count together.
type Stage struct {
	// One goroutine's; see Observer.
	Observer

	// Fixed when it is made, but for the counts, to which every Observer adds.
	run   *core.Run
	cm    settings.Committer
	batch int64
	seen  atomic.Int64 // elements
	due   atomic.Int64 // as many, and the groups are woken

	mu     sync.Mutex // of those who change groups
	groups atomic.Pointer[[]Group]
}

// NewStage makes the stage while its graph is built, and arms the groups of the run and of the runs
// around it, those that are added later when they are. The settings must be without problems (Err).
func NewStage(run *core.Run, cm settings.Committer) *Stage {
	s := &Stage{run: run, cm: cm, batch: int64(max(1, cm.MaxBatch()))}
	s.stage = s
	s.due.Store(s.batch)
	s.groups.Store(new([]Group))
	run.EachGroup(func(g core.CommitGroup) {
		if g, ok := g.(Group); ok {
			s.meet(g)
		}
	})
	return s
}

// Another returns an observer for another goroutine.
func (s *Stage) Another() *Observer { return &Observer{stage: s} }

// Groups are those that the stage knows of now. They must not be changed.
func (s *Stage) Groups() []Group { return *s.groups.Load() }

// meet arms a group that is new.
func (s *Stage) meet(g Group) {
	if s.knows(g) {
		return
	}
	s.mu.Lock()
	if s.knows(g) {
		s.mu.Unlock()
		return
	}
	old := s.Groups()
	groups := make([]Group, 0, len(old)+1)
	for _, o := range old {
		if e, ok := o.(Ender); !ok || !e.Ended() {
			groups = append(groups, o)
		}
	}
	groups = append(groups, g)
	s.groups.Store(&groups)
	s.mu.Unlock()
	g.Arm(s.cm)
}

func (s *Stage) knows(g Group) bool {
	for _, known := range s.Groups() {
		if known == g {
			return true
		}
	}
	return false
}

// Wake wakes all groups.
func (s *Stage) Wake() {
	for _, g := range s.Groups() {
		g.Wake()
	}
}

// Flush flushes all groups at the same time, and returns when all have answered, or given up
// because ctx has ended.
func (s *Stage) Flush(ctx context.Context) error {
	groups := s.Groups()
	if len(groups) == 0 {
		return nil
	}
	errs := make([]error, len(groups))
	var others sync.WaitGroup
	for i, g := range groups[1:] {
		others.Add(1)
		s.run.Go("commit", func() {
			defer others.Done()
			errs[i+1] = g.Flush(ctx)
		})
	}
	errs[0] = groups[0].Flush(ctx)
	others.Wait()
	return errors.Join(errs...)
}

// Complete ends the stage, on its island and after its last element: what was finished is
// committed when it returns, or the run has been stopped; with settings.SendAndForget it is only
// asked for. A failure ends the run, should the group's own report not have done so before.
func (s *Stage) Complete(isl *core.Island, info *core.StageInfo) {
	switch {
	case s.run.Stopped() || len(s.Groups()) == 0:
		return
	case !s.cm.WaitsForAck():
		s.Wake()
		return
	}
	isl.Await(func() bool { return true }) // what the island has finished is reported
	var err error
	var answered atomic.Bool
	s.run.Go("commit", func() {
		err = s.Flush(s.run.Context())
		answered.Store(true)
		isl.Wake()
	})
	if isl.Await(answered.Load) && err != nil {
		s.run.FailAt(info, 0, err)
	}
}

// Observer sees the elements that one goroutine finishes. It does not wait and allocates nothing.
type Observer struct {
	stage *Stage
	last  Group // whose offset was observed last

	carried map[core.Token]struct{} // what the element in hand has under its token
}

// Observe is told of each element that is finished, before its token ends: after that the element
// may be used again. t is the token, and v what may be a Committable, or a slice of them, or nil.
//
// What the element carries by its token is finished with that. A consumer's offset that came
// another way, by a channel from another graph or from this one, was handed over for it, and this
// element answers that, once. Any other Committable is committed. A panic of a foreign Commit goes
// through.
func (o *Observer) Observe(t core.Token, v any) {
	switch v := v.(type) {
	case Offset:
		o.meet(v)
		if v.HandedOver() && !o.carries(t, v) {
			v.Answer()
		}
	case envelope.Committable:
		v.Commit()
	case []envelope.Committable:
		o.ObserveAll(t, v)
	}
}

// ObserveAll is Observe for an element with several offsets, of which some may have come by its
// token and others by a channel.
func (o *Observer) ObserveAll(t core.Token, cs []envelope.Committable) {
	if len(cs) == 1 {
		o.Observe(t, cs[0]) // which makes no list of what the token carries
		return
	}
	listed := t == 0
	clear(o.carried)
	for _, c := range cs {
		v, ok := c.(Offset)
		if !ok {
			if c != nil {
				c.Commit()
			}
			continue
		}
		o.meet(v)
		if !v.HandedOver() {
			continue
		}
		// once, and not each offset by itself: a batch of thousands can have as many tokens
		if !listed {
			listed = true
			if o.carried == nil {
				o.carried = map[core.Token]struct{}{}
			}
			o.stage.run.Ledger.Positions(t, o.carried)
		}
		l, of := v.Token()
		if _, by := o.carried[of]; !by || l != o.stage.run.Ledger {
			v.Answer()
		}
	}
}

// carries reports whether the element in hand has the offset's position by its token.
func (o *Observer) carries(t core.Token, v Offset) bool {
	if t == 0 {
		return false
	}
	l, of := v.Token()
	return l == o.stage.run.Ledger && l.Carries(t, of)
}

// Count is called for each element that was observed, after its token: the commit that a full
// batch asks for is to include it.
func (o *Observer) Count() { o.CountAll(1) }

// CountAll is Count for an element that counts as n.
func (o *Observer) CountAll(n int) {
	if s := o.stage; s.seen.Add(int64(n)) >= s.due.Load() {
		s.batchIsFull()
	}
}

// batchIsFull wakes the groups once for each batch, whoever has observed its last element.
func (s *Stage) batchIsFull() {
	for due := s.due.Load(); s.seen.Load() >= due; due = s.due.Load() {
		if s.due.CompareAndSwap(due, due+s.batch) {
			s.Wake()
		}
	}
}

// meet arms the group of an offset that is of another one than the last.
func (o *Observer) meet(v Offset) {
	if g := v.Group(); g != nil && g != o.last {
		o.stage.meet(g)
		o.last = g
	}
}
