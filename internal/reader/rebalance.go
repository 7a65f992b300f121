package reader

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/commit"
	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/memory"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

// rebalancer is the client's callbacks: partitions come, and go.
type rebalancer struct{ *Session }

// clientOptions are what the session adds to the settings': what is read, and who is told of
// rebalances. All three callbacks are set: where Lost is not, the client calls Revoked, and would
// commit.
func (s *rebalancer) clientOptions() []kgo.Opt {
	life, kill := context.WithCancel(context.WithoutCancel(s.run.Context()))
	s.kill = kill
	// Transactions' markers have offsets, which are to be committed and counted like others. They
	// are left out when the stream takes them.
	opts := []kgo.Opt{kgo.WithHooks(&s.fetchSize, &s.joins, &s.coordinator), kgo.WithContext(life), kgo.KeepControlRecords()}
	if s.o.recycles() {
		opts = append(opts, kgo.WithPools(&memory.Pools{}))
	}
	if s.o.Subscription.Manual {
		return opts
	}
	return append(opts,
		kgo.ConsumeTopics(s.o.Subscription.Topics...),
		kgo.OnPartitionsAssigned(func(ctx context.Context, _ *kgo.Client, ps map[string][]int32) { s.onAssigned(ctx, topics.List(ps)) }),
		kgo.OnPartitionsRevoked(func(ctx context.Context, _ *kgo.Client, ps map[string][]int32) { s.onRevoked(ctx, topics.List(ps)) }),
		kgo.OnPartitionsLost(func(ctx context.Context, _ *kgo.Client, ps map[string][]int32) { s.onLost(ctx, topics.List(ps)) }),
		kgo.OnOffsetsFetched(func(_ context.Context, _ *kgo.Client, resp *kmsg.OffsetFetchResponse) error {
			s.starter.onCommits(resp)
			return nil
		}),
		kgo.AdjustFetchOffsetsFn(s.starter.onOffsets),
	)
}

// onAssigned is called before anything of the partitions is fetched; in each rebalance, also where
// there are none.
func (s *rebalancer) onAssigned(ctx context.Context, ps []topics.Partition) {
	<-s.ready
	if s.cl == nil {
		return
	}
	s.tellTaken()
	err := s.rejoined(ctx)
	if err == nil && len(ps) > 0 {
		err = s.add(ctx, ps)
	}
	s.standing.Assigned()
	if err != nil && s.ctx.Err() == nil {
		s.run.Fail(err)
	}
}

// add takes partitions in, and tells of them.
func (s *rebalancer) add(ctx context.Context, ps []topics.Partition) error {
	if err := s.assign(ps); err != nil {
		return err
	}
	s.log.Info("vicuna: partitions were assigned", "group", s.cfg.Group(), "member", s.memberID(), "partitions", topics.Summary(ps))
	s.callers.handle(ctx, "assigned handler", s.o.Handler.Assigned, ps)
	s.callers.tell(Assigned, ps)
	if s.handout != nil && s.o.Manual == nil {
		s.substreams.giveOut(ps)
	}
	s.bell.Ring()
	return nil
}

// assign makes the partitions known, in one step with what the client is told of them: from then on
// they can be paused. Where there is one lane their records are taken at once, else when somebody
// runs their sub-streams.
func (s *rebalancer) assign(ps []topics.Partition) (err error) {
	member := s.memberID()
	s.decide(func() {
		for _, tp := range ps {
			if s.parts.Ending() {
				return
			}
			p := s.parts.Join(tp, &flow{began: -1, ofGroup: -1, owner: commit.NewOwner(member)})
			if s.lane == nil {
				continue
			}
			var attached bool
			if attached, err = s.connect(p, s.lane, tracker.Mark{}); !attached {
				return
			}
		}
	})
	return err
}

// onRevoked takes partitions away: what is in flight is finished, within the time that the settings
// give, and committed.
func (s *rebalancer) onRevoked(ctx context.Context, ps []topics.Partition) {
	<-s.ready
	going := s.taken(ps)
	if len(going) == 0 {
		if len(ps) > 0 && s.cl != nil {
			s.door.Pass() // the end of the run has them, and commits them perhaps at this moment
		}
		return
	}
	if s.thrownOut(going) {
		s.lose(ctx, ps, going)
		return
	}
	begin := time.Now()
	ends := s.drain(ctx, going, ps)
	if err := s.door.Ending(ctx, func() []commit.Offset { return s.offsets.lastOffsets(going, ends) }); err != nil {
		s.run.Fail(err)
	}
	s.offsets.savePositions(going, ends)
	<-s.revokes
	s.log.Info("vicuna: partitions were revoked", "group", s.cfg.Group(), "member", s.memberID(), "partitions", topics.Summary(ps), "took", time.Since(begin).Round(time.Millisecond))
	told := s.toTell(ps, going, ends)
	if len(told) > 0 {
		s.callers.handle(ctx, "revoked handler", s.o.Handler.Revoked, told)
	}
	s.gone(ctx, going, ps)
	if len(told) > 0 {
		s.callers.tell(Revoked, told)
	}
}

