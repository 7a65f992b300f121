package consumer

import (
	"context"
	"time"
)

// tellRevoking tells that partitions are about to go, those of them that were not told of yet.
// Nothing more of them is delivered by now. There is no event for it: those are told afterwards,
// when what is finished may count no more.
func (s *session[K, V, T]) tellRevoking(ctx context.Context, ps []TopicPartition, deadline time.Time) {
	f := s.c.opts.handler.Revoking
	if f == nil {
		return
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	select {
	case s.handlers <- struct{}{}: // who comes second finds told what the first one has told
	case <-ctx.Done():
		return
	}
	defer func() { <-s.handlers }()
	var fresh []TopicPartition
	s.mu.Lock()
	for _, p := range ps {
		if pt := s.parts[p]; pt != nil && !pt.told {
			pt.told = true
			fresh = append(fresh, p)
		}
	}
	s.mu.Unlock()
	if len(fresh) == 0 {
		return
	}
	s.call(ctx, "revoking handler", f, fresh, s.restricted(s.positions(), s.assignment()))
}

// tellEnding tells of all partitions when the end of their reading begins: at a drain, and when the
// source has completed. It has a goroutine of its own, since it may be called within the user's
// function that has drained the run; the end of the session waits for it.
func (s *session[K, V, T]) tellEnding(quit <-chan struct{}) {
	defer close(s.toldEnd)
	within := s.run.Limits().Drain
	select {
	case <-quit:
		return
	case <-s.run.StopC():
		return
	case <-s.run.DrainC():
		s.log.Info("vicuna: a consumer is being drained", "source", s.name, "group", s.cfg.Group())
	case <-s.complete:
		within = s.run.Limits().Close
	}
	s.tellRevoking(s.run.Context(), s.assignment(), time.Now().Add(within))
}
