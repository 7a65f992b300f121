package reader

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/fault"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// callers calls the user's functions within rebalances, one at a time, and tells of what has
// happened.
type callers struct {
	*Session
	handlers chan struct{} // held by whoever calls a function of the Handler
	events   core.Serial   // has a lock of its own
	toldEnd  chan struct{} // closed when the handler was told that the end begins
	// the user's function that a rebalance waits for; under the session's lock
	calling string
}

// HandlerFunc is a user's function within a rebalance.
type HandlerFunc func(ctx context.Context, v *View, ps []topics.Partition) error

// Handler are the user's functions within rebalances; nil ones are left out.
type Handler struct{ Assigned, Revoking, Revoked, Lost, Stopped HandlerFunc }

// Change is what has happened to partitions.
type Change int8

// The changes.
const (
	Assigned Change = iota
	Revoked
	Lost
	Stopped
)

// handle calls a function of the user's, when none of the others is being called.
func (s *callers) handle(ctx context.Context, what string, f HandlerFunc, ps []topics.Partition) {
	if f != nil {
		s.handleWith(ctx, what, f, ps, s.view(s.Positions(), s.Assignment()))
	}
}

// handleWith is handle with what the function may see.
func (s *callers) handleWith(ctx context.Context, what string, f HandlerFunc, ps []topics.Partition, v *View) {
	s.handlers <- struct{}{}
	defer func() { <-s.handlers }()
	s.call(ctx, what, f, ps, v)
}

// call is handleWith for whoever holds handlers.
func (s *callers) call(ctx context.Context, what string, f HandlerFunc, ps []topics.Partition, v *View) {
	s.setCalling(what)
	defer s.setCalling("")
	slow := s.cfg.HandlerWarning()
	begin := time.Now()
	timer := time.AfterFunc(slow, func() {
		s.log.Warn("vicuna: the "+what+" is slow: the group waits for it",
			"group", s.cfg.Group(), "source", s.name, "partitions", topics.Summary(ps), "for", slow)
	})
	defer timer.Stop()
	err := func() (err error) {
		defer s.run.Here()()
		defer func() {
			if p := recover(); p != nil {
				err = &core.PanicError{Value: p, Stack: debug.Stack()}
			}
		}()
		return f(ctx, v, ps)
	}()
	if took := time.Since(begin); took >= slow {
		s.log.Warn("vicuna: the "+what+" was slow",
			"group", s.cfg.Group(), "source", s.name, "partitions", topics.Summary(ps), "took", took.Round(time.Millisecond))
	}
	if err != nil {
		s.run.Fail(&fault.UserError{What: what, Group: s.cfg.Group(), Source: s.name, Partitions: ps, Err: err})
	}
}

// setCalling notes the user's function that a rebalance waits for.
func (s *callers) setCalling(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calling = what
}

// handling names the function that is being called within a rebalance.
func (s *callers) handling() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calling == "" {
		return "close"
	}
	return s.calling
}

// stopped calls the handler at the end of the run.
func (s *callers) stopped(ctx context.Context, going parts) {
	if len(going) == 0 {
		return
	}
	ps := make([]topics.Partition, 0, len(going))
	at := make(map[topics.Partition]Position, len(going))
	s.mu.Lock()
	for _, p := range going {
		ps = append(ps, p.Partition)
		at[p.Partition] = Position{Next: p.Next(), Done: -1, owner: p.Flow.owner}
	}
	s.mu.Unlock()
	topics.Sort(ps)
	if f := s.o.Handler.Stopped; f != nil {
		s.handleWith(ctx, "stopped handler", f, ps, s.view(at, ps))
	}
	s.tell(Stopped, ps)
}

// tell tells of what has happened, later.
func (s *callers) tell(kind Change, ps []topics.Partition) {
	f := s.o.Events
	if f == nil {
		return
	}
	s.events.Do(func() {
		defer s.run.Here()()
		defer func() {
			if p := recover(); p != nil {
				s.run.Fail(&fault.UserError{
					What: "function for rebalance events", Group: s.cfg.Group(), Source: s.name, Partitions: ps,
					Err: &core.PanicError{Value: p, Stack: debug.Stack()},
				})
			}
		}()
		f(kind, ps)
	})
}

// tellRevoking tells that partitions are about to go, those of them that were not told of yet.
// Nothing more of them is delivered by now. There is no event for it: those are told afterwards,
// when what is finished may count no more.
func (s *callers) tellRevoking(ctx context.Context, ps []topics.Partition, deadline time.Time) {
	f := s.o.Handler.Revoking
	if f == nil {
		return
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if ctx.Err() != nil {
		return // nothing is waited for any more, so there is nothing to finish in time
	}
	select {
	case s.handlers <- struct{}{}: // who comes second finds told what the first one has told
	case <-ctx.Done():
		return
	}
	defer func() { <-s.handlers }()
	var fresh []topics.Partition
	s.mu.Lock()
	for _, tp := range ps {
		if p := s.parts.Get(tp); p != nil && !p.Flow.told {
			p.Flow.told = true
			fresh = append(fresh, tp)
		}
	}
	s.mu.Unlock()
	if len(fresh) == 0 {
		return
	}
	s.call(ctx, "revoking handler", f, fresh, s.view(s.Positions(), s.Assignment()))
}

// tellEnding tells of all partitions when the end of their reading begins: at a drain, and when the
// source has completed. It has a goroutine of its own, since it may be called within the user's
// function that has drained the run; the end of the session waits for it. A hard stop tells
// nothing.
func (s *callers) tellEnding(quit <-chan struct{}) {
	defer close(s.toldEnd)
	select {
	case <-quit:
		return
	case <-s.run.StopC():
	case <-s.run.DrainC():
	case <-s.ender.complete:
	}
	within := s.run.Limits().Close
	switch { // several of them may have come by now
	case s.run.Stopped():
		return
	case s.run.Draining():
		within = s.run.Limits().Drain
		s.log.Info("vicuna: a consumer is being drained", "source", s.name, "group", s.cfg.Group())
	}
	s.tellRevoking(s.run.Context(), s.Assignment(), time.Now().Add(within))
}
