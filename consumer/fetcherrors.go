package consumer

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/settings"
)

// errors looks at what a poll says beside records. The client tries again by itself what may become
// better: brokers that are gone, leaders that move. What it tells is either for information or will
// not become better.
func (s *session[K, V, T]) errors(fetches kgo.Fetches) {
	fetches.EachError(func(topic string, partition int32, err error) {
		if err := s.explain(topic, partition, err); err != nil {
			s.run.Fail(err)
		}
	})
}

// explain returns how a fetch error ends the run; nil where it does not.
func (s *session[K, V, T]) explain(topic string, partition int32, err error) error {
	var loss *kgo.ErrDataLoss
	var group *kgo.ErrGroupSession
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil // our own: the poller was woken
	case errors.Is(err, kgo.ErrClientClosed):
		if s.run.Stopped() || s.run.Draining() {
			return nil
		}
		return &FetchError{Partition: -1, Err: err}
	case errors.As(err, &loss):
		if s.cfg.OutOfRange() == settings.FailOutOfRange {
			return &OutOfRangeError{Topic: loss.Topic, Partition: loss.Partition, Offset: loss.ConsumedTo, Err: err}
		}
		s.log.Warn("vicuna: records were lost by the brokers; going on as settings.OutOfRange says", "partition", TopicPartition{Topic: topic, Partition: partition}.String(), "error", err)
		return nil
	case errors.As(err, &group):
		return s.explainGroup(group.Err)
	case errors.Is(err, kerr.OffsetOutOfRange):
		s.mu.Lock()
		offset := int64(-1)
		if p := s.parts[TopicPartition{Topic: topic, Partition: partition}]; p != nil {
			offset = p.next
		}
		s.mu.Unlock()
		return &OutOfRangeError{Topic: topic, Partition: partition, Offset: offset, Err: err}
	}
	fetch := &FetchError{Topic: topic, Partition: partition, Err: err}
	switch {
	case topic != "" && isUnknownTopic(err):
		// The client tells so when it has tried some times. If the topic was deleted, or made anew,
		// it tells so at every poll from now on, and never reads it again.
		s.doubt(fetch)
		return nil
	case passingFetch(err), s.isDropped(TopicPartition{Topic: topic, Partition: partition}) && passingAnswer(err):
		if p := (TopicPartition{Topic: topic, Partition: partition}).String(); s.troubles.begins("fetch " + p) {
			s.log.Warn("vicuna: fetching will be tried again", "partition", p, "error", err)
		}
		return nil
	}
	return fetch
}

// passingFetch reports whether the client goes on fetching, and may succeed.
func passingFetch(err error) bool {
	var code *kerr.Error
	return errors.As(err, &code) && (code.Retriable || errors.Is(err, kerr.UnknownServerError))
}

// isDropped reports whether the client tells why it has not asked for a partition's offset: where
// it begins was, or is being, asked beside it.
func (s *session[K, V, T]) isDropped(tp TopicPartition) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.parts[tp]
	if p == nil || p.located && !p.dropped {
		return false
	}
	p.dropped = false
	return true
}

// explainGroup says which failures of the group's session end the run: those that another attempt
// would meet again.
func (s *session[K, V, T]) explainGroup(err error) error {
	if isAny(err, kerr.UnknownMemberID, kerr.IllegalGeneration, kerr.RebalanceInProgress, kerr.FencedMemberEpoch, kerr.StaleMemberEpoch) {
		return nil
	}
	var code *kerr.Error
	if errors.As(err, &code) && !code.Retriable && !isAny(err, kerr.UnreleasedInstanceID, kerr.UnknownServerError) {
		return &GroupError{Group: s.cfg.Group(), Err: err}
	}
	if s.run.Draining() || s.run.Stopped() {
		return nil
	}
	if s.member.refused(err, s.cfg.StartTimeout()) {
		return &GroupError{Group: s.cfg.Group(), Err: err}
	}
	if s.troubles.begins("group") {
		s.log.Warn("vicuna: the group's session failed and is begun anew", "group", s.cfg.Group(), "error", err)
	}
	return nil
}
