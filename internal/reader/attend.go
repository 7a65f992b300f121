package reader

import (
	"time"

	"github.com/vicuna-go/vicuna/internal/fault"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// attend looks at what changes while the poller waits for the brokers: something has to be
// delivered again, a partition has room again, everything was read, another sub-stream is due.
func (s *Session) attend(<-chan struct{}) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		changed := s.bell.Listen()
		if s.over() {
			s.poller.wakePoll()
			return
		}
		if s.poller.needsRewind() {
			s.poller.wakePoll()
		}
		s.decide(s.parts.Release)
		s.decide(func() { s.parts.Finish() })
		var due <-chan time.Time
		if wait := s.substreams.startDue(); wait >= 0 {
			pause.Reset(wait)
			due = pause.C
		}
		select {
		case <-changed:
		case <-due:
		case <-s.ctx.Done():
		case <-s.run.StopC():
		}
	}
}

// Pause stops the delivery of partitions, or ends that; with none of all that are not being
// revoked.
func (s *Session) Pause(ps []topics.Partition, paused bool) (err error) {
	if s.Questions() == nil {
		return fault.ErrNotRunning
	}
	s.decide(func() {
		if len(ps) == 0 {
			for _, p := range s.parts.All() {
				if !p.Going() { // it gives nothing more, and cannot be held
					ps = append(ps, p.Partition)
				}
			}
		}
		if p, bad := s.parts.NotAssigned(ps); bad {
			err = fault.NotAssigned(p)
			return
		}
		s.parts.Pause(ps, paused)
	})
	if err == nil {
		s.bell.Ring()
	}
	return err
}
