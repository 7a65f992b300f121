//go:build synctests

package consumer_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/stream"
)

// A handle has one run at a time: a second one is refused, also where both sources stand in one
// graph, and the first is not disturbed.
func TestSecondRunIsRefused(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 10)
		w.Write(1, 0, 10)
		c := w.Member()
		_, err := stream.Merge(c.Handle.PlainSource(), c.Handle.PlainSource()).To(stream.Ignore[*consumer.Record[string, string]]()).Start(t.Context())
		require.ErrorIs(t, err, consumer.ErrRunning)
		c.Start(c.Works(nil)) // the refused graph has let go of it
		_, err = c.Works(nil).Start(t.Context())
		require.ErrorIs(t, err, consumer.ErrRunning)
		_, err = c.Handle.PlainSource().To(stream.Ignore[*consumer.Record[string, string]]()).Start(t.Context())
		require.ErrorIs(t, err, consumer.ErrRunning)
		w.AwaitCommitted(0, 10)
		w.AwaitCommitted(1, 10)
		require.Len(t, c.Has(), 2)
		c.Drain()
		c.Start(c.Works(nil))
		w.Write(0, 10, 20)
		w.AwaitCommitted(0, 20)
		c.Drain()
		require.Equal(t, upTo(0, 20), c.Took.Offsets(0), "it went on exactly where it had ended")
	})
}

// What concerns the run is refused where there is none: before, and after.
func TestHandleOutsideARun(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 10)
		w.Write(1, 0, 10)
		c := w.Member()
		outside := func() {
			t.Helper()
			require.ErrorIs(t, c.Handle.Pause(), consumer.ErrNotRunning)
			require.ErrorIs(t, c.Handle.Resume(), consumer.ErrNotRunning)
			_, err := c.Handle.Assignment()
			require.ErrorIs(t, err, consumer.ErrNotRunning)
			_, err = c.Handle.Lag(t.Context())
			require.ErrorIs(t, err, consumer.ErrNotRunning)
			_, err = c.Handle.Metrics()
			require.ErrorIs(t, err, consumer.ErrNotRunning)
		}
		outside()
		graph := c.Works(nil)
		outside()
		c.Start(graph)
		c.AwaitPartitions(2)
		require.NoError(t, c.Handle.Pause())
		require.ErrorIs(t, c.Handle.Pause(consumer.TopicPartition{Topic: "another"}), consumer.ErrNotAssigned)
		require.NoError(t, c.Handle.Resume())
		w.AwaitCommitted(0, 10)
		w.AwaitCommitted(1, 10)
		lags, err := c.Handle.Lag(t.Context())
		require.NoError(t, err)
		require.Zero(t, lags.Behind())
		c.Drain()
		outside()
	})
}

// The handler is told of everything in order, and of the end when everything is committed; events
// come after, in order, and all of them before the run is over.
func TestHandlerAndEvents(t *testing.T) {
	grouptest.Each(t, grouptest.Incremental, 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
		w.Write(0, 0, 100)
		w.Write(1, 0, 100)
		var events []string
		first := w.MemberWith(kind.Member(0), consumer.Events(func(e consumer.Event) {
			<-time.After(100 * time.Millisecond)
			for _, p := range e.Partitions {
				events = append(events, e.Kind.String()+" "+p.String())
			}
		}))
		first.Start(first.Works(nil))
		first.AwaitPartitions(2)
		second := w.Member(kind.Member(1)...)
		p := takeover(second, second.Works(nil))
		first.Drain()
		require.Equal(t, []string{
			"assigned in[0]", "assigned in[1]", "revoked in[" + strconv.Itoa(int(p)) + "]", "stopped in[" + strconv.Itoa(int(other(p))) + "]",
		}, events)
		second.Drain()
	})
}
