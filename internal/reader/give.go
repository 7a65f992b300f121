package reader

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/memory"
)

// offsetsOf tells the tracker where records lie; mostly they follow each other, and nobody has to
// look at each.
func offsetsOf(recs []*kgo.Record) feed.Offsets {
	first, last := recs[0], recs[len(recs)-1]
	if last.Offset-first.Offset == int64(len(recs)-1) && last.LeaderEpoch == first.LeaderEpoch {
		return feed.Offsets{First: first.Offset, Epoch: first.LeaderEpoch}
	}
	return feed.Offsets{At: func(i int) (int64, int32) { return recs[i].Offset, recs[i].LeaderEpoch }}
}

// newLot is the lot of a delivery; nil where nothing is used again.
func (s *poller) newLot(recs []*kgo.Record) memory.Recyclable {
	if !s.o.recycles() {
		return nil
	}
	return memory.NewLot(recs)
}

// give delivers records, unless they are not wanted any more: then whoever takes the partition next
// begins with them.
func (s *poller) give(b batch, lease *memory.Lease) {
	p, f, recs := b.part, b.part.Flow, b.records
	n := len(recs)
	if s.o.Ahead > 0 {
		n = 0 // they were counted when they were staged
	}
	s.budget.Charge(b.bytes, n)
	// In one step with what is known of the partition: between the two it would seem to be read and
	// finished.
	wanted, paused := false, false
	s.decide(func() {
		wanted = !p.Going() && f.assignment == b.assignment &&
			b.assignment.Deliver(feed.Delivery[*kgo.Record]{
				Vals: recs, Offsets: offsetsOf(recs), Bytes: b.bytes, Lease: lease, Lot: s.newLot(recs),
			})
		switch {
		case s.o.Ahead > 0 && wanted:
			f.unstage(len(recs))
			f.rewound = false
		case s.o.Ahead > 0: // they stay staged: the partition's last commit sets the offset back
		case wanted:
			s.parts.Read(p, b.after)
		default:
			s.parts.Refused(p, recs[0].Offset)
		}
		paused = wanted && s.parts.Delivered(p)
	})
	if !wanted {
		s.budget.Free(b.bytes, n)
		return
	}
	if paused || s.o.ToEnd || s.o.Ahead > 0 {
		// there may be room again; the island may have finished them already; less is staged
		s.bell.Ring()
	}
}

// rewind goes back to what was given up while its partition stays, and to what was missed.
func (s *poller) rewind() {
	if !s.needsRewind() {
		return
	}
	s.goBack.Store(false)
	back := s.decide(s.parts.Seek)
	for _, l := range s.lanes() {
		// In one step with what is known of the partition: a sub-stream that ends in between would
		// leave it as read.
		var err error
		back = append(back, s.decide(func() { err = s.rewindLane(l) })...)
		if err != nil {
			s.run.Fail(err)
			return
		}
	}
	s.seek(back)
	// who waits for the end of a bounded run has seen that there was something to rewind; perhaps
	// there was not
	s.bell.Ring()
}

// rewindLane puts fresh assignments in the place of those from which something was given up; the
// caller holds the lock.
func (s *poller) rewindLane(l *lane) error {
	rewound, err := l.feed.Rewind()
	for _, r := range rewound {
		p := s.parts.Get(r.Partition())
		if p == nil || laneOf(p) != l { // taken away, or with another sub-stream by now
			continue
		}
		p.Flow.assignment = r.Assignment
		p.Flow.rewound = true
		p.Flow.unstageAll()
		s.parts.Rewound(p, r.From)
	}
	return err
}

// needsRewind reports whether the client has to go back.
func (s *poller) needsRewind() bool {
	if s.lane != nil {
		return s.lane.feed.NeedsRewind() || s.goBack.Load()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parts.NeedsSeek() {
		return true
	}
	for _, p := range s.parts.All() {
		if p.Attached() && laneOf(p).feed.NeedsRewind() {
			return true
		}
	}
	return false
}

// lanes are the ways there are now.
func (s *Session) lanes() []*lane {
	if s.lane != nil {
		return []*lane{s.lane}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var lanes []*lane
	for _, l := range s.parts.Lanes() {
		lanes = append(lanes, l.(*lane))
	}
	return lanes
}
