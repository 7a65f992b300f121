package consumer

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/memory"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// attend looks at what changes while the poller waits for the brokers: something has to be
// delivered again, a partition has room again, everything was read.
func (s *session[K, V, T]) attend(<-chan struct{}) {
	for {
		changed := s.bell.Listen()
		if s.over() {
			s.wakePoll()
			return
		}
		if s.needsRewind() {
			s.wakePoll()
		}
		s.releaseRoomy()
		s.completeAtEnd()
		select {
		case <-changed:
		case <-s.ctx.Done():
		case <-s.run.StopC():
		}
	}
}

// holdIfFull stops the fetching of a partition whose tracker is full, or that holds too much; it
// goes on at less than its part. What the client has fetched of it already is thrown away and
// fetched again, and the fetch under way is without it.
func (s *session[K, V, T]) holdIfFull(p *part, a *feed.Assignment[*kgo.Record]) {
	s.mu.Lock()
	hold := !p.held && s.parts[p.TopicPartition] == p && p.assignment == a && (a.Full() || s.tooMuch(p))
	if hold {
		s.hold(p)
	}
	s.mu.Unlock()
	if hold {
		s.bell.Ring() // there may be room again
	}
}

// tooMuch reports whether a partition has to be held for what it holds: its part, where what is
// left is for those that have nothing; else twice its part, if it is slow to finish that. One that
// is merely ahead of others is left alone, and one that is slow has enough to do until it is
// fetched again. The caller holds the lock.
func (s *session[K, V, T]) tooMuch(p *part) bool {
	share := s.budget.Share(len(s.parts))
	if s.strained.Load() {
		return p.load().Exceeds(1, share)
	}
	return p.load().Exceeds(2, share) && p.lags()
}

// hold stops the fetching of a partition. The caller holds the lock, here and wherever the client
// is told to pause or resume: who comes second has the last word with the client too.
func (s *session[K, V, T]) hold(p *part) {
	p.held = true
	s.held[p.TopicPartition] = p
	s.cl.PauseFetchPartitions(map[string][]int32{p.Topic: {p.Partition}})
}

// strain is for when the budget is full because some partitions hold more than their part and are
// slow to finish it, while others hold less: those may have as much again between them, and nobody
// more than his part of that, as slow ones may be among them too.
func (s *session[K, V, T]) strain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var hogs []*part
	slow, others := false, false
	share := s.budget.Share(len(s.parts))
	for _, p := range s.parts {
		hog := p.assignment != nil && p.hogs(share)
		switch {
		case p.held, p.userPaused && hog:
			slow = true
		case p.assignment == nil:
		case p.userPaused:
			slow = slow || p.load() != (memory.Load{})
		case !hog:
			others = true
			slow = slow || p.lags()
		default:
			hogs = append(hogs, p)
			slow = slow || p.lags()
		}
	}
	if !slow || !others { // not polling does as well
		return
	}
	for _, p := range hogs {
		s.hold(p)
	}
	s.strained.Store(true)
	s.bell.Ring() // they may have nothing waiting already
}

// releaseRoomy lets partitions be fetched again that have room, and hurries where one has none
// while nothing waits to be taken: holders would wait for ever.
func (s *session[K, V, T]) releaseRoomy() {
	var roomy []TopicPartition
	starving := map[*lane]bool{}
	s.mu.Lock()
	share := s.budget.Share(len(s.parts))
	for key, p := range s.held {
		if p.lane != nil && !starving[p.lane] {
			starving[p.lane] = false
		}
		switch {
		case s.parts[key] != p || p.assignment == nil || p.revoking:
			delete(s.held, key)
			continue
		case !p.assignment.Full() && !p.hogs(share):
			p.held = false
			delete(s.held, key)
			if !p.userPaused {
				roomy = append(roomy, p.TopicPartition)
			}
		case p.assignment.Starved():
			starving[p.lane] = true
		}
	}
	if len(roomy) > 0 {
		s.cl.ResumeFetchPartitions(topics.ByTopic(roomy))
	}
	s.mu.Unlock()
	for l, is := range starving {
		l.hurry(starved, is)
	}
}

// pause implements running.
func (s *session[K, V, T]) pause(ps []TopicPartition, paused bool) error {
	s.mu.Lock()
	if s.asker() == nil {
		s.mu.Unlock()
		return ErrNotRunning
	}
	if len(ps) == 0 {
		for _, p := range s.parts {
			if !p.revoking { // it gives nothing more, and cannot be held
				ps = append(ps, p.TopicPartition)
			}
		}
	}
	for _, p := range ps {
		if pt := s.parts[p]; pt == nil || pt.revoking {
			s.mu.Unlock()
			return &assignmentError{p}
		}
	}
	var fetched []TopicPartition
	for _, p := range ps {
		pt := s.parts[p]
		pt.userPaused = paused
		if pt.assignment != nil {
			pt.assignment.Pause(paused)
			if !pt.held {
				fetched = append(fetched, p)
			}
		}
	}
	if paused {
		s.cl.PauseFetchPartitions(topics.ByTopic(fetched))
	} else {
		s.cl.ResumeFetchPartitions(topics.ByTopic(fetched))
	}
	s.mu.Unlock()
	s.bell.Ring()
	return nil
}

type assignmentError struct{ p TopicPartition }

func (e *assignmentError) Error() string { return ErrNotAssigned.Error() + ": " + e.p.String() }
func (e *assignmentError) Unwrap() error { return ErrNotAssigned }
