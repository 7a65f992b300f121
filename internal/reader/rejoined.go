package reader

import (
	"context"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// rejoined is for partitions that stay while the group knows the client as another member than the
// one it gave them to. The client was put out, has joined anew and got them again, and for it
// nothing has changed: it calls neither lost nor assigned. But somebody else may have had them in
// between, and what the former member has in flight may not be committed. So here they are lost,
// and assigned: reading goes on where the group is.
func (s *rebalancer) rejoined(ctx context.Context) error {
	ps, from, unasked := s.ofFormerMember()
	if len(unasked) > 0 {
		s.lose(ctx, unasked, s.taken(unasked))
		if err := s.add(ctx, unasked); err != nil {
			return err
		}
	}
	if len(ps) == 0 {
		return nil
	}
	s.log.Warn("vicuna: the group had put this member out and has given it the same partitions under a new id: what was in flight will be delivered again",
		"group", s.cfg.Group(), "partitions", topics.Summary(ps))
	s.lose(ctx, ps, s.taken(ps))
	// the Assigned function may commit where they go on, so it comes before the group is asked
	if s.o.Manual == nil {
		if err := s.add(ctx, ps); err != nil {
			return err
		}
	}
	committed, err := s.starter.askCommitted(ctx, ps)
	if err != nil {
		return err
	}
	at := topics.ByPartition[kgo.Offset]{}
	for _, p := range ps {
		offset, ok := committed[p]
		if !ok {
			offset = from[p]
		}
		at.Set(p, kgo.NewOffset().At(offset))
	}
	if s.o.Manual != nil {
		if _, err := s.starter.loadOffsets(ctx, at); err != nil {
			return err
		}
		if err := s.add(ctx, ps); err != nil {
			return err
		}
	}
	s.goOnAt(ps, at, committed)
	if s.o.Manual != nil {
		// the client asks for no offsets of what it has kept, so nobody else does
		s.substreams.giveOut(ps)
	}
	s.bell.Ring()
	return nil
}

// goOnAt lets partitions that the client reads go on at offsets. No poll comes in between: the
// client keeps them waiting.
func (s *rebalancer) goOnAt(ps []topics.Partition, at topics.ByPartition[kgo.Offset], committed map[topics.Partition]int64) {
	s.decide(func() {
		for _, tp := range ps {
			p, o := s.parts.Get(tp), at[tp.Topic][tp.Partition].EpochOffset().Offset
			if p == nil {
				continue
			}
			s.parts.Locate(p, -1)
			if was, ok := committed[tp]; ok {
				p.Flow.ofGroup = was
			}
			if o >= 0 {
				s.parts.GoBack(p, o)
			}
		}
	})
	s.goBack.Store(true)
}

// askCommitted asks for the group's offsets until they are told.
func (s *starter) askCommitted(ctx context.Context, ps []topics.Partition) (committed map[topics.Partition]int64, err error) {
	err = s.insist(ctx, ps, func() (err error) {
		committed, err = s.ask.Committed(kadm.RequireStable(ctx), ps)
		return err
	})
	return committed, err
}

// ofFormerMember are the partitions that were given to the member that this client was, and where
// each goes on if nothing was ever committed: what comes before is done. -1: with what the client
// reads next. unasked are those of which the client had not learned where they begin: it goes on
// asking, so nobody else may set its place meanwhile, which it would prefer to the answer.
func (s *rebalancer) ofFormerMember() (ps []topics.Partition, from map[topics.Partition]int64, unasked []topics.Partition) {
	member := s.memberID()
	from = map[topics.Partition]int64{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts.All() {
		if p.Going() || p.Flow.owner.By(member) {
			continue
		}
		if !p.Located() {
			unasked = append(unasked, p.Partition)
			continue
		}
		ps = append(ps, p.Partition)
		from[p.Partition] = p.Next()
		if p.Flow.assignment == nil {
			continue
		}
		if offset, _, ok := p.Flow.assignment.Oldest(); ok {
			from[p.Partition] = offset
		} else if first, ok := undelivered(p, feed.End{}, false); ok {
			from[p.Partition] = first
		}
	}
	return ps, from, unasked
}
