//go:build synctests

package consumer_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
)

// A member that the group does not know any more when it joins again gets the same partitions as
// another member: it goes on, and commits.
func TestKeptAsAnotherMember(t *testing.T) {
	for name, protocol := range map[string]settings.GroupProtocol{"cooperative": settings.CooperativeSticky, "eager": settings.Eager} {
		t.Run(name, func(t *testing.T) {
			grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
				const n = 100
				w.Write(0, 0, n)
				w.Write(1, 0, n)
				first := w.Member(settings.Protocol(protocol), settings.SessionTimeout(6*time.Second), settings.RebalanceTimeout(10*time.Second), settings.RevokeTimeout(2*time.Second))
				first.Start(first.Works(func(ctx context.Context, m *strMessage) error { return nil }))
				w.AwaitCommitted(0, n)
				w.AwaitCommitted(1, n)
				w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Group: w.Group, Err: kerr.UnknownMemberID, Count: 1})
				w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Group: w.Group, Err: kerr.RebalanceInProgress, Count: 1})
				<-time.After(time.Minute)
				w.Write(0, n, 2*n)
				w.Write(1, n, 2*n)
				<-time.After(time.Minute)
				require.EqualValues(t, 2*n, w.Committed(0))
				require.EqualValues(t, 2*n, w.Committed(1))
				first.Drain()
			})
		})
	}
}

// The same without a faked answer: in a rebalance it is put out before it has joined again.
func TestPutOutWhileItJoins(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		const n = 100
		w.Write(0, 0, n)
		w.Write(1, 0, n)
		first := w.Member(settings.SessionTimeout(6*time.Second), settings.RebalanceTimeout(20*time.Second), settings.RevokeTimeout(2*time.Second), settings.CommitTimeout(5*time.Second))
		first.Start(first.Works(func(ctx context.Context, m *strMessage) error { return nil }))
		w.AwaitCommitted(0, n)
		w.AwaitCommitted(1, n)
		w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Group: w.Group, Err: kerr.RebalanceInProgress, Count: 1})
		w.PutOut(settings.CooperativeSticky)
		<-time.After(time.Minute)
		w.Write(0, n, 2*n)
		w.Write(1, n, 2*n)
		<-time.After(time.Minute)
		require.EqualValues(t, 2*n, w.Committed(0))
		first.Drain()
	})
}

// The same at most once: nothing is delivered that the group would deliver again.
func TestAtMostOnceAsAnotherMember(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		const n = 100
		w.Fill(2, 0, n)
		got := &grouptest.Deliveries{}
		opts := []settings.ConsumerOption{settings.SessionTimeout(6 * time.Second), settings.RebalanceTimeout(10 * time.Second), settings.RevokeTimeout(2 * time.Second)}
		ctl := w.Start(w.Consumer(opts...).AtMostOnceSource(10).To(got.Sink()))
		w.Until("first", func() bool { return got.Count() == 2*n })
		w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Group: w.Group, Err: kerr.UnknownMemberID, Count: 1})
		w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Group: w.Group, Err: kerr.RebalanceInProgress, Count: 1})
		for i := range n { // in the rebalance too
			w.Fill(2, n+i, 1)
			w.Pass(3 * time.Millisecond)
		}
		w.Until("second", func() bool { return got.Count() == 4*n })
		w.Pass(5 * time.Second)
		require.EqualValues(t, 2*n, w.Committed(0))
		reachable := w.Refuse() // a crash
		grouptest.Stop(ctl)
		reachable()
		w.Pass(time.Minute)
		ctl = w.Start(w.Consumer(opts...).AtMostOnceSource(10).To(got.Sink()))
		w.Pass(time.Minute)
		require.Equal(t, 4*n, got.Count(), "doubled")
		ctl.Stop()
	})
}
