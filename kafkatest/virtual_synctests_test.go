//go:build synctests

package kafkatest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/serde"
)

func TestVirtual(t *testing.T) { suite(t, kafkatest.Virtual) }

// wall is the real time that fn takes, a bubble's clock being of no use for it.
func wall(t *testing.T, fn func()) time.Duration {
	t.Helper()
	from := time.Now()
	fn()
	return time.Since(from)
}

func TestVirtualTimeTakesNoTime(t *testing.T) {
	took := wall(t, func() {
		kafkatest.Virtual(t, func(t *testing.T, k *kafkatest.Broker) {
			from := time.Now()
			cl := newClient(t, k, kgo.ProducerLinger(10*time.Second))
			done := send(t.Context(), cl, "t", "x")
			synctest.Wait()
			require.Empty(t, done)
			require.NoError(t, <-done)
			require.GreaterOrEqual(t, time.Since(from), 10*time.Second)
			require.Less(t, time.Since(from), 11*time.Second)
		}, kafkatest.Topics(1, "t"))
	})
	require.Less(t, took, 5*time.Second)
}

// TestVirtualHoldIsStill says that a bubble comes to rest while answers are
// withheld, and that the client's own timeouts then run their course.
func TestVirtualHoldIsStill(t *testing.T) {
	kafkatest.Virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		cl := newClient(t, k, kgo.ProducerLinger(0))
		release := k.HoldAcks("t")
		done := send(t.Context(), cl, "t", "x")
		<-time.After(5 * time.Minute) // the client gives up and tries again many times
		require.Empty(t, done)
		k.AwaitHeld(t, 1)
		release()
		require.NoError(t, <-done)
		require.Equal(t, []string{"x"}, values(kafkatest.ReadAll(t, k, "t")))
	}, kafkatest.Topics(1, "t"))
}

func TestVirtualExpectFailsWithoutWaiting(t *testing.T) {
	took := wall(t, func() {
		kafkatest.Virtual(t, func(t *testing.T, k *kafkatest.Broker) {
			msg := failure(t, func(t testing.TB) { kafkatest.Expect(t, k, "t", serde.None(), serde.String(), 1) })
			require.Contains(t, msg, "0 records after 10m0s")
		}, kafkatest.Topics(1, "t"))
	})
	require.Less(t, took, 10*time.Second)
}

func TestVirtualBrokersDoNotMeet(t *testing.T) {
	for range 2 {
		kafkatest.Virtual(t, func(t *testing.T, k *kafkatest.Broker) {
			require.Equal(t, []string{"localhost:9092", "localhost:9093"}, k.Addrs())
			kafkatest.ProduceValues(t, k, "t", "x")
			require.Len(t, kafkatest.ReadAll(t, k, "t"), 1)
		}, kafkatest.Brokers(2))
	}
}
