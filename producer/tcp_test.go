//go:build !synctests

package producer_test

import (
	"testing"

	"github.com/vicuna-go/vicuna/kafkatest"
)

// inBubbles: onBroker's time is virtual.
const inBubbles = false

func onBroker(t *testing.T, fn func(t *testing.T, k *kafkatest.Broker), opts ...kafkatest.Option) {
	t.Helper()
	fn(t, kafkatest.Start(t, append([]kafkatest.Option{kafkatest.InMemory()}, opts...)...))
}
