package consumer

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/memory"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

// clientOptions are what the session adds to the settings': what is read, and who is told of
// rebalances. All three callbacks are set: where Lost is not, the client calls Revoked, and would
// commit.
func (s *session[K, V, T]) clientOptions() []kgo.Opt {
	life, kill := context.WithCancel(context.WithoutCancel(s.run.Context()))
	s.kill = kill
	// Transactions' markers have offsets, which are to be committed and counted like others. They
	// are left out when their turn has come; see leaveOut.
	opts := []kgo.Opt{kgo.WithHooks(&s.fetchSize, &s.joins), kgo.WithContext(life), kgo.KeepControlRecords()}
	if s.recycles() {
		opts = append(opts, kgo.WithPools(&memory.Pools{}))
	}
	if s.c.sub.manual {
		return opts
	}
	return append(opts,
		kgo.ConsumeTopics(s.c.sub.topics...),
		kgo.OnPartitionsAssigned(func(ctx context.Context, _ *kgo.Client, ps map[string][]int32) { s.onAssigned(ctx, topics.List(ps)) }),
		kgo.OnPartitionsRevoked(func(ctx context.Context, _ *kgo.Client, ps map[string][]int32) { s.onRevoked(ctx, topics.List(ps)) }),
		kgo.OnPartitionsLost(func(ctx context.Context, _ *kgo.Client, ps map[string][]int32) { s.onLost(ctx, topics.List(ps)) }),
		kgo.OnOffsetsFetched(func(_ context.Context, _ *kgo.Client, resp *kmsg.OffsetFetchResponse) error {
			s.onCommits(resp)
			return nil
		}),
		kgo.AdjustFetchOffsetsFn(s.onOffsets),
	)
}

// onAssigned is called before anything of the partitions is fetched; in each rebalance, also where
// there are none.
func (s *session[K, V, T]) onAssigned(ctx context.Context, ps []TopicPartition) {
	<-s.ready
	if s.cl == nil {
		return
	}
	if took, was := s.troubles.over("group"); was {
		s.log.Info("vicuna: the group's session is begun anew", "group", s.cfg.Group(), "after", took)
	}
	err := s.rejoined(ctx)
	if err == nil && len(ps) > 0 {
		err = s.add(ctx, ps)
	}
	s.member.assigned()
	if err != nil && s.ctx.Err() == nil {
		s.run.Fail(err)
	}
}

// add takes partitions in, and tells of them.
func (s *session[K, V, T]) add(ctx context.Context, ps []TopicPartition) error {
	if err := s.assign(ps); err != nil {
		return err
	}
	s.log.Info("vicuna: partitions were assigned", "group", s.cfg.Group(), "member", s.memberID(), "partitions", topics.Summary(ps))
	s.handle(ctx, "assigned handler", s.c.opts.handler.Assigned, ps)
	s.tell(Assigned, ps)
	if s.outer != nil && s.shape.manual == nil {
		s.outer.add(ps)
	}
	s.bell.Ring()
	return nil
}

// memberID is the client's id in its group; "" where it has none.
func (s *session[K, V, T]) memberID() string {
	if s.c.sub.manual {
		return ""
	}
	id, _ := s.cl.GroupMetadata()
	return id
}

// assign makes the partitions known, in one step with what the client is told of them: from then on
// they can be paused.
func (s *session[K, V, T]) assign(ps []TopicPartition) error {
	member := s.memberID()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		return nil
	}
	// what is paused stays so across rebalances in the client
	s.cl.ResumeFetchPartitions(topics.ByTopic(ps))
	if s.lane == nil {
		s.cl.PauseFetchPartitions(topics.ByTopic(ps)) // until somebody runs their sub-streams
	}
	for _, p := range ps {
		pt := &part{TopicPartition: p, next: -1, committed: -1, owner: &ownership{member: member}}
		if s.lane != nil {
			a, err := s.lane.feed.Assign(p, tracker.Mark{})
			if err != nil {
				return err
			}
			pt.lane, pt.assignment = s.lane, a
		}
		s.parts[p] = pt
	}
	return nil
}

// onRevoked takes partitions away: what is in flight is finished, within the time that the settings
// give, and committed.
func (s *session[K, V, T]) onRevoked(ctx context.Context, ps []TopicPartition) {
	<-s.ready
	parts := s.taken(ps)
	if len(parts) == 0 {
		if len(ps) > 0 && s.cl != nil {
			s.commit.pass() // the end of the run has them, and commits them perhaps at this moment
		}
		return
	}
	if s.thrownOut(parts) {
		s.lose(ctx, ps, parts)
		return
	}
	begin := time.Now()
	ends := s.drain(ctx, parts, ps)
	if err := s.commit.ended(ctx, func() []commit { return s.marksOf(parts, ends) }); err != nil {
		s.run.Fail(err)
	}
	s.savePlaces(parts, ends)
	<-s.settling
	s.log.Info("vicuna: partitions were revoked", "group", s.cfg.Group(), "member", s.memberID(), "partitions", topics.Summary(ps), "took", time.Since(begin).Round(time.Millisecond))
	told := s.toTell(ps, parts, ends)
	if len(told) > 0 {
		s.handle(ctx, "revoked handler", s.c.opts.handler.Revoked, told)
	}
	s.gone(ctx, parts, ps)
	if len(told) > 0 {
		s.tell(Revoked, told)
	}
}

