package consumer

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/internal/tracker"
	"github.com/vicuna-go/vicuna/settings"
)

// Where a partition begins, in this order: at the offset that the user's loader tells; at the
// group's committed offset; where this handle has left it; where settings.StartFrom says.
//
// A place that was looked up (the end of the log, for settings.Latest) is lost when the run ends
// before its first commit, and with it what is written until the next one looks it up again. So
// where offsets are committed it is committed like a finished offset, as soon as it is known: by
// the commit loop, in its turn, and not where the group has an offset, since it is only looked up
// where that has none. And the handle remembers it.
//
// Latest skips what was there when the subscription began, and nothing else. A partition that the
// topic got later begins with its first record. It is told by its number: partitions are numbered
// from 0 on, and never taken away. How many there were at the beginning is known to who has seen it
// (memory), and to a group that commits: each commit says so in its metadata, where the user has
// none of his own (countmark.go), so that a member that joins later, or a group that is started
// anew, tells the new from the old as well.

// starts is what a run knows about where partitions begin.
type starts struct {
	once  sync.Once
	known chan struct{} // closed when begin has found the topics

	// Where the partitions ended when the run began, for settings.Latest where offsets are
	// committed: a partition whose owner was gone before it had committed anything begins there.
	// Written before known is closed.
	ends map[TopicPartition]int64

	mu sync.Mutex
	// how many partitions a topic had when the group's subscription began, as its commits say
	counts map[string]int32
}

// set tells that the topics were found.
func (st *starts) set(ends map[TopicPartition]int64) {
	st.once.Do(func() {
		st.ends = ends
		close(st.known)
	})
}

