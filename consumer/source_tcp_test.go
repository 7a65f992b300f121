//go:build !synctests

package consumer_test

import (
	"testing"
	"time"

	"github.com/vicuna-go/vicuna/kafkatest"
)

// readerHeartbeats is how often a member speaks with its group. Time is real: a rebalance, which is
// heard of in a heartbeat, is waited for.
const readerHeartbeats = 50 * time.Millisecond

// withTopic runs a test on a broker with the topic that most tests read.
func withTopic(t *testing.T, partitions int, fn func(t *testing.T, k *kafkatest.Broker), opts ...kafkatest.Option) {
	t.Helper()
	fn(t, kafkatest.Start(t, append([]kafkatest.Option{kafkatest.InMemory(), kafkatest.Topics(partitions, "in")}, opts...)...))
}
