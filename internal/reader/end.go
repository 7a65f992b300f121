package reader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vicuna-go/vicuna/internal/commit"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/membership"
)

// ender ends a session: at the end of the run, or before it, after a source that has completed.
type ender struct {
	*Session // written by furnish
	// ended: the session has begun to end. Whoever sets it ends the session.
	ended atomic.Bool
	// closed when a session that has ended before its run has left its group
	left      chan struct{}
	leftWith  error         // what went wrong with that; read after left
	stopLeave func()        // ends the goroutine that waits for that
	complete  chan struct{} // closed when the source has completed
	once      sync.Once     // closes complete
}

// setComplete says that the source has completed, or that the run has, which is no other thing to
// those who are told of it.
func (s *ender) setComplete() { s.once.Do(func() { close(s.complete) }) }

// end is the end of the run.
func (s *ender) end(ctx context.Context) error {
	defer s.o.Release(s.Session)
	if s.stopLeave != nil {
		defer s.stopLeave()
	}
	if s.ended.Swap(true) {
		<-s.left // within the limits that every end has
		return s.leftWith
	}
	return s.shut(ctx)
}

// shut ends the session: what is finished is committed, and the group is left. Its caller has set
// ended.
func (s *ender) shut(ctx context.Context) error {
	s.finish()
	if s.cl == nil {
		s.door.Void()
		return nil
	}
	if !s.run.Stopped() {
		s.setComplete()
		select {
		case <-s.callers.toldEnd: // what it finishes is committed
		case <-ctx.Done():
		}
	}
	if s.lane != nil {
		s.lane.feed.Await(ctx)
	}
	// The time of the run's end may be used up by outcomes that came late; the last commit has a
	// time of its own, and so has leaving: a member that does not leave keeps the others waiting
	// for its session to end.
	within, limit := s.closing()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	var going parts
	err := s.door.Last(last, limit, func() (offsets []commit.Offset) {
		going, offsets = s.endAll(ctx)
		return offsets
	})
	s.awaitRevokes(last)
	closed := make(chan struct{})
	s.run.Serve(s.name+" close", func(<-chan struct{}) {
		defer close(closed)
		s.closeAll(ctx, last, going, err)
	})
	if s.lane != nil {
		s.lane.rest() // the run may go on
	}
	atMost := within + 2*membership.LeaveTimeout
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-closed:
	case <-timer.C: // a function of the user's that the client waits for, and so everybody
		err = errors.Join(err, &core.StuckError{Stages: []string{s.name + " " + s.callers.handling()}, After: atMost})
	}
	return err
}

// closing is how long the last commit may take, and what bounds that: the shorter one of the run's
// close time-out and the settings'.
func (s *Session) closing() (within time.Duration, limit string) {
	within, limit = s.run.Limits().Close, "stream.CloseTimeout"
	if own := s.cfg.CloseTimeout(); own < within {
		within, limit = own, "settings.CloseTimeout"
	}
	return within, fmt.Sprintf("%s (%v)", limit, within)
}

// endAll ends all assignments, and returns what is to be committed last. It is called in a turn: a
// revoke that comes now does not return before the commit of what is ended here is made.
func (s *ender) endAll(ctx context.Context) (going parts, offsets []commit.Offset) {
	s.decide(func() { going = s.parts.End() })
	var ends []feed.End
	if s.lane != nil {
		// it has waited for that long; a wait for what user code still has would take the commit's
		// own time
		ends = s.lane.feed.Finish(ctx)
		s.watcher.warnNotFinished(ends)
	}
	s.offsets.savePositions(going, ends)
	offsets = s.offsets.lastOffsets(going, ends)
	s.offsets.leaveOut(going, ends)
	return going, offsets
}

// closeAll stops the goroutines, tells of the end, and leaves. err is what went wrong with the last
// commit.
func (s *ender) closeAll(ctx, last context.Context, going parts, err error) {
	for _, stop := range s.stopping {
		stop()
	}
	s.callers.stopped(last, going)
	if err := s.callers.events.Wait(last); err != nil {
		s.log.Warn("vicuna: the function of consumer.Events has not returned in the close time-out; the run ends without it", "source", s.name)
	}
	s.close(ctx)
	s.tellEnd(ctx, err)
}

// tellEnd tells of the end: as a warning where records were given up without a stop, or anything
// went wrong.
func (s *ender) tellEnd(ctx context.Context, err error) {
	level, given := slog.LevelInfo, givenUp(s.run.GivenUps())
	if well, stopped := s.run.EndsWell(); err != nil || !well || given > 0 && !stopped {
		level = slog.LevelWarn
	}
	args := []any{
		"source", s.name, "group", s.cfg.Group(), "after", time.Since(s.began).Round(time.Millisecond),
		"fetched", s.fetched.Load(), "committed", s.door.Moved(), "revoked", s.dropped.Load(),
		"given_back", s.run.GivenBack(), "given_up", given, "why", s.run.Why(),
	}
	if err != nil {
		args = append(args, "error", err)
	}
	s.log.Log(ctx, level, "vicuna: a consumer has ended", args...)
}

// awaitRevokes lets a revoke commit what it has ended before the group is left, until ctx ends.
// Then its commits have ended, too: nothing is committed after the end of the run. Where there is
// no revoke it does not matter whether ctx has ended.
func (s *ender) awaitRevokes(ctx context.Context) {
	select {
	case s.revokes <- struct{}{}:
		<-s.revokes
		return
	default:
	}
	select {
	case s.revokes <- struct{}{}:
		<-s.revokes
		return
	case <-ctx.Done():
	}
	s.door.End()
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case s.revokes <- struct{}{}:
		<-s.revokes
	case <-timer.C:
		s.kill()
	}
}

// close leaves the group and closes the client. The leaving has a time of its own.
func (s *ender) close(ctx context.Context) {
	defer s.kill()
	if !s.o.Subscription.Manual {
		within, _ := s.closing()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(within, membership.LeaveTimeout))
		err := s.membership().Leave(ctx)
		cancel()
		if err != nil {
			s.kill() // what has not ended by now does not end otherwise
			s.log.Warn("vicuna: the group could not be left: it gives the partitions to others only when this member's session times out", "group", s.cfg.Group(), "error", err)
		}
	}
	s.cl.CloseAllowingRebalance()
	// Closing takes what was fetched with a poll of the client's own, which keeps the goroutine of
	// its leave waiting.
	s.cl.AllowRebalance()
}

// membership is the client as a member of its group.
func (s *Session) membership() membership.Member {
	return membership.Member{
		Client: s.cl, Joins: &s.joins, Group: s.cfg.Group(), Instance: s.cfg.InstanceID(), Kill: s.kill,
		Serve: func(what string, f func(quit <-chan struct{})) func() { return s.run.Serve(s.name+" "+what, f) },
	}
}

// memberID is the client's id in its group; "" where it has none.
func (s *Session) memberID() string {
	if s.o.Subscription.Manual {
		return ""
	}
	return s.membership().ID()
}

// givenUp counts the records that a run has given up.
func givenUp(all []core.GivenUp) (records int) {
	for _, g := range all {
		records += g.Records
	}
	return records
}
