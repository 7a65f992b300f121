package reader

import (
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/vicuna-go/vicuna/internal/fault"
	"github.com/vicuna-go/vicuna/internal/lookup"
)

// doubt is told that a topic's leader does not know it: the topic was deleted, or made anew, and is
// never read again; or that broker has not heard of it yet, and the client goes on. The brokers are
// asked which it is, beside the poller, which may not wait.
func (s *faults) doubt(err *fault.FetchError) {
	select {
	case s.doubts <- err:
	default: // one is being looked into; the client tells again
	}
}

// lookInto clears the doubts up.
func (s *faults) lookInto(<-chan struct{}) {
	for {
		select {
		case <-s.ctx.Done():
			return
		case d := <-s.doubts:
			if err := s.stillThere(d); err != nil {
				s.run.Fail(err)
				return
			}
		}
	}
}

// stillThere asks for a topic until it is there, as it was. The topic that is not there for the
// start time-out is gone, and one that was made anew is another.
func (s *faults) stillThere(d *fault.FetchError) error {
	known := s.o.History.topic(d.Topic)
	var unknown time.Time // since when
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		anew, count := false, int32(0)
		_, err := s.ask.Partitions(s.ctx, []string{d.Topic}, func(_ string, id kadm.TopicID, n int32) {
			anew = id != known.id && id != (kadm.TopicID{}) && known.id != (kadm.TopicID{})
			count = n
		})
		switch {
		case s.ctx.Err() != nil:
			return nil
		case err == nil && anew:
			return d
		case err == nil && d.Partition < count:
			return nil
		case err != nil && !lookup.Passing(err):
			return err
		case err == nil || fault.UnknownTopic(err):
			if unknown.IsZero() {
				unknown = time.Now()
			}
			if time.Since(unknown) >= s.cfg.StartTimeout() {
				return d
			}
		default:
			unknown = time.Time{}
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-s.ctx.Done():
			timer.Stop()
			return nil
		}
	}
}
