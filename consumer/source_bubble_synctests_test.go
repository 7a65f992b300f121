//go:build synctests

package consumer_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
)

// virtual is kafkatest.Virtual for tests that restart no broker: the files that a cluster keeps for
// that are written and synchronised in real time, which most tests would spend half of theirs on.
func virtual(t *testing.T, fn func(t *testing.T, k *kafkatest.Broker), opts ...kafkatest.Option) {
	t.Helper()
	kafkatest.Virtual(t, fn, append([]kafkatest.Option{kafkatest.InMemory()}, opts...)...)
}

// readerHeartbeats is how often a member speaks with its group. Time costs nothing here, but each
// heartbeat does: tests in which minutes pass did little else when there were twenty in a second.
const readerHeartbeats = 250 * time.Millisecond

// withTopic runs a test on a broker with the topic that most tests read.
func withTopic(t *testing.T, partitions int, fn func(t *testing.T, k *kafkatest.Broker), opts ...kafkatest.Option) {
	t.Helper()
	virtual(t, fn, append([]kafkatest.Option{
		kafkatest.Topics(partitions, "in"),
		kafkatest.BrokerConfig(map[string]string{"group.consumer.heartbeat.interval.ms": strconv.FormatInt(readerHeartbeats.Milliseconds(), 10)}),
	}, opts...)...)
}

// longLife and slowHeartbeats are for consumers that live for minutes: the client looks at its
// topics each 30 seconds instead of five minutes, so that a tenth of the time will do, and a
// heartbeat each second does not keep the test busy.
var (
	longLife       = []settings.ConsumerOption{settings.ClientOptions(kgo.MetadataMaxAge(30 * time.Second)), settings.HeartbeatInterval(time.Second)}
	slowHeartbeats = kafkatest.BrokerConfig(map[string]string{"group.consumer.heartbeat.interval.ms": "1000"})
)

// pass lets time pass, and everything happen that happens then.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// becomes lets time pass until something is so, and tells how much, to a fiftieth: looking each
// millisecond for minutes takes longer than what happens in them.
func becomes(t testing.TB, what string, so func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for synctest.Wait(); !so(); pass(max(time.Millisecond, time.Since(began)/50)) {
		if time.Since(began) > 5*time.Minute {
			t.Fatalf("it never comes to this: %s", what)
		}
	}
	return time.Since(began)
}
