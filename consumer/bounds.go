package consumer

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

// bounds are the ends to which a bounded run reads; see ToEnd.
type bounds struct {
	known chan struct{}            // closed when they are; nil where the run has no end
	first map[TopicPartition]int64 // where partitions without a committed offset begin
	ends  map[TopicPartition]int64
	done  atomic.Bool
	once  sync.Once
}

// set tells the ends.
func (b *bounds) set(first, ends map[TopicPartition]int64) {
	b.once.Do(func() {
		b.first, b.ends = first, ends
		close(b.known)
	})
}

// await waits until they are known, if there are any; false: ctx has ended first.
func (b *bounds) await(ctx context.Context) bool {
	if b.known == nil {
		return true
	}
	select {
	case <-b.known:
		return true
	case <-ctx.Done():
		return false
	}
}

// end is that of a partition; false: the run has none, or it is not known yet.
func (b *bounds) end(p TopicPartition) (int64, bool) {
	if b.known == nil {
		return 0, false
	}
	select {
	case <-b.known:
		return b.ends[p], true // a partition that is newer than the run's start ends at 0
	default:
		return 0, false
	}
}

// endOf is that of a partition that was there when the run started; false for others, and where the
// run has none or it is not known yet.
func (b *bounds) endOf(p TopicPartition) (int64, bool) {
	if _, known := b.end(p); !known {
		return 0, false
	}
	end, ok := b.ends[p]
	return end, ok
}

// passed reports whether a partition that is read from next on, or from its first record where that
// is not known, was read to its end.
func (b *bounds) passed(p TopicPartition, next int64) bool {
	end, known := b.end(p)
	if known && next < 0 {
		next = b.first[p]
	}
	return known && next >= end
}

// within cuts off what is behind the end.
func (b *bounds) within(p TopicPartition, recs []*kgo.Record) []*kgo.Record {
	end, known := b.end(p)
	if !known || recs[len(recs)-1].Offset < end {
		return recs
	}
	n, _ := slices.BinarySearchFunc(recs, end, func(r *kgo.Record, end int64) int { return cmp.Compare(r.Offset, end) })
	return recs[:n:n]
}

// reached reports whether everything was read and finished.
func (b *bounds) reached() bool { return b.done.Load() }

// completeAtEnd completes the stream, or the sub-streams, of what was read to its end and finished.
// What is abandoned has to be delivered again first.
func (s *session[K, V, T]) completeAtEnd() {
	if s.ends.known == nil {
		return
	}
	there := map[*lane]bool{}
	whole := true
	s.mu.Lock()
	any := len(s.parts) > 0
	for _, p := range s.parts {
		read := s.ends.passed(p.TopicPartition, p.next) && !p.missed && !p.revoking && len(p.staged) == 0
		if p.lane == nil {
			whole = whole && read
			continue
		}
		if was, seen := there[p.lane]; !seen || was {
			there[p.lane] = read
		}
	}
	s.mu.Unlock()
	var finished []*lane
	for l, all := range there {
		if !all {
			whole = false
			continue
		}
		l.hurry(atEnd, true) // nothing more comes: holders need not wait
		if s.settled(l) {
			finished = append(finished, l)
		} else {
			whole = false
		}
	}
	if s.lane != nil {
		if any && whole {
			s.ends.done.Store(true)
			s.lane.hurry(atEnd, false)
			s.lane.feed.Complete()
		}
		return
	}
	for _, l := range finished {
		l.hurry(atEnd, false)
		l.feed.Complete()
	}
	if any && whole {
		s.ends.done.Store(true)
		s.outer.complete()
	}
}

// settled reports whether all of a lane was read, nothing of it is on its way, and nothing has to
// be delivered again. What was given up is asked of the assignment itself, which knows it in the
// same step as that it travels no more; an assignment that is not live is being replaced.
func (s *session[K, V, T]) settled(l *lane) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	ours := false // a sub-stream may have ended since
	for _, p := range s.parts {
		a := p.assignment
		if p.lane != l || a == nil {
			continue
		}
		ours = true
		read := s.ends.passed(p.TopicPartition, p.next) && !p.missed && len(p.staged) == 0
		if !read || !a.Live() || a.Queued() > 0 || a.Travelling() > 0 || a.Abandoned() {
			return false
		}
	}
	return ours && !l.feed.NeedsRewind() && !l.feed.Rewinding()
}
