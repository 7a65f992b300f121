package consumer

import (
	"context"
	"errors"
	"runtime/debug"
	"time"

	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/internal/tracker"
	"github.com/vicuna-go/vicuna/stream"
)

// Handler is called within rebalances, one call at a time, on the client's goroutine: the group
// waits for it. Revoking is called at the end of a run too, and Stopped there alone, on a goroutine
// of the run's. A call that takes longer than settings.HandlerWarning is logged; one that takes
// longer than the rebalance time-out loses the partitions. The context ends with the client. An
// error, or a panic, is a [*UserError] that ends the stream. nil functions are left out. Calls are
// made for partitions that there are; empty rebalances are not told.
type Handler struct {
	// Assigned: partitions have come, and nothing of them was fetched yet.
	Assigned func(ctx context.Context, r *Restricted, ps []TopicPartition) error
	// Revoking: partitions are about to go, since a revoke has begun, a drain has, or their source
	// has completed (which asks for all that are assigned; a hard stop tells nothing). Nothing more
	// of them is delivered, and what is in flight is not waited for yet: whoever gathers elements
	// by hand finishes now what he has. A Commit of their Committables counts, until Revoked is
	// called. Elements that are still on their way to him come afterwards; of these partitions he
	// finishes each at once. ctx ends when the waiting does: with settings.RevokeTimeout, the drain
	// time-out, or the close time-out; the call's time is part of it. It is called once for each
	// assignment of a partition.
	Revoking func(ctx context.Context, r *Restricted, ps []TopicPartition) error
	// Revoked: partitions are going. What was in flight is finished, or given up at the deadline,
	// and committed; they are still this consumer's until it returns.
	Revoked func(ctx context.Context, r *Restricted, ps []TopicPartition) error
	// Lost: partitions are somebody else's already.
	Lost func(ctx context.Context, r *Restricted, ps []TopicPartition) error
	// Stopped: the run is over, or its source has completed before it, and these were its
	// partitions; everything is committed, and the group is left after it.
	Stopped func(ctx context.Context, r *Restricted, ps []TopicPartition) error
}

// EventKind says what has happened to partitions.
type EventKind int8

const (
	// Assigned partitions have come.
	Assigned EventKind = iota
	// Revoked ones were given back.
	Revoked
	// Lost ones were taken without notice.
	Lost
	// Stopped: the run is over, and these were its partitions.
	Stopped
)

// String returns assigned, revoked, lost or stopped.
func (k EventKind) String() string {
	switch k {
	case Assigned:
		return "assigned"
	case Revoked:
		return "revoked"
	case Lost:
		return "lost"
	case Stopped:
		return "stopped"
	default:
		return "unknown"
	}
}

// Event is a change of the assignment.
type Event struct {
	Kind       EventKind
	Partitions []TopicPartition
}

func (s *session[K, V, T]) handle(ctx context.Context, what string, f func(context.Context, *Restricted, []TopicPartition) error, ps []TopicPartition) {
	if f != nil {
		s.handleWith(ctx, what, f, ps, s.restricted(s.positions(), s.assignment()))
	}
}

// handleWith calls a function of the user's, when none of the others is being called.
func (s *session[K, V, T]) handleWith(ctx context.Context, what string, f func(context.Context, *Restricted, []TopicPartition) error, ps []TopicPartition, r *Restricted) {
	s.handlers <- struct{}{}
	defer func() { <-s.handlers }()
	s.call(ctx, what, f, ps, r)
}

// call is handleWith for who holds handlers.
func (s *session[K, V, T]) call(ctx context.Context, what string, f func(context.Context, *Restricted, []TopicPartition) error, ps []TopicPartition, r *Restricted) {
	s.mu.Lock()
	s.calling = what
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.calling = ""
	}()
	slow := s.cfg.HandlerWarning()
	begin := time.Now()
	timer := time.AfterFunc(slow, func() {
		s.log.Warn("vicuna: the "+what+" is slow: the group waits for it", "partitions", ps, "for", slow)
	})
	defer timer.Stop()
	err := func() (err error) {
		defer s.run.Here()()
		defer func() {
			if p := recover(); p != nil {
				err = &stream.PanicError{Value: p, Stack: debug.Stack()}
			}
		}()
		return f(ctx, r, ps)
	}()
	if took := time.Since(begin); took >= slow {
		s.log.Warn("vicuna: the "+what+" was slow", "partitions", ps, "took", took.Round(time.Millisecond))
	}
	if err != nil {
		s.run.Fail(&UserError{What: what, Partitions: ps, Err: err})
	}
}