// onLost is called when partitions are somebody else's already: nothing is waited for, nothing
// committed.
func (s *rebalancer) onLost(ctx context.Context, ps []topics.Partition) {
	<-s.ready
	s.standing.Without() // whether it had any or not
	if going := s.taken(ps); len(going) > 0 {
		s.lose(ctx, ps, going)
	}
}

// thrownOut reports whether the group has put this client out since it gave it the partitions. The
// client may have joined anew by then, as another member, and call it a revoke.
func (s *rebalancer) thrownOut(going parts) bool {
	member := s.memberID()
	for _, p := range going {
		if p.Flow.owner.Member() != member {
			return true
		}
	}
	return false
}

// lose drops what is in flight of partitions that are somebody else's.
func (s *rebalancer) lose(ctx context.Context, ps []topics.Partition, going parts) {
	for _, p := range going {
		p.Flow.owner.Leave()
	}
	var ends []feed.End
	for l, keys := range s.byLane(going) {
		for _, e := range l.feed.Lose(keys...) {
			s.dropped.Add(int64(e.Outstanding))
			ends = append(ends, e)
		}
	}
	for _, p := range going {
		s.substreams.completeSub(p)
	}
	s.offsets.savePositions(going, ends)
	s.warnLost(ps)
	s.callers.handle(ctx, "lost handler", s.o.Handler.Lost, ps)
	s.gone(ctx, going, ps)
	s.callers.tell(Lost, ps)
}

// taken marks the partitions that are ours as being taken away.
func (s *rebalancer) taken(ps []topics.Partition) (going parts) {
	s.decide(func() { going = s.parts.Revoke(ps) })
	return going
}

// byLane says which of the partitions go which way.
func (s *rebalancer) byLane(going parts) map[*lane][]topics.Partition {
	of := map[*lane][]topics.Partition{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, p := range going {
		if l := laneOf(p); l != nil {
			of[l] = append(of[l], key)
		}
	}
	return of
}

// drain waits until nothing of the partitions is in flight, or the time is up. Then it holds
// revokes, until its caller has committed what it returns.
func (s *rebalancer) drain(ctx context.Context, going parts, ps []topics.Partition) (ends []feed.End) {
	begin := time.Now()
	within := s.cfg.RevokeTimeout()
	of := s.byLane(going)
	revocations := make([]*feed.Revocation[*kgo.Record], 0, len(of))
	for l, keys := range of {
		// all of them hurry at the same time
		revocations = append(revocations, l.feed.Revoke(within-time.Since(begin), keys...))
	}
	s.callers.tellRevoking(ctx, ps, begin.Add(within))
	s.revokes <- struct{}{}
	for _, r := range revocations {
		ends = append(ends, r.Wait()...)
	}
	left := 0
	for _, e := range ends {
		left += e.Outstanding
	}
	if left > 0 {
		s.dropped.Add(int64(left))
		s.log.Warn("vicuna: partitions are given up with records in flight after settings.RevokeTimeout: they will be delivered again", "records", left, "waited", time.Since(begin).Round(time.Millisecond),
			"partitions", s.watcher.unfinished(ends, begin))
		s.watcher.warnNotFinished(ends)
	}
	for _, p := range going {
		s.substreams.completeSub(p)
	}
	return ends
}

// gone forgets partitions.
func (s *rebalancer) gone(ctx context.Context, going parts, ps []topics.Partition) {
	for _, p := range going {
		p.Flow.owner.Leave() // before what was committed of it is forgotten
	}
	s.door.Forget(ps)
	s.decide(func() {
		s.parts.Forget(going)
		for key, p := range going {
			p.Flow.unstageAll()
			s.fetchSize.Drop(key)
		}
		s.faults.forget(going)
		if s.parts.Len() == 0 {
			s.standing.Without()
		}
	})
	if m := s.o.Manual; m != nil && m.Revoked != nil {
		s.callers.handle(ctx, "function for revoked partitions", func(context.Context, *View, []topics.Partition) error {
			m.Revoked(ps)
			return nil
		}, ps)
	}
	s.bell.Ring()
}
