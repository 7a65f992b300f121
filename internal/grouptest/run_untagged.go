//go:build !synctests

package grouptest

import (
	"testing"
	"time"

	"github.com/vicuna-go/vicuna/kafkatest"
)

// Virtual says that worlds are in bubbles: here they are on TCP, in real time.
const Virtual = false

// calmHeartbeats is how often members speak with their group in a calm world.
const calmHeartbeats = 50 * time.Millisecond

func onBroker(t *testing.T, fn func(t *testing.T, k *kafkatest.Broker), opts ...kafkatest.Option) {
	t.Helper()
	fn(t, kafkatest.Start(t, opts...))
}

// settle has nothing to wait for: there is no telling when nothing goes on.
func settle() {}
