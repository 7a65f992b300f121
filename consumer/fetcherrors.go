package consumer

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/settings"
)

// errors looks at what a poll says beside records. The client tries again by itself what may become better: brokers that are gone, leaders that move. What it tells is
// either for information or will not become better.
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
		s.log.Warn("vicuna: records were lost by the brokers; going on as settings.OutOfRange says", "partition", TopicPartition{topic, partition}.String(), "error", err)
		return nil
	case errors.As(err, &group):
		return s.explainGroup(group.Err)
	case errors.Is(err, kerr.OffsetOutOfRange):
		s.mu.Lock()
		offset := int64(-1)
		if p := s.parts[TopicPartition{topic, partition}.feed()]; p != nil {
			offset = p.next
		}
		s.mu.Unlock()
		return &OutOfRangeError{Topic: topic, Partition: partition, Offset: offset, Err: err}
	}
	var code *kerr.Error
	// The client tells of an unknown id when it has tried some times: the topic was deleted, or made anew. It would tell so at every poll from now on, and never read it again.
	gone := errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID)
	if errors.As(err, &code) && code.Retriable && !gone {
		s.log.Warn("vicuna: fetching will be tried again", "partition", TopicPartition{topic, partition}.String(), "error", err)
		return nil
	}
	return &FetchError{Topic: topic, Partition: partition, Err: err}
}

// explainGroup says which failures of the group's session end the run: those that another attempt would meet again.
func (s *session[K, V, T]) explainGroup(err error) error {
	for _, passing := range []error{
		kerr.UnknownMemberID, kerr.IllegalGeneration, kerr.RebalanceInProgress, kerr.FencedMemberEpoch, kerr.StaleMemberEpoch, kerr.UnreleasedInstanceID,
	} {
		if errors.Is(err, passing) {
			return nil
		}
	}
	var code *kerr.Error
	if errors.As(err, &code) && !code.Retriable {
		return &GroupError{Group: s.cfg.Group(), Err: err}
	}
	if s.run.Draining() || s.run.Stopped() {
		return nil
	}
	s.log.Warn("vicuna: the group's session failed and is begun anew", "group", s.cfg.Group(), "error", err)
	return nil
}
