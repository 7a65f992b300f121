//go:build synctests

package consumer_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/vicuna-go/vicuna/kafkatest"
)

// withTopic runs a test on a broker with the topic that most tests read.
func withTopic(t *testing.T, partitions int, fn func(t *testing.T, k *kafkatest.Broker), opts ...kafkatest.Option) {
	t.Helper()
	kafkatest.Virtual(t, fn, append([]kafkatest.Option{
		kafkatest.Topics(partitions, "in"), kafkatest.BrokerConfig(map[string]string{"group.consumer.heartbeat.interval.ms": "50"}),
	}, opts...)...)
}

// pass lets time pass, and everything happen that happens then.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// becomes lets time pass until something is so, and tells how much.
func becomes(t testing.TB, what string, so func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for synctest.Wait(); !so(); pass(time.Millisecond) {
		if time.Since(began) > 5*time.Minute {
			t.Fatalf("it never comes to this: %s", what)
		}
	}
	return time.Since(began)
}
