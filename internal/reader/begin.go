package reader

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/fault"
	"github.com/vicuna-go/vicuna/internal/kclient"
	"github.com/vicuna-go/vicuna/internal/lookup"
	"github.com/vicuna-go/vicuna/internal/partitions"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/settings"
)

// starter finds out where reading begins: what a run has to know before it reads, and where each
// partition does.
type starter struct {
	*Session
	starts starts
}

// begin asks what a run has to know before it reads: whether a broker, its topics and its group's
// coordinator are there, which a group's client waits for without a word; the ends of a bounded
// one; where partitions begin. What may become better is asked again, within the start time-out: it
// may be that brokers are still starting, or that a topic was just made and not all of them know
// it.
func (s *starter) begin(<-chan struct{}) {
	began := time.Now()
	told := false
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := s.beginOnce(s.ctx, began)
		switch {
		case err == nil:
			if told {
				s.log.Info("vicuna: the consumer can begin now", "source", s.name, "after", time.Since(began).Round(time.Millisecond))
			}
			s.bell.Ring()
			return
		case s.ctx.Err() != nil:
			return
		case !lookup.Passing(err):
			s.run.Fail(err)
			return
		case time.Since(began) >= s.cfg.StartTimeout():
			s.run.Fail(&fault.StartError{After: time.Since(began), Err: err})
			return
		}
		if !told {
			told = true
			s.log.Warn("vicuna: the consumer cannot begin yet; it tries again for settings.StartTimeout", "source", s.name, "for", s.cfg.StartTimeout(), "error", err)
		}
		timer := time.NewTimer(min(pause, max(0, s.cfg.StartTimeout()-time.Since(began))))
		select {
		case <-timer.C:
		case <-s.ctx.Done():
			timer.Stop()
			return
		}
	}
}

// Pauses between two askings of one question.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = time.Second
)

func (s *starter) beginOnce(ctx context.Context, began time.Time) error {
	if err := kclient.Reach(ctx, s.cl); err != nil {
		return err
	}
	sub := s.o.Subscription
	all, err := s.ask.Partitions(ctx, sub.Names(), s.found)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		var fetch *fault.FetchError
		if errors.As(err, &fetch) {
			s.o.History.missing(fetch.Topic, began)
		}
	}
	// who asks for the partitions is told which
	if err != nil && !(sub.Manual && fault.UnknownTopic(err)) {
		return err
	}
	ps := sub.Partitions
	if !sub.Manual {
		ps = all
		if err := s.ask.Coordinator(ctx); err != nil {
			return err
		}
	}
	if s.o.ToEnd {
		if err := s.bound(ctx, ps); err != nil {
			return err
		}
	}
	var ends map[topics.Partition]int64
	if !sub.Manual && s.cfg.StartFrom() == settings.Latest && s.o.keepsOffsets() {
		if ends, err = s.ask.End(ctx, ps); err != nil {
			return err
		}
	}
	s.starts.set(ends)
	if !sub.Manual {
		return nil
	}
	return s.assignManually(ctx, ps)
}

// found is told of a topic that is there.
func (s *starter) found(topic string, id kadm.TopicID, partitions int32) {
	s.o.History.found(topic, id, partitions)
	if s.member != nil {
		s.member.Identify(topic, id)
	}
}

// bound asks for the ends of a bounded run. They are those of its first answer.
func (s *starter) bound(ctx context.Context, ps []topics.Partition) error {
	ends, err := s.ask.End(ctx, ps)
	if err != nil {
		return err
	}
	first, err := s.ask.First(ctx, ps)
	if err != nil {
		return err
	}
	s.boundOnce.Do(func() {
		s.mu.Lock()
		s.parts.Bound(partitions.Bounds{Known: true, First: first, Ends: ends})
		s.mu.Unlock()
		close(s.bounded)
	})
	return nil
}

// awaitBounds waits until the ends of a bounded run are known; false: the reading has ended first.
func (s *Session) awaitBounds() bool {
	if !s.o.ToEnd {
		return true
	}
	select {
	case <-s.bounded:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// bounds are the ends of a bounded run.
func (s *Session) bounds() partitions.Bounds {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parts.Bounds()
}

// assignManually begins to read the partitions that the user has chosen.
func (s *starter) assignManually(ctx context.Context, ps []topics.Partition) error {
	first, err := s.ask.First(ctx, ps) // also tells whether they are there
	if err != nil {
		return err
	}
	from := s.o.Subscription.Offsets
	ofGroup := from == nil && s.cfg.Group() != ""
	if ofGroup {
		if from, err = s.ask.Committed(kadm.RequireStable(ctx), ps); err != nil {
			return err // nothing has happened yet, so it can be tried again
		}
	}
	s.rebalancer.onAssigned(ctx, ps)
	// which may have committed where they are to begin
	if ofGroup && s.o.Handler.Assigned != nil {
		if from, err = s.askCommitted(ctx, ps); err != nil {
			return err
		}
	}
	at := topics.ByPartition[kgo.Offset]{}
	for _, p := range ps {
		o, ok := from[p]
		if !ok {
			o = -1 // to be looked up
		}
		at.Set(p, kgo.NewOffset().At(o))
	}
	if _, err := s.onOffsets(ctx, at); err != nil {
		return err
	}
	s.mu.Lock()
	for _, tp := range ps {
		if at[tp.Topic][tp.Partition].EpochOffset().Offset >= 0 {
			continue
		}
		at.Set(tp, kgo.NewOffset().At(first[tp]))
		if p := s.parts.Get(tp); p != nil {
			s.parts.Locate(p, first[tp])
		}
	}
	s.mu.Unlock()
	s.bell.Ring()
	s.cl.AddConsumePartitions(at)
	return nil
}
