//go:build synctests

package consumer_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/stream"
)

// A handle has one run at a time: a second one is refused, also where both sources stand in one
// graph, and the first is not disturbed.
func TestSecondRunIsRefused(t *testing.T) {
	virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		d := newDesk(t, k, 10)
		c := d.clerk()
		_, err := stream.Merge(c.handle.PlainSource(), c.handle.PlainSource()).To(stream.Ignore[*consumer.Record[string, string]]()).Start(t.Context())
		require.ErrorIs(t, err, consumer.ErrRunning)
		c.run(c.copies(nil)) // the refused graph has let go of it
		_, err = c.copies(nil).Start(t.Context())
		require.ErrorIs(t, err, consumer.ErrRunning)
		_, err = c.handle.PlainSource().To(stream.Ignore[*consumer.Record[string, string]]()).Start(t.Context())
		require.ErrorIs(t, err, consumer.ErrRunning)
		d.awaitCommitted(0, 10)
		d.awaitCommitted(1, 10)
		require.Len(t, c.has(), 2)
		c.drain()
		c.run(c.copies(nil))
		d.write(0, 10, 20)
		d.awaitCommitted(0, 20)
		c.drain()
		require.Equal(t, upTo(0, 20), c.offsetsOf(0), "it went on exactly where it had ended")
	})
}

// What concerns the run is refused where there is none: before, and behind.
func TestHandleOutsideARun(t *testing.T) {
	virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		d := newDesk(t, k, 10)
		c := d.clerk()
		outside := func() {
			t.Helper()
			require.ErrorIs(t, c.handle.Pause(), consumer.ErrNotRunning)
			require.ErrorIs(t, c.handle.Resume(), consumer.ErrNotRunning)
			_, err := c.handle.Assignment()
			require.ErrorIs(t, err, consumer.ErrNotRunning)
			_, err = c.handle.Lag(t.Context())
			require.ErrorIs(t, err, consumer.ErrNotRunning)
			_, err = c.handle.Metrics()
			require.ErrorIs(t, err, consumer.ErrNotRunning)
		}
		outside()
		graph := c.copies(nil)
		outside()
		c.run(graph)
		c.awaitPartitions(2)
		require.NoError(t, c.handle.Pause())
		require.ErrorIs(t, c.handle.Pause(consumer.TopicPartition{Topic: "another"}), consumer.ErrNotAssigned)
		require.NoError(t, c.handle.Resume())
		d.awaitCommitted(0, 10)
		d.awaitCommitted(1, 10)
		lags, err := c.handle.Lag(t.Context())
		require.NoError(t, err)
		require.Zero(t, lags.Behind())
		c.drain()
		outside()
	})
}

// The handler is told of everything in order, and of the end when everything is committed; events
// come behind, in order, and all of them before the run is over.
func TestHandlerAndEvents(t *testing.T) {
	eachKindButEager(t, func(t *testing.T, k *kafkatest.Broker, kind groupKind) {
		d := newDesk(t, k, 100)
		var events []string
		first := d.clerkWith(kind.opts(0), consumer.Events(func(e consumer.Event) {
			<-time.After(100 * time.Millisecond)
			for _, p := range e.Partitions {
				events = append(events, e.Kind.String()+" "+p.String())
			}
		}))
		first.run(first.copies(nil))
		first.awaitPartitions(2)
		second := d.clerk(kind.opts(1)...)
		p := takeover(second, second.copies(nil))
		first.drain()
		require.Equal(t, []string{
			"assigned desk[0]", "assigned desk[1]", "revoked desk[" + string(rune('0'+p)) + "]", "stopped desk[" + string(rune('0'+other(p))) + "]",
		}, events)
		second.drain()
	})
}
