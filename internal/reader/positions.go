package reader

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/lookup"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/internal/tracker"
	"github.com/vicuna-go/vicuna/settings"
)

// Where a partition begins, in this order: at the offset that the user's loader tells; at the
// group's committed offset; where this handle has left it; where settings.StartFrom says.
//
// A position that was looked up (the end of the log, for settings.Latest) is lost when the run ends
// before its first commit, and with it what is written until the next one looks it up again. So
// where offsets are committed it is committed like a finished offset, as soon as it is known: by
// the commit loop, in a turn, and not where the group has an offset, since it is only looked up
// where that has none. And the handle remembers it (History).

// starts is what a run knows about where partitions begin.
type starts struct {
	once  sync.Once     // closes known
	known chan struct{} // closed when begin has found the topics

	// Where the partitions ended when the run began, for settings.Latest where offsets are
	// committed: a partition whose owner was gone before it had committed anything begins there.
	// Written before known is closed.
	ends map[topics.Partition]int64

	mu sync.Mutex
	// counts is how many partitions a topic had when the group's subscription began, as its commits
	// say. Under mu.
	counts map[string]int32
}

// set tells that the topics were found.
func (st *starts) set(ends map[topics.Partition]int64) {
	st.once.Do(func() {
		st.ends = ends
		close(st.known)
	})
}

// remembers reports whether a partition of which nothing is committed goes on where this handle has
// left it. With settings.Earliest nothing is lost where it does not: so where somebody commits the
// group alone decides, since what was finished and not committed has to be committed by whoever
// reads it again; and partitions of the user's choice, without a group, begin anew in each run.
func (s *starter) remembers() bool {
	switch {
	case s.cfg.StartFrom() == settings.Latest, s.o.Subscription.Offsets != nil:
		return true
	case s.cfg.Group() == "":
		return false
	}
	return !s.door.Armed()
}

// onOffsets is called with the offsets at which fetching is about to begin: the group's, or a
// position that is still to be looked up (below zero). What it changes in at is where it does. An
// error ends the assignment; ctx does when that is over.
func (s *starter) onOffsets(ctx context.Context, at map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	<-s.ready
	if s.cl == nil {
		return at, nil
	}
	if err := s.locate(ctx, at); err != nil {
		if ctx.Err() == nil && s.ctx.Err() == nil {
			s.run.Fail(err)
		}
		return at, err
	}
	s.bell.Ring() // perhaps there is nothing to read
	return at, nil
}

// locate finds out where partitions begin.
func (s *starter) locate(ctx context.Context, at topics.ByPartition[kgo.Offset]) error {
	if err := s.refused(ctx, at); err != nil {
		return err
	}
	loaded := map[topics.Partition]int64{}
	if s.o.Manual != nil {
		var err error
		if loaded, err = s.loadOffsets(ctx, at); err != nil {
			return err
		}
	}
	ofGroup, begins, open := s.sortOut(at, loaded)
	latest := s.cfg.StartFrom() == settings.Latest
	if len(open) > 0 && latest {
		looked, err := s.latest(ctx, open)
		if err != nil {
			return err
		}
		for p, o := range looked {
			begins[p] = o
		}
	}
	for p, o := range begins {
		at.Set(p, kgo.NewOffset().At(o))
	}
	if err := ctx.Err(); err != nil {
		return err // the client does not use the answer, and asks again
	}
	known := s.noteLocated(at, ofGroup, begins)
	if s.o.Manual != nil {
		topics.Sort(known)
		s.substreams.giveOut(known)
	}
	if len(begins) > 0 && s.o.keepsOffsets() {
		s.door.Wake()
	}
	return nil
}

// sortOut says what the group has committed of each partition (-1: nothing that counts), where
// partitions begin that the handle remembers, and which are open.
func (s *starter) sortOut(at topics.ByPartition[kgo.Offset], loaded map[topics.Partition]int64) (ofGroup, begins map[topics.Partition]int64, open []topics.Partition) {
	ofGroup, begins = map[topics.Partition]int64{}, map[topics.Partition]int64{}
	for topic, ids := range at {
		for id, o := range ids {
			p := topics.Partition{Topic: topic, Partition: id}
			if _, ok := loaded[p]; ok {
				ofGroup[p] = -1
				continue
			}
			ofGroup[p] = max(-1, o.EpochOffset().Offset)
			was, ok := s.o.History.last(p)
			switch {
			case ok && s.remembers() && (ofGroup[p] < 0 || !s.o.keepsOffsets() && ofGroup[p] == was.ofGroup):
				begins[p] = was.offset
			case ofGroup[p] < 0:
				open = append(open, p)
			}
		}
	}
	topics.Sort(open)
	return ofGroup, begins, open
}

