package consumer

import (
	"context"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/feed"
)

// rejoined is for partitions that stay while the group knows the client as another member than the
// one it gave them to. The client was put out, has joined anew and got them again, and for it
// nothing has changed: it calls neither lost nor assigned. But somebody else may have had them in
// between, and what the former member has in flight may not be committed. So here they are lost,
// and assigned: reading goes on where the group is.
func (s *session[K, V, T]) rejoined(ctx context.Context) error {
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
	s.log.Warn("vicuna: the group has put this member out and given it the same partitions again as another: what was in flight will be delivered again", "partitions", len(ps))
	s.lose(ctx, ps, s.taken(ps))
	// the Assigned function may commit where they go on, so it comes before the group is asked
	if s.shape.manual == nil {
		if err := s.add(ctx, ps); err != nil {
			return err
		}
	}
	var committed map[TopicPartition]int64
	err := s.insist(ctx, func() (err error) {
		committed, err = s.ask.committed(kadm.RequireStable(ctx), ps)
		return err
	})
	if err != nil {
		return err
	}
	at := map[string]map[int32]kgo.Offset{}
	for _, p := range ps {
		if at[p.Topic] == nil {
			at[p.Topic] = map[int32]kgo.Offset{}
		}
		offset, ok := committed[p]
		if !ok {
			offset = from[p]
		}
		at[p.Topic][p.Partition] = kgo.NewOffset().At(offset)
	}
	if s.shape.manual != nil {
		if _, err := s.loadOffsets(ctx, at); err != nil {
			return err
		}
		if err := s.add(ctx, ps); err != nil {
			return err
		}
	}
	s.mu.Lock()
	for _, p := range ps {
		// No poll comes in between: the client keeps them waiting.
		pt, o := s.parts[p], at[p.Topic][p.Partition].EpochOffset().Offset
		if pt == nil {
			continue
		}
		pt.located = true // the client reads it
		if was, ok := committed[p]; ok {
			pt.committed = was
		}
		if o >= 0 {
			pt.next, pt.missed = o, true
		}
	}
	s.mu.Unlock()
	s.goBack.Store(true)
	if s.shape.manual != nil {
		s.outer.add(ps) // the client asks for no offsets of what it has kept, so nobody else does
	}
	s.bell.Ring()
	return nil
}

// ofFormerMember are the partitions that were given to the member that this client was, and where
// each goes on if nothing was ever committed: what comes before is done. -1: with what the client
// reads next. unasked are those of which the client had not learned where they begin: it goes on
// asking, so nobody else may set its place meanwhile, which it would prefer to the answer.
func (s *session[K, V, T]) ofFormerMember() (ps []TopicPartition, from map[TopicPartition]int64, unasked []TopicPartition) {
	member := s.memberID()
	from = map[TopicPartition]int64{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts {
		if p.revoking || p.owner.by(member) {
			continue
		}
		if !p.located {
			unasked = append(unasked, p.TopicPartition)
			continue
		}
		ps = append(ps, p.TopicPartition)
		from[p.TopicPartition] = p.next
		if p.assignment == nil {
			continue
		}
		if offset, _, ok := p.assignment.Oldest(); ok {
			from[p.TopicPartition] = offset
		} else if first, ok := p.undelivered(feed.End{}, false); ok {
			from[p.TopicPartition] = first
		}
	}
	return ps, from, unasked
}