// learn is told of a commit of the group's.
func (st *starts) learn(topic, metadata string) {
	n, ok := countIn(metadata)
	if !ok {
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if was, known := st.counts[topic]; known && was <= n {
		return
	}
	if st.counts == nil {
		st.counts = map[string]int32{}
	}
	st.counts[topic] = n
}

// learned returns what commits say of a topic.
func (st *starts) learned(topic string) (int32, bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	n, ok := st.counts[topic]
	return n, ok
}

// keepsOffsets reports whether this source commits.
func (s *session[K, V, T]) keepsOffsets() bool { return s.shape.commits || s.shape.ahead > 0 }

// remembers reports whether a partition of which nothing is committed goes on where this handle has
// left it. With settings.Earliest nothing is lost where it does not: so where somebody commits the
// group alone decides, since what was finished and not committed has to be committed by whoever
// reads it again; and partitions of the user's choice, without a group, begin anew in each run.
func (s *session[K, V, T]) remembers() bool {
	switch {
	case s.cfg.StartFrom() == settings.Latest, s.c.sub.offsets != nil:
		return true
	case s.cfg.Group() == "":
		return false
	}
	return !s.commit.isArmed()
}

// beganWith is how many partitions a topic had when the subscription began; false where that is not
// known.
func (s *session[K, V, T]) beganWith(topic string) (int32, bool) {
	t := s.c.memory.topic(topic)
	n, known := t.partitions, t.partitions > 0
	if by, ok := s.starts.learned(topic); ok && (!known || by < n) {
		n, known = by, true
	}
	return n, known
}

// onOffsets is called with the offsets at which fetching is about to begin: the group's, or a place
// that is still to be looked up (below zero). What it changes in at is where it does. An error ends
// the assignment; ctx does when that is over.
func (s *session[K, V, T]) onOffsets(ctx context.Context, at map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
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

func (s *session[K, V, T]) locate(ctx context.Context, at map[string]map[int32]kgo.Offset) error {
	if err := s.refused(ctx, at); err != nil {
		return err
	}
	loaded := map[TopicPartition]int64{}
	if s.shape.manual != nil {
		var err error
		if loaded, err = s.loadOffsets(ctx, at); err != nil {
			return err
		}
	}
	committed := map[TopicPartition]int64{}
	begins := map[TopicPartition]int64{} // what is not the group's, nor the user's
	var open []TopicPartition
	for topic, ids := range at {
		for id, o := range ids {
			p := TopicPartition{Topic: topic, Partition: id}
			if _, ok := loaded[p]; ok {
				committed[p] = -1
				continue
			}
			committed[p] = max(-1, o.EpochOffset().Offset)
			was, ok := s.c.memory.place(p)
			switch {
			case ok && s.remembers() && (committed[p] < 0 || !s.keepsOffsets() && committed[p] == was.committed):
				begins[p] = was.offset
			case committed[p] < 0:
				open = append(open, p)
			}
		}
	}
	topics.Sort(open)
	if len(open) > 0 && s.cfg.StartFrom() == settings.Latest {
		looked, err := s.latest(ctx, open)
		if err != nil {
			return err
		}
		for p, o := range looked {
			begins[p] = o
		}
	}
	for p, o := range begins {
		at[p.Topic][p.Partition] = kgo.NewOffset().At(o)
	}
	if err := ctx.Err(); err != nil {
		return err // the client does not use the answer, and asks again
	}
	latest := s.cfg.StartFrom() == settings.Latest
	var known []TopicPartition
	s.mu.Lock()
	for topic, ids := range at {
		for id, o := range ids {
			known = append(known, TopicPartition{Topic: topic, Partition: id})
			pt := s.parts[TopicPartition{Topic: topic, Partition: id}]
			if pt == nil {
				continue
			}
			if pt.next < 0 || s.shape.manual != nil {
				// of two answers of a loader the later one: nothing was read between them
				pt.next = max(-1, o.EpochOffset().Offset)
			}
			pt.located = true
			pt.committed = committed[pt.TopicPartition]
			if o, ok := begins[pt.TopicPartition]; ok && latest && s.keepsOffsets() && !pt.marked {
				pt.mark, pt.marked = tracker.Mark{Offset: o, Epoch: -1}, true
			}
		}
	}
	s.mu.Unlock()
	if s.shape.manual != nil {
		topics.Sort(known)
		s.outer.add(known)
	}
	if len(begins) > 0 && s.keepsOffsets() {
		s.commit.Wake()
	}
	return nil
}

// refused adds the partitions that the client has left out, because the group would not tell their
// offsets at that moment: it asks for all of them once, and would never read those.
func (s *session[K, V, T]) refused(ctx context.Context, at map[string]map[int32]kgo.Offset) error {
	var ps []TopicPartition
	s.mu.Lock()
	for _, p := range s.parts {
		if _, there := at[p.Topic][p.Partition]; !there && !p.located && !p.revoking {
			p.dropped = true
			ps = append(ps, p.TopicPartition)
		}
	}
	s.mu.Unlock()
	if len(ps) == 0 {
		return nil
	}
	var committed map[TopicPartition]int64
	err := s.insist(ctx, func() (err error) {
		committed, err = s.ask.committed(kadm.RequireStable(ctx), ps)
		return err
	})
	for _, p := range ps {
		if at[p.Topic] == nil {
			at[p.Topic] = map[int32]kgo.Offset{}
		}
		o, ok := committed[p]
		switch {
		case ok:
			at[p.Topic][p.Partition] = kgo.NewOffset().At(o)
		case s.cfg.StartFrom() == settings.Latest:
			at[p.Topic][p.Partition] = kgo.NewOffset().AtEnd()
		default:
			at[p.Topic][p.Partition] = kgo.NewOffset().AtStart()
		}
	}
	return err
}

// latest looks up where partitions begin for settings.Latest that the group has no offsets of.
func (s *session[K, V, T]) latest(ctx context.Context, open []TopicPartition) (map[TopicPartition]int64, error) {
	select {
	case <-s.starts.known:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-s.ctx.Done():
		return nil, context.Cause(s.ctx)
	}
	if s.keepsOffsets() && !s.c.sub.manual {
		err := s.insist(ctx, func() error { return s.ask.counts(ctx, topics.Names(open), s.starts.learn) })
		if err != nil {
			return nil, err
		}
	}
	begins := map[TopicPartition]int64{}
	var fresh, old []TopicPartition
	later := map[time.Time][]TopicPartition{}
	for _, p := range open {
		n, known := s.beganWith(p.Topic)
		since := s.c.memory.topic(p.Topic).since
		end, ok := s.starts.ends[p]
		switch {
		case s.c.sub.manual:
			old = append(old, p)
		case known && p.Partition >= n:
			fresh = append(fresh, p)
		case !since.IsZero():
			later[since] = append(later[since], p)
		case ok:
			begins[p] = end
		default:
			old = append(old, p)
		}
	}
	add := func(found map[TopicPartition]int64, err error) error {
		for p, o := range found {
			begins[p] = o
		}
		return err
	}
	err := s.insist(ctx, func() error { return add(s.ask.beginning(ctx, fresh)) })
	if err == nil {
		err = s.insist(ctx, func() error { return add(s.ask.end(ctx, old)) })
	}
	for since, ps := range later {
		if err == nil {
			err = s.insist(ctx, func() error { return add(s.ask.after(ctx, since, ps)) })
		}
	}
	return begins, err
}

// insist asks again, while that may help and what is asked for is still wanted.
func (s *session[K, V, T]) insist(ctx context.Context, ask func() error) error {
	told := false
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := ask()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case s.ctx.Err() != nil:
			return context.Cause(s.ctx)
		case !passingAnswer(err):
			return err
		}
		if !told {
			told = true
			s.log.Warn("vicuna: where partitions begin could not be asked; it will be tried again", "error", err)
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

// savePlaces remembers where partitions go on whose assignments have ended.
func (s *session[K, V, T]) savePlaces(parts map[TopicPartition]*part, ends []feed.End) {
	of := endsOf(ends)
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, p := range parts {
		e, ended := of[key]
		if p.endedElsewhere(ended) {
			continue
		}
		if next, ok := s.goesOn(p, e, ended); ok {
			s.c.memory.save(p.TopicPartition, savedPlace{offset: next, committed: p.committed})
		}
	}
}

// goesOn is the offset of the first record of a partition that is not finished, or, at most once,
// that the stream did not get; false where nothing of it is known. The caller holds the lock.
func (s *session[K, V, T]) goesOn(p *part, e feed.End, ended bool) (int64, bool) {
	next := p.next
	switch {
	case s.shape.ahead > 0:
		if first, ok := p.undelivered(e, ended); ok {
			next = first
		}
	case ended && e.Undone >= 0:
		next = e.Undone
	}
	if s.ends.known != nil { // what lies behind the end of the run was fetched, and left out
		end, ok := s.ends.endOf(p.TopicPartition)
		if !ok {
			return 0, false
		}
		next = min(next, end)
	}
	return next, next >= 0
}
