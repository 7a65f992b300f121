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

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
)

// A member that the group does not know any more when it joins again gets the same partitions as
// another member: it goes on, and commits.
func TestKeptAsAnotherMember(t *testing.T) {
	for name, protocol := range map[string]settings.GroupProtocol{"cooperative": settings.CooperativeSticky, "eager": settings.Eager} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, k *kafkatest.Broker) {
				const n = 100
				d := newDesk(t, k, n)
				first := d.clerk(settings.Protocol(protocol), settings.SessionTimeout(6*time.Second), settings.RebalanceTimeout(10*time.Second), settings.RevokeTimeout(2*time.Second))
				first.run(first.copies(func(ctx context.Context, m deskMessage) error { return nil }))
				d.awaitCommitted(0, n)
				d.awaitCommitted(1, n)
				k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Group: deskGroup, Err: kerr.UnknownMemberID, Count: 1})
				k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Group: deskGroup, Err: kerr.RebalanceInProgress, Count: 1})
				<-time.After(time.Minute)
				d.write(0, n, 2*n)
				d.write(1, n, 2*n)
				<-time.After(time.Minute)
				require.EqualValues(t, 2*n, d.committed(0))
				require.EqualValues(t, 2*n, d.committed(1))
				first.drain()
			})
		})
	}
}

// The same without a faked answer: in a rebalance it is put out before it has joined again.
func TestPutOutWhileItJoins(t *testing.T) {
	virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		const n = 100
		d := newDesk(t, k, n)
		first := d.clerk(settings.SessionTimeout(6*time.Second), settings.RebalanceTimeout(20*time.Second), settings.RevokeTimeout(2*time.Second), settings.CommitTimeout(5*time.Second))
		first.run(first.copies(func(ctx context.Context, m deskMessage) error { return nil }))
		d.awaitCommitted(0, n)
		d.awaitCommitted(1, n)
		k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Group: deskGroup, Err: kerr.RebalanceInProgress, Count: 1})
		putOut(t, k)
		<-time.After(time.Minute)
		d.write(0, n, 2*n)
		d.write(1, n, 2*n)
		<-time.After(time.Minute)
		require.EqualValues(t, 2*n, d.committed(0))
		first.drain()
	})
}

// The same at most once: nothing is delivered that the group would deliver again.
func TestAtMostOnceAsAnotherMember(t *testing.T) {
	withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
		const n = 100
		fillPartitions(t, k, "in", 2, 0, n)
		got := newGathered()
		opts := []settings.ConsumerOption{settings.SessionTimeout(6 * time.Second), settings.RebalanceTimeout(10 * time.Second), settings.RevokeTimeout(2 * time.Second)}
		ctl := begun(t, consumer.New(readerOf(k, opts...), consumer.Topics("in")).AtMostOnceSource(10).To(got.sink()))
		becomes(t, "first", func() bool { return got.count() == 2*n })
		k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Group: readGroup, Err: kerr.UnknownMemberID, Count: 1})
		k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, Group: readGroup, Err: kerr.RebalanceInProgress, Count: 1})
		for i := range n { // in the rebalance too
			fillPartitions(t, k, "in", 2, n+i, 1)
			pass(3 * time.Millisecond)
		}
		becomes(t, "second", func() bool { return got.count() == 4*n })
		pass(5 * time.Second)
		require.EqualValues(t, 2*n, kafkatest.CommittedOffset(t, k, readGroup, "in", 0))
		reachable := k.Refuse() // a crash
		ctl.Stop()
		<-ctl.Done()
		reachable()
		pass(time.Minute)
		ctl = begun(t, consumer.New(readerOf(k, opts...), consumer.Topics("in")).AtMostOnceSource(10).To(got.sink()))
		pass(time.Minute)
		require.Equal(t, 4*n, got.count(), "doubled")
		ctl.Stop()
	})
}
