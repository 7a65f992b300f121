package consumer

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/kclient"
)

// begin asks what a run has to know before it reads: whether its topics are there, which a group's client waits for without a word; the ends of a bounded one, the first offsets of a manual
// assignment. What may become better is asked again.
func (s *session[K, V, T]) begin(<-chan struct{}) {
	ctx := s.ctx
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := s.beginOnce(ctx)
		switch {
		case err == nil:
			s.bell.Ring()
			return
		case ctx.Err() != nil:
			return
		case !passingAnswer(err):
			s.run.Fail(err)
			return
		}
		if s.c.sub.manual || s.ends.known != nil { // else the group does not wait for it
			s.log.Warn("vicuna: the beginning of the run will be tried again", "error", err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// passingAnswer reports whether a question that failed may be answered later.
func passingAnswer(err error) bool {
	var code *kerr.Error
	if errors.As(err, &code) {
		return code.Retriable && !errors.Is(err, kerr.UnknownTopicOrPartition)
	}
	var user *UserError
	return !errors.As(err, &user)
}

func (s *session[K, V, T]) beginOnce(ctx context.Context) error {
	if err := kclient.Reach(ctx, s.cl); err != nil {
		return err
	}
	ps := s.c.sub.partitions
	if !s.c.sub.manual {
		all, err := s.ask.partitions(ctx, s.c.sub.topics)
		if err != nil {
			return err
		}
		ps = all
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
	if from == nil && s.cfg.Group() != "" {
		committed, err := s.ask.committed(ctx, ps)
		if err != nil {
			return err
		}
		from = committed
	}
	at := map[string]map[int32]kgo.Offset{}
	for _, p := range ps {
		if at[p.Topic] == nil {
			at[p.Topic] = map[int32]kgo.Offset{}
		}
		o, ok := from[p]
		if !ok {
			o = first[p]
		}
		at[p.Topic][p.Partition] = kgo.NewOffset().At(o)
	}
	s.onAssigned(ctx, ps)
	if _, err := s.onOffsets(ctx, at); err != nil {
		return err
	}
	s.cl.AddConsumePartitions(at)
	return nil
}