// onLost is called when partitions are somebody else's already: nothing is waited for, nothing
// committed.
func (s *session[K, V, T]) onLost(ctx context.Context, ps []TopicPartition) {
	<-s.ready
	s.member.without() // whether it had any or not
	if parts := s.taken(ps); len(parts) > 0 {
		s.lose(ctx, ps, parts)
	}
}

// thrownOut reports whether the group has put this client out since it gave it the partitions. The
// client may have joined anew by then, as another member, and call it a revoke.
func (s *session[K, V, T]) thrownOut(parts map[TopicPartition]*part) bool {
	member := s.memberID()
	for _, p := range parts {
		if p.owner.member != member {
			return true
		}
	}
	return false
}

// lose drops what is in flight of partitions that are somebody else's.
func (s *session[K, V, T]) lose(ctx context.Context, ps []TopicPartition, parts map[TopicPartition]*part) {
	for _, p := range parts {
		p.owner.gone.Store(true)
	}
	var ends []feed.End
	for _, p := range parts {
		if p.lane != nil {
			for _, e := range p.lane.feed.Lose(p.TopicPartition) {
				s.dropped.Add(int64(e.Outstanding))
				ends = append(ends, e)
			}
			s.completeSub(p)
		}
	}
	s.savePlaces(parts, ends)
	s.log.Warn("vicuna: partitions were lost: somebody else may have them, and what was in flight will be delivered again", "group", s.cfg.Group(), "partitions", topics.Summary(ps))
	s.handle(ctx, "lost handler", s.c.opts.handler.Lost, ps)
	s.gone(ctx, parts, ps)
	s.tell(Lost, ps)
}

// taken marks the partitions that are ours as being taken away.
func (s *session[K, V, T]) taken(ps []TopicPartition) map[TopicPartition]*part {
	s.mu.Lock()
	defer s.mu.Unlock()
	parts := map[TopicPartition]*part{}
	for _, p := range ps {
		if pt := s.parts[p]; pt != nil {
			pt.revoking = true
			parts[p] = pt
		}
	}
	return parts
}

// drain waits until nothing of the partitions is in flight, or the time is up. Then it holds
// settling, until its caller has committed what it returns.
func (s *session[K, V, T]) drain(ctx context.Context, parts map[TopicPartition]*part, ps []TopicPartition) (ends []feed.End) {
	begin := time.Now()
	within := s.cfg.RevokeTimeout()
	of := map[*lane][]TopicPartition{}
	s.mu.Lock()
	for key, p := range parts {
		if p.lane != nil {
			of[p.lane] = append(of[p.lane], key)
		}
	}
	s.mu.Unlock()
	revocations := make([]*feed.Revocation[*kgo.Record], 0, len(of))
	for l, keys := range of {
		// all of them hurry at the same time
		revocations = append(revocations, l.feed.Revoke(within-time.Since(begin), keys...))
	}
	s.tellRevoking(ctx, ps, begin.Add(within))
	s.settling <- struct{}{}
	for _, r := range revocations {
		ends = append(ends, r.Wait()...)
	}
	left := 0
	for _, e := range ends {
		left += e.Outstanding
	}
	if left > 0 {
		s.dropped.Add(int64(left))
		s.log.Warn("vicuna: partitions are given up with records in flight, which will be delivered again", "records", left, "waited", time.Since(begin).Round(time.Millisecond),
			"partitions", s.unfinished(ends, begin))
		s.warnNotFinished(ends)
	}
	for _, p := range parts {
		s.completeSub(p)
	}
	return ends
}

// gone forgets partitions.
func (s *session[K, V, T]) gone(ctx context.Context, parts map[TopicPartition]*part, ps []TopicPartition) {
	for _, p := range parts {
		p.owner.gone.Store(true) // before what was committed of it is forgotten
	}
	s.commit.forget(ps)
	s.mu.Lock()
	for key, p := range parts {
		if s.parts[key] == p {
			delete(s.parts, key)
		}
		p.unstageAll()
	}
	if len(s.parts) == 0 {
		s.member.without()
	}
	s.mu.Unlock()
	if m := s.shape.manual; m != nil && m.revoked != nil {
		s.handle(ctx, "function for revoked partitions", func(context.Context, *Restricted, []TopicPartition) error {
			m.revoked(ps)
			return nil
		}, ps)
	}
	s.bell.Ring()
}
