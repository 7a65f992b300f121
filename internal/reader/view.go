package reader

import (
	"context"
	"errors"

	"github.com/vicuna-go/vicuna/internal/commit"
	"github.com/vicuna-go/vicuna/internal/fault"
	"github.com/vicuna-go/vicuna/internal/lookup"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

// Position is how far a partition was read: the offset of the next record to be fetched, and that
// after the last one that was finished without a gap; -1 where that is not known.
type Position struct {
	Next, Done int64
	owner      *commit.Owner // who had it, and alone may commit
}

// Positions are those of the assigned partitions.
func (s *Session) Positions() map[topics.Partition]Position {
	for _, l := range s.lanes() {
		l.feed.Collect()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := make(map[topics.Partition]Position, s.parts.Len())
	for _, p := range s.parts.All() {
		pos := Position{Next: p.Next(), Done: p.Next(), owner: p.Flow.owner}
		switch a := p.Flow.assignment; {
		case a != nil:
			if m, ok := a.Committable(); ok {
				pos.Done = m.Offset
			} else if offset, _, ok := a.Oldest(); ok {
				pos.Done = offset
			}
		case p.Flow.marked:
			pos.Done = p.Flow.mark.Offset
		}
		at[p.Partition] = pos
	}
	return at
}

// Assignment lists the assigned partitions, in order.
func (s *Session) Assignment() []topics.Partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parts.List()
}

// Belongs reports whether the group has given this client what it is to have.
func (s *Session) Belongs() bool { return s.standing.Has() }

// Questions asks the brokers through the run's client; nil where it has none, or is ending.
func (s *Session) Questions() *lookup.Questions {
	if s.ender.ended.Load() {
		return nil
	}
	select {
	case <-s.ready:
		return s.ask
	default:
		return nil
	}
}

// View is what a user's function within a rebalance may ask and do. It is for one call.
type View struct {
	*lookup.Questions
	door    *commit.Door
	history *History
	ps      []topics.Partition
	at      map[topics.Partition]Position
}

func (s *Session) view(at map[topics.Partition]Position, ps []topics.Partition) *View {
	return &View{Questions: s.ask, door: s.door, history: s.o.History, at: at, ps: ps}
}

// Assignment lists the partitions that were assigned at the call.
func (v *View) Assignment() []topics.Partition { return v.ps }

// Position is how far a partition was read at the call.
func (v *View) Position(p topics.Partition) (Position, bool) {
	at, ok := v.at[p]
	return at, ok
}

// Commit commits offsets of assigned partitions now, whatever is finished.
func (v *View) Commit(ctx context.Context, offsets map[topics.Partition]int64) error {
	var errs []error
	all := make([]commit.Offset, 0, len(offsets))
	for p, o := range offsets {
		at, ok := v.at[p]
		if !ok {
			errs = append(errs, fault.NotAssigned(p))
		}
		all = append(all, commit.Offset{Partition: p, Mark: tracker.Mark{Offset: o, Epoch: -1}, Back: true, Owner: at.owner})
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := v.door.Now(ctx, all); err != nil {
		return err
	}
	for p := range offsets {
		// also where the group has had this offset: the user says that it counts
		v.history.forget(p)
	}
	return nil
}
