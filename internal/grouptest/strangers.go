package grouptest

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/settings"
)

// Stranger is a member of the group that is a plain client, and takes so long in each revoke: the
// others wait for it where their protocol makes them. It is in the group when Stranger returns.
func (w *World) Stranger(takes time.Duration, opts ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	cl, assigned := w.stranger(append([]kgo.Opt{
		kgo.RebalanceTimeout(time.Minute),
		kgo.OnPartitionsRevoked(func(context.Context, *kgo.Client, map[string][]int32) {
			<-time.After(takes) // also where nothing of its own goes: it joins again after it
		}),
	}, opts...)...)
	w.t.Cleanup(cl.CloseAllowingRebalance)
	<-assigned
	return cl
}

func (w *World) stranger(opts ...kgo.Opt) (*kgo.Client, <-chan struct{}) {
	w.t.Helper()
	assigned := make(chan struct{}, 100)
	cl, err := kgo.NewClient(append(append(w.ClientOptions(),
		kgo.ConsumerGroup(w.Group), kgo.ConsumeTopics(w.Topic), kgo.HeartbeatInterval(w.cfg.heartbeats), kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { assigned <- struct{}{} }),
	), opts...)...)
	require.NoError(w.t, err)
	return cl, assigned
}

// DeadStranger is a member of the group that has had its part and is cut off; its session lasts for
// 40 seconds, in protocols in which members say that.
func (w *World) DeadStranger(opts ...kgo.Opt) {
	w.t.Helper()
	wire := w.Wire()
	cl, assigned := w.stranger(append([]kgo.Opt{kgo.SessionTimeout(40 * time.Second), kgo.Dialer(wire.Dial)}, opts...)...)
	life, dead := context.WithTimeout(w.t.Context(), time.Second)
	w.t.Cleanup(func() {
		dead()
		_ = cl.LeaveGroupContext(life)
		cl.CloseAllowingRebalance()
	})
	<-assigned
	w.Pass(time.Second) // the others have their parts
	wire.Cut()
}

// PutOut takes all members out of the group, as the broker does when their sessions are over.
func (w *World) PutOut(protocol settings.GroupProtocol) {
	w.t.Helper()
	cl := w.Client()
	for _, id := range w.MemberIDs() {
		if protocol == settings.ConsumerProtocol {
			req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
			req.Group, req.MemberID, req.MemberEpoch = w.Group, id, -1
			resp, err := req.RequestWith(w.t.Context(), cl)
			require.NoError(w.t, err)
			require.NoError(w.t, kerr.ErrorForCode(resp.ErrorCode))
			continue
		}
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Group, req.MemberID = w.Group, id
		member := kmsg.NewLeaveGroupRequestMember()
		member.MemberID = id
		req.Members = append(req.Members, member)
		resp, err := req.RequestWith(w.t.Context(), cl)
		require.NoError(w.t, err)
		require.NoError(w.t, kerr.ErrorForCode(resp.ErrorCode))
	}
}

// Bury is [World.PutOut] for members none of which lives, and fails the test where one stays: a
// bounded run reads what it is assigned, and what a dead member has is read by nobody. The embedded
// broker keeps one for ever that died between joining and syncing, which Kafka does not; and one of
// KIP-848's protocol until its session is over.
func (w *World) Bury(protocol settings.GroupProtocol) {
	w.t.Helper()
	w.PutOut(protocol)
	require.Empty(w.t, w.MemberIDs(), "the dead of group %s", w.Group)
}
