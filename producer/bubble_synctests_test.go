//go:build synctests

package producer_test

import (
	"testing"

	"github.com/vicuna-go/vicuna/kafkatest"
)

// virtual is kafkatest.Virtual for tests that restart no broker: the files that a cluster keeps for
// that are written and synchronised in real time, which tests would spend most of theirs on.
func virtual(t *testing.T, fn func(t *testing.T, k *kafkatest.Broker), opts ...kafkatest.Option) {
	t.Helper()
	kafkatest.Virtual(t, fn, append([]kafkatest.Option{kafkatest.InMemory()}, opts...)...)
}

// inBubbles: onBroker's time is virtual.
const inBubbles = true

func onBroker(t *testing.T, fn func(t *testing.T, k *kafkatest.Broker), opts ...kafkatest.Option) {
	t.Helper()
	virtual(t, fn, opts...)
}
