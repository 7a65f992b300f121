package reader

import (
	"slices"

	"github.com/vicuna-go/vicuna/internal/commit"
	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

// offsets is what may be committed.
type offsets struct{ *Session }

// committable is what may be committed now.
func (s *offsets) committable() []commit.Offset {
	if s.o.Ahead > 0 {
		return nil // it is committed before it is delivered
	}
	for _, l := range s.lanes() {
		l.feed.Collect() // what is finished and was not reported, also after a slow element
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	offsets := make([]commit.Offset, 0, s.parts.Len())
	for _, p := range s.parts.All() {
		if p.Going() {
			continue // its revoke commits it
		}
		mark, ok := p.Flow.mark, p.Flow.marked
		if p.Flow.assignment != nil {
			if m, live := p.Flow.assignment.Committable(); live {
				mark, ok = m, true
			}
		}
		if ok {
			offsets = append(offsets, s.offsetOf(p, mark))
		}
	}
	return offsets
}

// offsetOf makes the offset to commit of a partition's mark; the caller holds the lock.
func (s *offsets) offsetOf(p *part, m tracker.Mark) commit.Offset {
	o := commit.Offset{Partition: p.Partition, Mark: m, Owner: p.Flow.owner, From: p.Flow.began, Counts: p.Flow.began >= 0}
	if s.o.Metadata {
		o.HasMetadata = true
		o.Metadata = p.Flow.texts.before(m.Offset)
	}
	return o
}

// lastOffsets is what is to be committed last of partitions whose assignments have ended, by
// whoever has ended them: a revoke and the end of the session may come at the same time, and only
// one of them is told how an assignment has ended. What the other knows of the partition is older.
func (s *offsets) lastOffsets(going parts, ends []feed.End) (offsets []commit.Offset) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := endsOf(ends)
	for key, p := range going {
		e, ended := of[key]
		if endedElsewhere(p, ended) {
			continue
		}
		if s.o.Ahead > 0 {
			if offset, ok := undelivered(p, e, ended); ok {
				back := s.offsetOf(p, tracker.Mark{Offset: offset, Epoch: -1})
				back.Back = true
				offsets = append(offsets, back)
			} else if p.Flow.marked {
				offsets = append(offsets, s.offsetOf(p, p.Flow.mark))
			}
			continue
		}
		switch {
		case ended && e.Committable:
			offsets = append(offsets, s.offsetOf(p, e.Mark))
		case p.Flow.marked:
			offsets = append(offsets, s.offsetOf(p, p.Flow.mark))
		}
	}
	return offsets
}

// endedElsewhere reports whether a partition is somebody else's to commit: of its assignment, which
// is not among those that ended here. The caller holds the lock.
func endedElsewhere(p *part, ended bool) bool {
	return !ended && (p.Flow.assignment != nil || p.Flow.endedElsewhere)
}

// endsOf finds ends by their partitions.
func endsOf(ends []feed.End) map[topics.Partition]feed.End {
	of := make(map[topics.Partition]feed.End, len(ends))
	for _, e := range ends {
		of[e.Partition] = e
	}
	return of
}

// leaveOut takes those out of the end's partitions that a revoke has ended: it tells of them.
func (s *offsets) leaveOut(going parts, ends []feed.End) {
	of := endsOf(ends)
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, p := range going {
		if _, ended := of[key]; endedElsewhere(p, ended) {
			delete(going, key)
		}
	}
}

// toTell are the partitions of which a revoke tells: not those that the end of the session has
// taken over, and tells of.
func (s *rebalancer) toTell(ps []topics.Partition, going parts, ends []feed.End) []topics.Partition {
	of := endsOf(ends)
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(ps), func(p topics.Partition) bool {
		_, ended := of[p]
		return !ended && s.parts.Get(p) != going[p]
	})
}
