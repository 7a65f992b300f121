package consumer

import (
	"slices"

	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

// committable implements marker.
func (s *session[K, V, T]) committable() []commit {
	if s.shape.ahead > 0 {
		return nil // it is committed before it is delivered
	}
	s.mu.Lock()
	lanes := s.lanes()
	s.mu.Unlock()
	for _, l := range lanes {
		l.feed.Collect() // what is finished and was not reported, also behind a slow element
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	marks := make([]commit, 0, len(s.parts))
	for _, p := range s.parts {
		if p.revoking {
			continue // its revoke commits it
		}
		mark, ok := p.mark, p.marked
		if p.assignment != nil {
			if m, live := p.assignment.Committable(); live {
				mark, ok = m, true
			}
		}
		if ok {
			marks = append(marks, s.commitOf(p, mark))
		}
	}
	return marks
}

// commitOf makes the commit of a partition's mark; the caller holds the lock.
func (s *session[K, V, T]) commitOf(p *part, m tracker.Mark) commit {
	c := commit{TopicPartition: p.TopicPartition, Mark: m, owner: p.owner}
	if s.shape.metadata != nil {
		c.hasMetadata = true
		c.metadata = p.metas.before(m.Offset)
	}
	return c
}

// marksOf is what is to be committed last of partitions whose assignments have ended, by whoever
// has ended them: a revoke and the end of the session may come at the same time, and only one of
// them is told how an assignment has ended. What the other knows of the partition is older.
func (s *session[K, V, T]) marksOf(parts map[TopicPartition]*part, ends []feed.End) (marks []commit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := endsOf(ends)
	for key, p := range parts {
		e, ended := of[key]
		if p.endedElsewhere(ended) {
			continue
		}
		if s.shape.ahead > 0 {
			if offset, ok := p.undelivered(e, ended); ok {
				marks = append(marks, commit{TopicPartition: p.TopicPartition, Mark: tracker.Mark{Offset: offset, Epoch: -1}, back: true, owner: p.owner})
			} else if p.marked {
				marks = append(marks, s.commitOf(p, p.mark))
			}
			continue
		}
		switch {
		case ended && e.Committable:
			marks = append(marks, s.commitOf(p, e.Mark))
		case p.marked:
			marks = append(marks, s.commitOf(p, p.mark))
		}
	}
	return marks
}

// endedElsewhere reports whether a partition is somebody else's to commit: of its assignment, which
// is not among those that ended here. The caller holds the lock.
func (p *part) endedElsewhere(ended bool) bool {
	return !ended && (p.assignment != nil || p.endsElsewhere)
}

// endsOf finds ends by their partitions.
func endsOf(ends []feed.End) map[TopicPartition]feed.End {
	of := make(map[TopicPartition]feed.End, len(ends))
	for _, e := range ends {
		of[e.Partition] = e
	}
	return of
}

// leaveOut takes those out of the end's partitions that a revoke has ended: it tells of them.
func (s *session[K, V, T]) leaveOut(parts map[TopicPartition]*part, ends []feed.End) {
	of := endsOf(ends)
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, p := range parts {
		if _, ended := of[key]; p.endedElsewhere(ended) {
			delete(parts, key)
		}
	}
}

// toTell are the partitions of which a revoke tells: not those that the end of the session has
// taken over, and tells of.
func (s *session[K, V, T]) toTell(ps []TopicPartition, parts map[TopicPartition]*part, ends []feed.End) []TopicPartition {
	of := endsOf(ends)
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(ps), func(p TopicPartition) bool {
		_, ended := of[p]
		return !ended && s.parts[p] != parts[p]
	})
}

// failed implements marker.
func (s *session[K, V, T]) failed(err error) { s.run.Fail(err) }
