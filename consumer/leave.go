package consumer

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// leaveTimeout bounds the leaving of a group, which takes a broker no time.
const leaveTimeout = 2 * time.Second

// joinPatience is how long a join is waited for that may be over in a moment.
const joinPatience = 100 * time.Millisecond

// A session ends with the leaving of its group. The client leaves by itself, except in the middle
// of a join: that is over when the slowest of the other members has come, or when the session of a
// dead one has run out, and the client waits for it. Nobody else should: what was finished is
// committed by now, and the group's other members would wait for this one in the next join, too.
//
//  1. A member whose client waits for a join tells the group past the client that it has gone. The
//     brokers go on with the join without it.
//  2. A static member (KIP-345) stays in its group when it ends, and tells it nothing, so that
//     nothing moves if it is back within its session. In a join that does not help: partitions are
//     about to move, and a member that just ended would be given its part and waited for as long as
//     its session lasts, by all members where it is the leader, who says who gets what; until then
//     the group takes no commits either. So a join that is over in a moment is waited for
//     (joinPatience), and any other is left, by the instance id.
//  3. Then the client's own context is ended. That is what ends a join in the client, and no leave
//     of the client's own comes after it.
//  4. All members have that patience in the second phase of a join (SyncGroup), which takes a
//     leader that lives one round trip.
//  5. A member that has no id yet is about to get one, from the first of its two joins (KIP-394),
//     and begins no other: the client goes on to its leave, which tells the group not to expect it.
//     A static member has no such first join, and is known by its instance id.
//
// Brokers that do not answer are waited for no longer than leaveTimeout, all in all.

// close leaves the group and closes the client.
func (s *session[K, V, T]) close(ctx context.Context) {
	defer s.kill()
	if !s.c.sub.manual {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
		err := s.leaveGroup(ctx)
		cancel()
		if err != nil {
			s.kill() // what has not ended by now does not end otherwise
			s.log.Warn("vicuna: the group could not be left; it notices when the session times out", "group", s.cfg.Group(), "error", err)
		}
	}
	s.cl.CloseAllowingRebalance()
	// Closing takes what was fetched with a poll of the client's own, which keeps the goroutine of
	// its leave waiting.
	s.cl.AllowRebalance()
}

// leaveGroup leaves the group, with the client or past it.
func (s *session[K, V, T]) leaveGroup(ctx context.Context) error {
	joining := make(chan struct{}, 1)
	defer s.joins.watch(func() {
		select {
		case joining <- struct{}{}:
		default:
		}
	})()
	var past bool // the client was passed by; read after stop
	var pastErr error
	stop := s.run.Serve(s.name+" leave the group", func(quit <-chan struct{}) {
		for {
			select {
			case <-quit:
				return
			case <-joining:
			}
			if s.joinsForLong(quit) {
				past, pastErr = s.leavePast(ctx)
			}
			if past {
				s.kill()
				return
			}
		}
	})
	err := s.cl.LeaveGroupContext(ctx)
	stop()
	if past {
		return pastErr
	}
	return err
}

// joinsForLong reports whether the join that was on is one not to be waited for.
func (s *session[K, V, T]) joinsForLong(quit <-chan struct{}) bool {
	if s.cfg.InstanceID() != "" || s.joins.phase() == syncsNow {
		timer := time.NewTimer(joinPatience)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-quit:
			return false
		}
	}
	return s.joins.waiting()
}

// leavePast tells the group past the client that its member has gone. It reports false where the
// client is not in the group as the member that it was: it hears of that by itself, at once.
func (s *session[K, V, T]) leavePast(ctx context.Context) (past bool, err error) {
	id, instance := s.memberID(), s.cfg.InstanceID()
	if id == "" && instance == "" {
		return false, nil
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.MemberID = s.cfg.Group(), id
	member := kmsg.NewLeaveGroupRequestMember()
	member.MemberID = id
	if instance != "" {
		member.InstanceID = &instance
	}
	member.Reason = kmsg.StringPtr("the consumer has ended")
	req.Members = append(req.Members, member)
	resp, err := req.RequestWith(ctx, s.cl)
	if err != nil {
		return true, err
	}
	err = kerr.ErrorForCode(resp.ErrorCode)
	for _, m := range resp.Members {
		if err == nil {
			err = kerr.ErrorForCode(m.ErrorCode)
		}
	}
	switch {
	case errors.Is(err, kerr.UnknownMemberID):
		return false, nil
	case errors.Is(err, kerr.FencedInstanceID): // another one has taken its place
		return true, nil
	}
	return true, err
}