// noteLocated says that the partitions' beginnings are known, and lists them.
func (s *starter) noteLocated(at topics.ByPartition[kgo.Offset], ofGroup, begins map[topics.Partition]int64) (known []topics.Partition) {
	marks := s.cfg.StartFrom() == settings.Latest && s.o.keepsOffsets()
	s.decide(func() {
		for topic, ids := range at {
			for id, o := range ids {
				tp := topics.Partition{Topic: topic, Partition: id}
				known = append(known, tp)
				p := s.parts.Get(tp)
				if p == nil {
					continue
				}
				if next := o.EpochOffset().Offset; s.o.Manual != nil {
					s.parts.LocateAnew(p, next) // of two answers of a loader
				} else {
					s.parts.Locate(p, next)
				}
				p.Flow.ofGroup = ofGroup[tp]
				if o, ok := begins[tp]; ok && marks && !p.Flow.marked {
					p.Flow.mark, p.Flow.marked = tracker.Mark{Offset: o, Epoch: -1}, true
				}
			}
		}
	})
	return known
}

// refused adds the partitions that the client has left out, because the group would not tell their
// offsets at that moment: it asks for all of them once, and would never read those.
func (s *starter) refused(ctx context.Context, at topics.ByPartition[kgo.Offset]) error {
	var ps []topics.Partition
	s.mu.Lock()
	for _, p := range s.parts.All() {
		if _, there := at[p.Topic][p.Partition.Partition]; !there && !p.Located() && !p.Going() {
			p.Flow.dropped = true
			ps = append(ps, p.Partition)
		}
	}
	s.mu.Unlock()
	if len(ps) == 0 {
		return nil
	}
	committed, err := s.askCommitted(ctx, ps)
	for _, p := range ps {
		o, ok := committed[p]
		switch {
		case ok:
			at.Set(p, kgo.NewOffset().At(o))
		case s.cfg.StartFrom() == settings.Latest:
			at.Set(p, kgo.NewOffset().AtEnd())
		default:
			at.Set(p, kgo.NewOffset().AtStart())
		}
	}
	return err
}

// insist asks again for something about partitions, while that may help and what is asked for is
// still wanted.
func (s *starter) insist(ctx context.Context, ps []topics.Partition, ask func() error) error {
	began, told := time.Now(), false
	about := []any{"group", s.cfg.Group(), "source", s.name, "partitions", topics.Summary(ps)}
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := ask()
		switch {
		case err == nil && told:
			s.log.Info("vicuna: the brokers say again where partitions begin", append(about, "after", time.Since(began).Round(time.Millisecond))...)
			return nil
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case s.ctx.Err() != nil:
			return context.Cause(s.ctx)
		case !lookup.Passing(err):
			return err
		}
		if !told {
			told = true
			s.log.Warn("vicuna: the brokers do not say where partitions begin; they are asked again until they do", append(about, "error", err)...)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		case <-s.ctx.Done():
			timer.Stop()
		}
	}
}

// savePositions remembers where partitions go on whose assignments have ended.
func (s *offsets) savePositions(going parts, ends []feed.End) {
	of := endsOf(ends)
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, p := range going {
		e, ended := of[key]
		if endedElsewhere(p, ended) {
			continue
		}
		if next, ok := s.goesOn(p, e, ended); ok {
			s.o.History.save(p.Partition, lastPosition{offset: next, ofGroup: p.Flow.ofGroup})
		}
	}
}

// goesOn is the offset of the first record of a partition that is not finished, or, at most once,
// that the stream did not get; false where nothing of it is known. The caller holds the lock.
func (s *offsets) goesOn(p *part, e feed.End, ended bool) (int64, bool) {
	next := p.Next()
	switch {
	case s.o.Ahead > 0:
		if first, ok := undelivered(p, e, ended); ok {
			next = first
		}
	case ended && e.Undone >= 0:
		next = e.Undone
	}
	if s.o.ToEnd { // what lies after the end of the run was fetched, and left out
		end, ok := s.parts.Bounds().Ends[p.Partition]
		if !ok {
			return 0, false
		}
		next = min(next, end)
	}
	return next, next >= 0
}
