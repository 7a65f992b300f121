package consumer

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/kclient"
	"github.com/vicuna-go/vicuna/settings"
)

// begin asks what a run has to know before it reads: whether a broker, its topics and its group's
// coordinator are there, which a group's client waits for without a word; the ends of a bounded
// one; where partitions begin. What may become better is asked again, within the start time-out: it
// may be that brokers are still starting, or that a topic was just made and not all of them know
// it.
func (s *session[K, V, T]) begin(<-chan struct{}) {
	began := time.Now()
	told := false
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := s.beginOnce(s.ctx, began)
		switch {
		case err == nil:
			if told {
				s.log.Info("vicuna: the consumer has begun", "after", time.Since(began).Round(time.Millisecond))
			}
			s.bell.Ring()
			return
		case s.ctx.Err() != nil:
			return
		case !passingAnswer(err):
			s.run.Fail(err)
			return
		case time.Since(began) >= s.cfg.StartTimeout():
			s.run.Fail(&StartError{After: time.Since(began), Err: err})
			return
		}
		if !told {
			told = true
			s.log.Warn("vicuna: the consumer cannot begin yet; it tries again within settings.StartTimeout", "error", err)
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

// passingAnswer reports whether a question that failed may be answered later.
func passingAnswer(err error) bool {
	var code *kerr.Error
	if errors.As(err, &code) {
		return code.Retriable || errors.Is(err, kerr.UnknownServerError)
	}
	var user *UserError
	return !errors.As(err, &user)
}

func (s *session[K, V, T]) beginOnce(ctx context.Context, began time.Time) error {
	if err := kclient.Reach(ctx, s.cl); err != nil {
		return err
	}
	memory := &s.c.memory
	names := s.c.sub.names()
	all, err := s.ask.partitions(ctx, names, memory.found)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		var fetch *FetchError
		if errors.As(err, &fetch) {
			memory.missing(fetch.Topic, began)
		}
	}
	// who asks for the partitions is told which
	if err != nil && !(s.c.sub.manual && isUnknownTopic(err)) {
		return err
	}
	ps := s.c.sub.partitions
	if !s.c.sub.manual {
		ps = all
		if err := s.ask.coordinator(ctx); err != nil {
			return err
		}
	}
	if s.ends.known != nil {
		ends, err := s.ask.end(ctx, ps)
		if err != nil {
			return err
		}
		first, err := s.ask.first(ctx, ps)
		if err != nil {
			return err
		}
		s.ends.set(first, ends)
	}
	var ends map[TopicPartition]int64
	if !s.c.sub.manual && s.cfg.StartFrom() == settings.Latest && s.keepsOffsets() {
		if ends, err = s.ask.end(ctx, ps); err != nil {
			return err
		}
	}
	s.starts.set(ends)
	if !s.c.sub.manual {
		return nil
	}
	return s.assignManually(ctx, ps)
}

// assignManually begins to read the partitions that the user has chosen.
func (s *session[K, V, T]) assignManually(ctx context.Context, ps []TopicPartition) error {
	first, err := s.ask.first(ctx, ps) // also tells whether they are there
	if err != nil {
		return err
	}
	from := s.c.sub.offsets
	ofGroup := from == nil && s.cfg.Group() != ""
	if ofGroup {
		if from, err = s.ask.committed(kadm.RequireStable(ctx), ps); err != nil {
			return err // nothing has happened yet, so it can be tried again
		}
	}
	s.onAssigned(ctx, ps)
	// which may have committed where they are to begin
	if ofGroup && s.c.opts.handler.Assigned != nil {
		err := s.insist(ctx, func() (err error) {
			from, err = s.ask.committed(kadm.RequireStable(ctx), ps)
			return err
		})
		if err != nil {
			return err
		}
	}
	at := map[string]map[int32]kgo.Offset{}
	for _, p := range ps {
		if at[p.Topic] == nil {
			at[p.Topic] = map[int32]kgo.Offset{}
		}
		o, ok := from[p]
		if !ok {
			o = -1 // to be looked up
		}
		at[p.Topic][p.Partition] = kgo.NewOffset().At(o)
	}
	if _, err := s.onOffsets(ctx, at); err != nil {
		return err
	}
	s.mu.Lock()
	for _, p := range ps {
		if at[p.Topic][p.Partition].EpochOffset().Offset >= 0 {
			continue
		}
		at[p.Topic][p.Partition] = kgo.NewOffset().At(first[p])
		if pt := s.parts[p]; pt != nil && pt.next < 0 {
			pt.next = first[p]
		}
	}
	s.mu.Unlock()
	s.bell.Ring()
	s.cl.AddConsumePartitions(at)
	return nil
}

// coordinator asks for the group's.
func (a *asker) coordinator(ctx context.Context) error {
	found := a.adm.FindGroupCoordinators(ctx, a.group)
	resp, ok := found[a.group]
	if !ok {
		return &GroupError{Group: a.group, Err: kerr.CoordinatorNotAvailable}
	}
	if resp.Err != nil {
		return &GroupError{Group: a.group, Err: resp.Err}
	}
	return nil
}

// Reach asks whether what the handle reads can be reached: a broker; each topic, with a leader of
// each partition; and, where offsets or members are kept in a group, its coordinator. It returns
// nil, or what stands in the way: an [*UnreachableError] with the addresses, a [*FetchError] with
// the topic, a [*GroupError], the broker's own error where it refuses the login; or ctx's cause. It
// uses a client of its own, whether there is a run or not, joins no group, and does not try again:
// a run that is started does, for settings.StartTimeout. Any goroutine may call it.
func (c *Consumer[K, V]) Reach(ctx context.Context) error {
	cfg := c.cs.ConsumerConfig
	if err := errors.Join(cfg.Err(), c.sub.check()); err != nil {
		return err
	}
	life, end := context.WithCancel(ctx)
	defer end()
	cl, err := kclient.NewReaderClient(cfg, kgo.WithContext(life))
	if err != nil {
		return err
	}
	defer cl.Close()
	err = c.reach(ctx, cl)
	if err != nil && ctx.Err() != nil {
		var u *UnreachableError
		if !errors.As(err, &u) { // whatever was under way has ended with it
			return context.Cause(ctx)
		}
	}
	return err
}

func (c *Consumer[K, V]) reach(ctx context.Context, cl *kgo.Client) error {
	if err := kclient.Reach(ctx, cl); err != nil {
		return err
	}
	ask := newAsker(cl, c.cs.ConsumerConfig)
	there, err := ask.partitions(ctx, c.sub.names(), func(string, kadm.TopicID, int32) {})
	if err != nil && !(c.sub.manual && isUnknownTopic(err)) {
		return err
	}
	ps := c.sub.partitions
	if !c.sub.manual {
		ps = there
	}
	if _, err := ask.end(ctx, ps); err != nil { // each leader answers for its own
		return err
	}
	if ask.group == "" {
		return nil
	}
	return ask.coordinator(ctx)
}
