package reader

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/fault"
	"github.com/vicuna-go/vicuna/internal/lookup"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/settings"
)

// faults decides which errors of the client's end a run.
type faults struct {
	*Session
	doubts chan *fault.FetchError // topics that a leader does not know; a place of one
}

// errors looks at what a poll says beside records. The client tries again by itself what may become
// better: brokers that are gone, leaders that move. What it tells is either for information or will
// not become better.
func (s *faults) errors(fetches kgo.Fetches) {
	fetches.EachError(func(topic string, partition int32, err error) {
		if err := s.explain(topics.Partition{Topic: topic, Partition: partition}, err); err != nil {
			s.run.Fail(err)
		}
	})
}

// explain returns how a fetch error ends the run; nil where it does not.
func (s *faults) explain(tp topics.Partition, err error) error {
	var loss *kgo.ErrDataLoss
	var group *kgo.ErrGroupSession
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil // our own: the poller was woken
	case errors.Is(err, kgo.ErrClientClosed):
		if s.run.Stopped() || s.run.Draining() {
			return nil
		}
		return &fault.FetchError{Partition: -1, Err: err}
	case errors.As(err, &loss):
		if s.cfg.OutOfRange() == settings.FailOutOfRange {
			return &fault.OutOfRangeError{Topic: loss.Topic, Partition: loss.Partition, Offset: loss.ConsumedTo, Err: err}
		}
		s.log.Warn("vicuna: records were lost by the brokers; reading goes on as settings.OutOfRange says", "topic", tp.Topic, "partition", tp.Partition, "error", err)
		return nil
	case errors.As(err, &group):
		return s.explainGroup(group.Err)
	case errors.Is(err, kerr.OffsetOutOfRange):
		return &fault.OutOfRangeError{Topic: tp.Topic, Partition: tp.Partition, Offset: s.nextOf(tp), Err: err}
	}
	fetch := &fault.FetchError{Topic: tp.Topic, Partition: tp.Partition, Err: err}
	switch {
	case tp.Topic != "" && fault.UnknownTopic(err):
		// The client tells so when it has tried some times. If the topic was deleted, or made anew,
		// it tells so at every poll from now on, and never reads it again.
		s.warnNotFetched(tp, "vicuna: a broker does not know a topic that it leads; the others are asked for settings.StartTimeout whether the topic is still there", err)
		s.doubt(fetch)
		return nil
	case passingFetch(err), s.isDropped(tp) && lookup.Passing(err):
		s.warnNotFetched(tp, "vicuna: a partition cannot be fetched; the client tries again until it can", err)
		return nil
	}
	return fetch
}

// unfetched is the outage of a partition that cannot be fetched; of number -1, of a topic.
func unfetched(tp topics.Partition) string { return "fetch " + tp.String() }

// warnNotFetched tells once that a partition cannot be fetched, until it can be, or has gone.
func (s *faults) warnNotFetched(tp topics.Partition, text string, err error) {
	s.mu.Lock()
	// in one step with that it is there: else nobody would take it back
	tell := (tp.Partition < 0 || s.parts.Get(tp) != nil) && s.outages.Begins(unfetched(tp))
	s.mu.Unlock()
	if tell {
		s.log.Warn(text, "topic", tp.Topic, "partition", tp.Partition, "error", err)
	}
}

// fetchedAgain tells that a partition can be fetched, where that was not so.
func (s *faults) fetchedAgain(tp topics.Partition) {
	if !s.outages.Any() {
		return
	}
	for _, key := range []string{unfetched(tp), unfetched(topics.Partition{Topic: tp.Topic, Partition: -1}), unasked(tp)} {
		if took, was := s.outages.Over(key); was {
			s.log.Info("vicuna: a partition is fetched again", "topic", tp.Topic, "partition", tp.Partition, "after", took)
		}
	}
}

// forget takes back what is told once of partitions that have gone; the caller holds the lock.
// Whoever has them next has outages of his own.
func (s *faults) forget(going parts) {
	for tp := range going {
		for _, key := range []string{unfetched(tp), unfetched(topics.Partition{Topic: tp.Topic, Partition: -1}), unbuilt(tp), unasked(tp)} {
			s.outages.Over(key)
		}
	}
}

// nextOf is the offset to be fetched next of a partition, -1 where that is not known.
func (s *faults) nextOf(tp topics.Partition) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.parts.Get(tp); p != nil {
		return p.Next()
	}
	return -1
}

// passingFetch reports whether the client goes on fetching, and may succeed.
func passingFetch(err error) bool {
	var code *kerr.Error
	return errors.As(err, &code) && (code.Retriable || errors.Is(err, kerr.UnknownServerError))
}

// isDropped reports whether the client tells why it has not asked for a partition's offset: where
// it begins was, or is being, asked beside it.
func (s *faults) isDropped(tp topics.Partition) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.parts.Get(tp)
	if p == nil || p.Located() && !p.Flow.dropped {
		return false
	}
	p.Flow.dropped = false
	return true
}

// explainGroup says which failures of the group's session end the run: those that another attempt
// would meet again.
func (s *faults) explainGroup(err error) error {
	if fault.Any(err, kerr.UnknownMemberID, kerr.IllegalGeneration, kerr.RebalanceInProgress, kerr.FencedMemberEpoch, kerr.StaleMemberEpoch) {
		return nil
	}
	var code *kerr.Error
	if errors.As(err, &code) && !code.Retriable && !fault.Any(err, kerr.UnreleasedInstanceID, kerr.UnknownServerError) {
		return &fault.GroupError{Group: s.cfg.Group(), Err: err}
	}
	if s.run.Draining() || s.run.Stopped() {
		return nil
	}
	if s.standing.Refused(err, s.cfg.StartTimeout()) {
		return &fault.GroupError{Group: s.cfg.Group(), Err: err}
	}
	s.rebalancer.warnNotTaken(err)
	return nil
}
