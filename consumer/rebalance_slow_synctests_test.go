//go:build synctests

package consumer_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
)

// Another member takes half a minute to give its partition back, and all have to wait for it in
// their join. The records of the partition that stays here go on flowing, from our own buffers;
// what is finished meanwhile is committed, and no commit that met the rebalance is a failure.
func TestKeptPartitionsFlowInAnothersRevoke(t *testing.T) {
	virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		const n = 2000
		d := newDesk(t, k, n)
		first := d.clerk(settings.RevokeTimeout(10*time.Second), settings.CommitTimeout(5*time.Second))
		first.run(first.copies(func(ctx context.Context, _ deskMessage) error { return idle(ctx, 20*time.Millisecond) }))
		first.awaitPartitions(2)
		d.slowMember(30*time.Second, cooperative)
		kept := first.awaitPartitions(1)[0]
		d.await("some work", func() bool { return len(first.offsetsOf(kept)) > 100 })
		third := d.clerk()
		third.run(third.copies(nil)) // it brings a rebalance, in which nothing can be given to it
		d.await("the slow one's revoke to begin, or the rebalance to be over", func() bool {
			return d.k.Cluster().GroupInfo(deskGroup).State == "PreparingRebalance"
		})
		began, before := time.Now(), len(first.offsetsOf(kept))
		_, err := d.k.Cluster().WaitGroupStable(t.Context(), deskGroup, 3)
		require.NoError(t, err)
		t.Logf("the rebalance took %v; %d records meanwhile", time.Since(began), len(first.offsetsOf(kept))-before)
		d.awaitCommitted(kept, n)
		require.Equal(t, upTo(0, n), first.offsetsOf(kept)[len(first.offsetsOf(kept))-n:])
		require.Nil(t, first.ctl.Err())
		first.drain()
		third.drain()
	})
}

// During another member's slow revoke a record of the kept partition is stuck for so long that no
// more can be kept account of: nothing more of it is delivered, and what is before it is committed.
// When the record is done, all goes on, in the rebalance still; after it everything is committed,
// and nothing came twice.
func TestFullTrackerInAnothersRevoke(t *testing.T) {
	virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		const n, limit = 2000, 64
		d := newDesk(t, k, 0)
		for from := 0; from < n; from += 20 { // in batches of which some fit
			d.write(0, from, from+20)
			d.write(1, from, from+20)
		}
		var stuck atomic.Bool
		waits, open := make(chan struct{}, n), make(chan struct{})
		first := d.clerk(settings.RevokeTimeout(10*time.Second), settings.CommitTimeout(5*time.Second), settings.TrackLimit(limit), settings.ClientOptions(kgo.FetchMaxPartitionBytes(500)))
		first.run(first.copies(func(ctx context.Context, _ deskMessage) error {
			if stuck.Load() {
				waits <- struct{}{}
				select {
				case <-open:
				case <-ctx.Done():
				}
			}
			return idle(ctx, 20*time.Millisecond)
		}, settings.MaxInterval(10*time.Millisecond)))
		first.awaitPartitions(2)
		d.slowMember(30*time.Second, cooperative)
		kept := first.awaitPartitions(1)[0]
		d.await("some work", func() bool { return len(first.offsetsOf(kept)) > 100 })
		third := d.clerk()
		third.run(third.copies(nil))
		joining := func() bool { return d.k.Cluster().GroupInfo(deskGroup).State == "PreparingRebalance" }
		d.await("the rebalance", joining)

		stuck.Store(true)
		outstanding := func() int {
			m, err := first.handle.Metrics()
			require.NoError(t, err)
			return m.Outstanding
		}
		// The partition may have been held before: it is, now and then, while records flow. The
		// numbers are final when the record before the stuck one is finished and was counted (each
		// 10 ms), and what the client had asked for has come (within 50 ms).
		<-waits
		<-time.After(time.Second)
		m, err := first.handle.Metrics()
		require.NoError(t, err)
		require.Positive(t, m.Held, "until a quarter of what was delivered is finished")
		require.Less(t, outstanding(), 2*limit)
		full := outstanding()
		<-time.After(10 * time.Second)
		require.True(t, joining())
		require.Equal(t, full, outstanding(), "nothing more is delivered")
		require.EqualValues(t, len(first.offsetsOf(kept))-1, d.committed(kept), "up to the one that is stuck")

		before := len(first.offsetsOf(kept))
		stuck.Store(false)
		close(open)
		d.await("more work", func() bool { return len(first.offsetsOf(kept)) > before+2*full })
		require.True(t, joining())
		_, err = d.k.Cluster().WaitGroupStable(t.Context(), deskGroup, 3)
		require.NoError(t, err)
		d.awaitCommitted(kept, n)
		require.Equal(t, upTo(0, n), first.offsetsOf(kept)[len(first.offsetsOf(kept))-n:])
		require.Nil(t, first.ctl.Err())
		first.drain()
		third.drain()
	})
}

// The same with everything taken away at each rebalance: a slow member keeps the others in their
// join for half a minute, and nothing fails.
func TestSlowRebalanceOfAnother(t *testing.T) {
	virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		const n = 3000
		d := newDesk(t, k, n)
		eager := settings.Protocol(settings.Eager)
		first := d.clerk(eager, settings.CommitTimeout(5*time.Second))
		first.run(first.copies(func(ctx context.Context, _ deskMessage) error { return idle(ctx, 20*time.Millisecond) }))
		first.awaitPartitions(2)
		d.slowMember(30*time.Second, sticky)
		first.awaitPartitions(1)
		third := d.clerk(eager)
		began := time.Now()
		third.run(third.copies(nil))
		d.await("the revoke", func() bool { return len(first.has()) == 0 })
		require.Nil(t, first.ctl.Err())
		d.await("a new assignment", func() bool { return len(first.has())+len(third.has()) > 0 })
		require.Greater(t, time.Since(began), 20*time.Second)
		require.Nil(t, first.ctl.Err())
		require.Zero(t, first.dropped())
		first.drain()
		third.drain()
	})
}

// A drain in the middle of another member's slow rebalance ends in its time: nobody waits for the
// group.
func TestDrainInASlowRebalance(t *testing.T) {
	virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		d := newDesk(t, k, 3000)
		first := d.clerk()
		first.run(first.copies(func(ctx context.Context, _ deskMessage) error { return idle(ctx, 20*time.Millisecond) }, settings.MaxInterval(10*time.Millisecond)))
		first.awaitPartitions(2)
		d.slowMember(50*time.Second, cooperative)
		kept := first.awaitPartitions(1)[0]
		d.await("some work", func() bool { return len(first.offsetsOf(kept)) > 100 })
		third := d.clerk()
		third.run(third.copies(nil))
		d.await("the rebalance", func() bool { return d.k.Cluster().GroupInfo(deskGroup).State == "PreparingRebalance" })
		<-time.After(2 * time.Second)
		began := time.Now()
		first.drain()
		require.LessOrEqual(t, time.Since(began), atMost)
		require.EqualValues(t, len(first.offsetsOf(kept)), d.committed(kept))
		require.Len(t, k.Cluster().GroupInfo(deskGroup).Members, 2, "it has left")
	})
}
