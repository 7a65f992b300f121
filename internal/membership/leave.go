package membership

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// LeaveTimeout bounds the leaving of a group, which takes a broker no time.
const LeaveTimeout = 2 * time.Second

// joinPatience is how long a join is waited for that may be over in a moment.
const joinPatience = 100 * time.Millisecond

// A run ends with the leaving of its group. The client leaves by itself, except in the middle of a
// join: that is over when the slowest of the other members has come, or when the session of a dead
// one has run out, and the client waits for it. Nobody else should: what was finished is committed
// by now, and the group's other members would wait for this one in the next join, too.
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
// Brokers that do not answer are waited for no longer than LeaveTimeout, all in all.

// Member is a client that is a member of a group, as its leaving needs it.
type Member struct {
	Client *kgo.Client
	Joins  *Joins
	Group  string
	// Instance is the static member's id, "" for others.
	Instance string
	// Kill ends the client's own context.
	Kill context.CancelFunc
	// Serve runs f on a goroutine of the run's until stop is called, which waits for it.
	Serve func(what string, f func(quit <-chan struct{})) (stop func())
}

// ID is the member's id in its group; "" where it has none.
func (m Member) ID() string {
	id, _ := m.Client.GroupMetadata()
	return id
}

// Leave leaves the group, with the client or past it.
func (m Member) Leave(ctx context.Context) error {
	joining := make(chan struct{}, 1)
	defer m.Joins.Watch(func() {
		select {
		case joining <- struct{}{}:
		default:
		}
	})()
	var past bool // the client was passed by; read after stop
	var pastErr error
	stop := m.Serve("leave the group", func(quit <-chan struct{}) {
		for {
			select {
			case <-quit:
				return
			case <-joining:
			}
			if m.joinsForLong(quit) {
				past, pastErr = m.leavePast(ctx)
			}
			if past {
				m.Kill()
				return
			}
		}
	})
	err := m.Client.LeaveGroupContext(ctx)
	stop()
	if past {
		return pastErr
	}
	return err
}

// joinsForLong reports whether the join that was on is one not to be waited for.
func (m Member) joinsForLong(quit <-chan struct{}) bool {
	if m.Instance != "" || m.Joins.Phase() == Syncing {
		timer := time.NewTimer(joinPatience)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-quit:
			return false
		}
	}
	return m.Joins.Waiting()
}

// leavePast tells the group past the client that its member has gone. It reports false where the
// client is not in the group as the member that it was: it hears of that by itself, at once.
func (m Member) leavePast(ctx context.Context) (past bool, err error) {
	id := m.ID()
	if id == "" && m.Instance == "" {
		return false, nil
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.MemberID = m.Group, id
	member := kmsg.NewLeaveGroupRequestMember()
	member.MemberID = id
	if m.Instance != "" {
		member.InstanceID = &m.Instance
	}
	member.Reason = kmsg.StringPtr("the consumer has ended")
	req.Members = append(req.Members, member)
	resp, err := req.RequestWith(ctx, m.Client)
	if err != nil {
		return true, err
	}
	err = kerr.ErrorForCode(resp.ErrorCode)
	for _, answer := range resp.Members {
		if err == nil {
			err = kerr.ErrorForCode(answer.ErrorCode)
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
