//go:build synctests

package consumer_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
)

// Another member takes half a minute to give its partition back, and all have to wait for it in
// their join. The records of the partition that stays here go on flowing, from our own buffers;
// what is finished meanwhile is committed, and no commit that met the rebalance is a failure.
func TestKeptPartitionsFlowInAnothersRevoke(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		const n = 2000
		w.Write(0, 0, n)
		w.Write(1, 0, n)
		first := w.Member(settings.RevokeTimeout(10*time.Second), settings.CommitTimeout(5*time.Second))
		first.Start(first.Works(func(ctx context.Context, _ *strMessage) error { return grouptest.Idle(ctx, 20*time.Millisecond) }))
		first.AwaitPartitions(2)
		w.Stranger(30*time.Second, grouptest.Protocols[1].Plain...)
		kept := first.AwaitPartitions(1)[0]
		w.Until("some work", func() bool { return len(first.Took.Offsets(kept)) > 100 })
		third := w.Member()
		third.Start(third.Works(nil)) // it brings a rebalance, in which nothing can be given to it
		w.Until("the slow one's revoke to begin, or the rebalance to be over", func() bool {
			return w.Cluster().GroupInfo(w.Group).State == "PreparingRebalance"
		})
		began, before := time.Now(), len(first.Took.Offsets(kept))
		_, err := w.Cluster().WaitGroupStable(t.Context(), w.Group, 3)
		require.NoError(t, err)
		t.Logf("the rebalance took %v; %d records meanwhile", time.Since(began), len(first.Took.Offsets(kept))-before)
		w.AwaitCommitted(kept, n)
		require.Equal(t, upTo(0, n), first.Took.Offsets(kept)[len(first.Took.Offsets(kept))-n:])
		require.NoError(t, first.Run.Err())
		first.Drain()
		third.Drain()
	})
}

// During another member's slow revoke a record of the kept partition is stuck for so long that no
// more can be kept account of: nothing more of it is delivered, and what is before it is committed.
// When the record is done, all goes on, in the rebalance still; after it everything is committed,
// and nothing came twice.
func TestFullTrackerInAnothersRevoke(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		const n, limit = 2000, 64
		for from := 0; from < n; from += 20 { // in batches of which some fit
			w.Write(0, from, from+20)
			w.Write(1, from, from+20)
		}
		var stuck atomic.Bool
		waits, open := make(chan struct{}, n), make(chan struct{})
		first := w.Member(settings.RevokeTimeout(10*time.Second), settings.CommitTimeout(5*time.Second), settings.TrackLimit(limit), settings.ClientOptions(kgo.FetchMaxPartitionBytes(500)))
		first.Start(first.Works(func(ctx context.Context, _ *strMessage) error {
			if stuck.Load() {
				waits <- struct{}{}
				select {
				case <-open:
				case <-ctx.Done():
				}
			}
			return grouptest.Idle(ctx, 20*time.Millisecond)
		}, settings.MaxInterval(10*time.Millisecond)))
		first.AwaitPartitions(2)
		w.Stranger(30*time.Second, grouptest.Protocols[1].Plain...)
		kept := first.AwaitPartitions(1)[0]
		w.Until("some work", func() bool { return len(first.Took.Offsets(kept)) > 100 })
		third := w.Member()
		third.Start(third.Works(nil))
		joining := func() bool { return w.Cluster().GroupInfo(w.Group).State == "PreparingRebalance" }
		w.Until("the rebalance", joining)

		stuck.Store(true)
		outstanding := func() int {
			m, err := first.Handle.Metrics()
			require.NoError(t, err)
			return m.Outstanding
		}
		// The partition may have been held before: it is, now and then, while records flow. The
		// numbers are final when the record before the stuck one is finished and was counted (each
		// 10 ms), and what the client had asked for has come (within 50 ms).
		<-waits
		<-time.After(time.Second)
		m, err := first.Handle.Metrics()
		require.NoError(t, err)
		require.Positive(t, m.Held, "until a quarter of what was delivered is finished")
		require.Less(t, outstanding(), 2*limit)
		full := outstanding()
		<-time.After(10 * time.Second)
		require.True(t, joining())
		require.Equal(t, full, outstanding(), "nothing more is delivered")
		require.EqualValues(t, len(first.Took.Offsets(kept))-1, w.Committed(kept), "up to the one that is stuck")

		before := len(first.Took.Offsets(kept))
		stuck.Store(false)
		close(open)
		w.Until("more work", func() bool { return len(first.Took.Offsets(kept)) > before+2*full })
		require.True(t, joining())
		_, err = w.Cluster().WaitGroupStable(t.Context(), w.Group, 3)
		require.NoError(t, err)
		w.AwaitCommitted(kept, n)
		require.Equal(t, upTo(0, n), first.Took.Offsets(kept)[len(first.Took.Offsets(kept))-n:])
		require.NoError(t, first.Run.Err())
		first.Drain()
		third.Drain()
	})
}

// The same with everything taken away at each rebalance: a slow member keeps the others in their
// join for half a minute, and nothing fails.
func TestSlowRebalanceOfAnother(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		const n = 3000
		w.Write(0, 0, n)
		w.Write(1, 0, n)
		eager := settings.Protocol(settings.Eager)
		first := w.Member(eager, settings.CommitTimeout(5*time.Second))
		first.Start(first.Works(func(ctx context.Context, _ *strMessage) error { return grouptest.Idle(ctx, 20*time.Millisecond) }))
		first.AwaitPartitions(2)
		w.Stranger(30*time.Second, grouptest.Protocols[0].Plain...)
		first.AwaitPartitions(1)
		third := w.Member(eager)
		began := time.Now()
		third.Start(third.Works(nil))
		w.Until("the revoke", func() bool { return len(first.Has()) == 0 })
		require.NoError(t, first.Run.Err())
		w.Until("a new assignment", func() bool { return len(first.Has())+len(third.Has()) > 0 })
		require.Greater(t, time.Since(began), 20*time.Second)
		require.NoError(t, first.Run.Err())
		require.Zero(t, first.Dropped())
		first.Drain()
		third.Drain()
	})
}

// A drain in the middle of another member's slow rebalance ends in its time: nobody waits for the
// group.
func TestDrainInASlowRebalance(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 3000)
		w.Write(1, 0, 3000)
		first := w.Member()
		first.Start(first.Works(func(ctx context.Context, _ *strMessage) error { return grouptest.Idle(ctx, 20*time.Millisecond) }, settings.MaxInterval(10*time.Millisecond)))
		first.AwaitPartitions(2)
		w.Stranger(50*time.Second, grouptest.Protocols[1].Plain...)
		kept := first.AwaitPartitions(1)[0]
		w.Until("some work", func() bool { return len(first.Took.Offsets(kept)) > 100 })
		third := w.Member()
		third.Start(third.Works(nil))
		w.Until("the rebalance", func() bool { return w.Cluster().GroupInfo(w.Group).State == "PreparingRebalance" })
		<-time.After(2 * time.Second)
		began := time.Now()
		first.Drain()
		require.LessOrEqual(t, time.Since(began), atMost)
		require.EqualValues(t, len(first.Took.Offsets(kept)), w.Committed(kept))
		require.Len(t, w.Cluster().GroupInfo(w.Group).Members, 2, "it has left")
	})
}