// handling names the function that is being called within a rebalance.
func (s *session[K, V, T]) handling() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calling == "" {
		return "close"
	}
	return s.calling
}

// stopped calls the handler at the end of the run.
func (s *session[K, V, T]) stopped(ctx context.Context, parts map[TopicPartition]*part) {
	if len(parts) == 0 {
		return
	}
	ps := make([]TopicPartition, 0, len(parts))
	at := make(map[TopicPartition]position, len(parts))
	s.mu.Lock()
	for _, p := range parts {
		ps = append(ps, p.TopicPartition)
		at[p.TopicPartition] = position{next: p.next, done: -1, owner: p.owner}
	}
	s.mu.Unlock()
	topics.Sort(ps)
	if f := s.c.opts.handler.Stopped; f != nil {
		s.handleWith(ctx, "stopped handler", f, ps, s.restricted(at, ps))
	}
	s.tell(Stopped, ps)
}

// tell tells of what has happened, later.
func (s *session[K, V, T]) tell(kind EventKind, ps []TopicPartition) {
	f := s.c.opts.events
	if f == nil {
		return
	}
	s.events.Do(func() {
		defer s.run.Here()()
		defer func() {
			if p := recover(); p != nil {
				s.run.Fail(&UserError{What: "function for rebalance events", Partitions: ps, Err: &stream.PanicError{Value: p, Stack: debug.Stack()}})
			}
		}()
		f(Event{Kind: kind, Partitions: ps})
	})
}

// Restricted is what a [Handler] may ask and do. It is valid during the call.
type Restricted struct {
	ask    *asker
	commit *committer
	memory *history
	ps     []TopicPartition
	parts  map[TopicPartition]position // with who had them at the call, which alone may commit
}

// restricted is for one call of a function of the Handler.
func (s *session[K, V, T]) restricted(parts map[TopicPartition]position, ps []TopicPartition) *Restricted {
	return &Restricted{ask: s.ask, commit: s.commit, memory: &s.c.memory, parts: parts, ps: ps}
}

// Assignment lists the partitions that are assigned now, in order; during Revoked and Lost those
// that go too.
func (r *Restricted) Assignment() []TopicPartition { return r.ps }

// Position is the offset of the next record to be fetched of a partition; false where that is not
// known yet.
func (r *Restricted) Position(p TopicPartition) (int64, bool) {
	pos, ok := r.parts[p]
	return pos.next, ok && pos.next >= 0
}

// Committed asks for the group's committed offsets; partitions without one are left out.
func (r *Restricted) Committed(ctx context.Context, ps ...TopicPartition) (map[TopicPartition]int64, error) {
	return r.ask.committed(ctx, ps)
}

// Beginning asks for the offsets of the first records that there are.
func (r *Restricted) Beginning(ctx context.Context, ps ...TopicPartition) (map[TopicPartition]int64, error) {
	return r.ask.beginning(ctx, ps)
}

// End asks for the offsets behind the last records; with settings.ReadCommitted, behind the last
// that can be read.
func (r *Restricted) End(ctx context.Context, ps ...TopicPartition) (map[TopicPartition]int64, error) {
	return r.ask.end(ctx, ps)
}

// Commit commits offsets of assigned partitions now, whatever is finished: each is that of the next
// record to be read. What is committed within Assigned is where these partitions are read from,
// unless a loader or [Offsets] says so; in the other functions it is for whoever reads them next,
// and the stream's own later commits go on from what was finished. Partitions that were lost are
// not committed: that is a [*CommitError], and so is what the group refuses.
func (r *Restricted) Commit(ctx context.Context, offsets map[TopicPartition]int64) error {
	var errs []error
	marks := make([]commit, 0, len(offsets))
	for p, o := range offsets {
		at, ok := r.parts[p]
		if !ok {
			errs = append(errs, &assignmentError{p})
		}
		marks = append(marks, commit{TopicPartition: p, Mark: tracker.Mark{Offset: o, Epoch: -1}, back: true, owner: at.owner})
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := r.commit.these(ctx, marks); err != nil {
		return err
	}
	for p := range offsets {
		r.memory.forget(p) // also where the group has had this offset: the user says that it counts
	}
	return nil
}
