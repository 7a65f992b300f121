//go:build !synctests

package consumer_test

import (
	"testing"

	"github.com/vicuna-go/vicuna/kafkatest"
)

// onBroker runs a test of commits on TCP; in a bubble where the build has the tag.
func onBroker(t *testing.T, fn func(t *testing.T, k *kafkatest.Broker), opts ...kafkatest.Option) {
	t.Helper()
	fn(t, kafkatest.Start(t, append([]kafkatest.Option{kafkatest.InMemory()}, opts...)...))
}

// atRest waits, in a bubble, until nothing goes on any more, and reports whether it has.
func atRest() bool { return false }
