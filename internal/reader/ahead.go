package reader

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/commit"
	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/memory"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

// ahead commits before it delivers, at most once.
type ahead struct{ *Session }

// At most once: what was fetched is staged, its offsets are committed, and then it is delivered.
// The last commit of a partition sets the offset back to the first record that the stream did not
// get.

// staged is a run of fetched records that are not committed ahead yet. It holds the lease of the
// response that they came with, as those do that were delivered of it.
type staged struct {
	records []*kgo.Record
	lease   *memory.Lease
	bytes   int64
}

// stage adds a run; the caller holds the lock, as for the next two.
func (f *flow) stage(st staged) {
	f.staged = append(f.staged, st)
	f.stagedBytes += st.bytes
}

// unstage takes the first n records off that are staged: they were delivered.
func (f *flow) unstage(n int) {
	if rest := f.staged[0].records[n:]; len(rest) > 0 {
		f.staged[0].records = rest
	} else {
		f.stagedBytes -= f.staged[0].bytes
		f.staged[0].lease.Done()
		f.staged = f.staged[1:]
	}
}

// unstageAll takes everything off.
func (f *flow) unstageAll() {
	for _, st := range f.staged {
		st.lease.Done()
	}
	f.staged, f.stagedBytes = nil, 0
}

// commitAhead commits offsets, and then lets the records that they cover go to the stream: of each
// partition as many as may wait there.
func (s *ahead) commitAhead(<-chan struct{}) {
	for !s.over() {
		changed := s.bell.Listen()
		var next []batch
		var begun []*part
		given, err := s.door.Ahead(s.ctx, func() (offsets []commit.Offset) {
			next = s.nextAhead()
			begun, offsets = s.beginnings(next)
			for _, b := range next {
				last := b.records[len(b.records)-1]
				offsets = append(offsets, s.aheadOf(b.part, tracker.Mark{Offset: last.Offset + 1, Epoch: last.LeaderEpoch}))
			}
			return offsets
		}, func() {
			s.mu.Lock()
			for _, p := range begun {
				p.Flow.marked = false
			}
			s.mu.Unlock()
			s.giveCovered(next)
		})
		for _, b := range next {
			b.parent.Done()
		}
		switch {
		case err != nil:
			s.run.Fail(err)
			return
		case given:
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
func (s *ahead) nextAhead() (next []batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts.All() {
		f := p.Flow
		if p.Going() || !p.Attached() || len(f.staged) == 0 || p.PausedByUser() {
			continue
		}
		if n := min(s.o.Ahead-f.assignment.Waiting(), len(f.staged[0].records)); n > 0 {
			st := f.staged[0]
			st.lease.Hold()
			next = append(next, batch{part: p, assignment: f.assignment, records: st.records[:n:n], bytes: int64(n) * s.o.ElementBytes, parent: st.lease})
		}
	}
	return next
}

// aheadOf is the offset to commit ahead of a partition.
func (s *ahead) aheadOf(p *part, m tracker.Mark) commit.Offset {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.offsets.offsetOf(p, m)
}

// beginnings are the partitions that begin where that was looked up, which is not committed yet;
// and the offsets of those that next has nothing of.
func (s *ahead) beginnings(next []batch) (begun []*part, offsets []commit.Offset) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts.All() {
		if !p.Flow.marked || p.Going() {
			continue
		}
		begun = append(begun, p)
		if !slices.ContainsFunc(next, func(b batch) bool { return b.part == p }) {
			offsets = append(offsets, s.offsets.offsetOf(p, p.Flow.mark))
		}
	}
	return begun, offsets
}

// giveCovered delivers what commits cover now.
func (s *ahead) giveCovered(next []batch) {
	for _, b := range next {
		lease := memory.NewLease(func(bytes int64, _ int) { s.budget.Free(bytes, 0) }).Under(b.parent)
		s.poller.give(b, lease)
		lease.Done()
	}
}

// undelivered is the offset of the first record that the stream did not get, of a partition whose
// assignment has ended; the caller holds the lock.
func undelivered(p *part, e feed.End, ended bool) (int64, bool) {
	switch {
	case ended && e.Next >= 0:
		return e.Next, true
	case len(p.Flow.staged) > 0:
		return p.Flow.staged[0].records[0].Offset, true
	case p.Flow.rewound:
		return p.Next(), true
	}
	return 0, false // what was committed was delivered
}
