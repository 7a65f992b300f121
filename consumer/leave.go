package consumer

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/settings"
)

// leaveTimeout bounds each step of leaving the group, which takes a broker no time.
const leaveTimeout = 2 * time.Second

// close leaves the group and closes the client. The client does not leave in the middle of a join, which lasts until the slowest of the other members has come: then the group is told
// without it, which ends the join; and where the brokers do not answer either, its context ends everything.
func (s *session[K, V, T]) close(ctx context.Context) {
	defer s.kill()
	last := time.AfterFunc(2*leaveTimeout, s.kill)
	defer last.Stop()
	if !s.c.sub.manual {
		leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
		err := s.cl.LeaveGroupContext(leave)
		cancel()
		if err != nil {
			leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
			err = s.quit(leave)
			cancel()
		}
		if err != nil {
			s.log.Warn("vicuna: the group could not be left; it notices when the session times out", "group", s.cfg.Group(), "error", err)
		}
	}
	s.cl.CloseAllowingRebalance()
	// Closing takes what was fetched with a poll of the client's own, which keeps the goroutine of its leave waiting.
	s.cl.AllowRebalance()
}

// quit tells the group that its member has gone, past the client. Static members stay.
func (s *session[K, V, T]) quit(ctx context.Context) error {
	id, _ := s.cl.GroupMetadata()
	if id == "" || s.cfg.InstanceID() != "" || s.cfg.Protocol() == settings.ConsumerProtocol {
		return nil
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.MemberID = s.cfg.Group(), id
	member := kmsg.NewLeaveGroupRequestMember()
	member.MemberID = id
	req.Members = append(req.Members, member)
	_, err := req.RequestWith(ctx, s.cl)
	return err
}
