package reader

import (
	"context"
	"time"

	"github.com/vicuna-go/vicuna/internal/partitions"
)

// A source may complete long before its run: before a Take or TakeWhile, as an input of Concat or
// Merge, with ToEnd, in a graph beside others. Its session ends then and not with the run, so that
// other members of the group get its partitions: what is in flight of it is finished, committed,
// and the group is left.
//
//  1. Nothing is given up for it. What travels through the run's stages is waited for as long as
//     that takes: it would be done twice otherwise. Should another member want the partitions
//     meanwhile, they go as in any revoke, within its time.
//  2. What user code has taken over and has not answered is waited for as long as at the end of a
//     run: for the close time-out.
//  3. A run that is drained or stopped meanwhile ends the session itself.

// leaveWhenComplete ends the session when its source has completed and nothing of it is in flight.
func (s *ender) leaveWhenComplete(quit <-chan struct{}) {
	var answers *time.Timer // for what user code has taken over
	var late <-chan time.Time
	defer func() {
		if answers != nil {
			answers.Stop()
		}
	}()
	for {
		changed := s.bell.Listen()
		if s.ctx.Err() != nil || s.run.Stopped() || s.run.Draining() {
			return
		}
		if s.completed() {
			s.setComplete()
			outstanding, travelling := s.inFlight()
			switch {
			case outstanding == 0:
				s.leave(s.run.Context())
				return
			case travelling > 0:
			case answers == nil:
				answers = time.NewTimer(s.run.Limits().Close)
				late = answers.C
			}
		}
		select {
		case <-changed:
		case <-late:
			late = nil
			if _, travelling := s.inFlight(); travelling == 0 {
				over, cancel := context.WithCancel(s.run.Context())
				cancel() // the answers were waited for
				s.leave(over)
				return
			}
		case <-quit:
			return
		case <-s.ctx.Done():
		case <-s.run.StopC():
		}
	}
}

// leave ends the session before its run, unless that has begun to. Answers are waited for until ctx
// ends, and no longer than the close time-out. What is finished is committed beforehand: there is
// no hurry, and the time for a last commit is short.
func (s *ender) leave(ctx context.Context) {
	for s.o.Commits && s.ctx.Err() == nil && s.door.Flush(s.ctx) != nil {
	}
	if s.ctx.Err() != nil || s.ended.Swap(true) {
		return
	}
	defer close(s.left)
	s.log.Info("vicuna: a consumer's source has completed: it leaves its group", "group", s.cfg.Group(), "source", s.name)
	ctx, cancel := context.WithTimeout(ctx, s.run.Limits().Close)
	defer cancel()
	s.leftWith = s.shut(ctx)
}

// completed reports whether the source gives nothing any more. Holders need not wait then.
func (s *ender) completed() bool {
	if s.lane == nil {
		return s.handout.over()
	}
	if !s.lane.feed.Over() {
		return false
	}
	s.lane.hurry(partitions.Over, true)
	return true
}

// inFlight counts what was delivered and is not finished, and those of it that do not only wait for
// user code's Commit.
func (s *ender) inFlight() (outstanding, travelling int) {
	for _, a := range s.assigned() {
		outstanding += a.Outstanding()
		travelling += a.Travelling()
	}
	return outstanding, travelling
}
