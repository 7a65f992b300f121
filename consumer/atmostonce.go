package consumer

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/memory"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

// staged is a run of fetched records that are not committed ahead yet. It holds the lease of the
// response that they came with, as those do that were delivered of it.
type staged struct {
	records []*kgo.Record
	lease   *memory.Lease
	bytes   int64
}

// commitAhead commits offsets, and then lets the records that they cover go to the stream: of each
// partition as many as may wait there.
func (s *session[K, V, T]) commitAhead(<-chan struct{}) {
	for !s.over() {
		changed := s.bell.Listen()
		var next []batch
		var begun []*part
		committed, err := s.commit.ahead(s.ctx, func() (marks []commit) {
			next = s.nextAhead()
			begun, marks = s.beginnings(next)
			for _, a := range next {
				last := a.records[len(a.records)-1]
				marks = append(marks, commit{TopicPartition: a.part.TopicPartition, Mark: tracker.Mark{Offset: last.Offset + 1, Epoch: last.LeaderEpoch}, owner: a.part.owner})
			}
			return marks
		}, func() {
			s.mu.Lock()
			for _, p := range begun {
				p.marked = false
			}
			s.mu.Unlock()
			s.giveCommitted(next)
		})
		for _, b := range next {
			b.parent.Done()
		}
		switch {
		case err != nil:
			s.run.Fail(err)
			return
		case committed:
			continue
		}
		var again <-chan time.Time
		if len(next) > 0 || len(begun) > 0 { // it failed, and may succeed later
			again = time.After(100 * time.Millisecond)
		}
		select {
		case <-changed:
		case <-again:
		case <-s.ctx.Done():
			return
		}
	}
}

// nextAhead takes what may be committed now from what is staged; it stays staged until it is
// delivered.
func (s *session[K, V, T]) nextAhead() (next []batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts {
		if p.revoking || p.assignment == nil || len(p.staged) == 0 || p.userPaused {
			continue
		}
		if n := min(s.shape.ahead-p.assignment.Waiting(), len(p.staged[0].records)); n > 0 {
			st := p.staged[0]
			st.lease.Hold()
			next = append(next, batch{part: p, assignment: p.assignment, records: st.records[:n:n], bytes: int64(n) * s.shape.size, parent: st.lease})
		}
	}
	return next
}

// beginnings are the partitions that begin where that was looked up, which is not committed yet;
// and the commits of those that next has nothing of.
func (s *session[K, V, T]) beginnings(next []batch) (begun []*part, marks []commit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts {
		if !p.marked || p.revoking {
			continue
		}
		begun = append(begun, p)
		if !slices.ContainsFunc(next, func(b batch) bool { return b.part == p }) {
			marks = append(marks, s.commitOf(p, p.mark))
		}
	}
	return begun, marks
}

// giveCommitted delivers what was committed.
func (s *session[K, V, T]) giveCommitted(next []batch) {
	for _, b := range next {
		lease := memory.NewLease(func(bytes int64, _ int) { s.budget.Free(bytes, 0) }).Under(b.parent)
		s.give(b, lease)
		lease.Done()
	}
}

// unstage takes the first n records off that are staged: they were delivered. The caller holds the
// lock.
func (p *part) unstage(n int) {
	if rest := p.staged[0].records[n:]; len(rest) > 0 {
		p.staged[0].records = rest
	} else {
		p.stagedBytes -= p.staged[0].bytes
		p.staged[0].lease.Done()
		p.staged = p.staged[1:]
	}
}

// unstageAll takes everything off; the caller holds the lock.
func (p *part) unstageAll() {
	for _, st := range p.staged {
		st.lease.Done()
	}
	p.staged, p.stagedBytes = nil, 0
}

// load is what a partition holds; the caller holds the lock.
func (p *part) load() memory.Load {
	held := p.assignment.Charges().Held()
	for _, st := range p.staged {
		held.Records += int64(len(st.records))
	}
	held.Bytes += p.stagedBytes
	return held
}

// hogs reports whether a partition has more than its part; the caller holds the lock. It may hold
// little itself and pin much: its few records keep whole responses alive. That looks at each
// delivery in flight, so it is not for every delivery.
func (p *part) hogs(share memory.Load) bool {
	pinned := p.assignment.Charges().Pinned()
	for _, st := range p.staged {
		pinned += st.lease.Bytes()
	}
	return p.load().Exceeds(1, share) || pinned > share.Bytes
}

// lags reports whether what it holds takes long, in which case pausing it costs nothing: it has
// enough to do until it is fetched again.
func (p *part) lags() bool {
	_, age, ok := p.assignment.Oldest()
	return ok && age > patience
}

// holdStaged is holdIfFull for what was staged.
func (s *session[K, V, T]) holdStaged(tp TopicPartition) {
	s.mu.Lock()
	p := s.parts[tp]
	var a *feed.Assignment[*kgo.Record]
	if p != nil {
		a = p.assignment
	}
	s.mu.Unlock()
	if a != nil {
		s.holdIfFull(p, a)
	}
	s.bell.Ring() // there may be something to commit
}

// undelivered is the offset of the first record that the stream did not get, of a partition whose
// assignment has ended.
func (p *part) undelivered(e feed.End, ended bool) (int64, bool) {
	switch {
	case ended && e.Next >= 0:
		return e.Next, true
	case len(p.staged) > 0:
		return p.staged[0].records[0].Offset, true
	case p.rewound:
		return p.next, true
	}
	return 0, false // what was committed was delivered
}
