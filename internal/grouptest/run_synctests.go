//go:build synctests

package grouptest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/vicuna-go/vicuna/kafkatest"
)

// Virtual says that worlds are in bubbles: time is theirs, and costs nothing.
const Virtual = true

// calmHeartbeats is how often members speak with their group in a calm world.
const calmHeartbeats = 250 * time.Millisecond

func onBroker(t *testing.T, fn func(t *testing.T, k *kafkatest.Broker), opts ...kafkatest.Option) {
	t.Helper()
	kafkatest.Virtual(t, fn, opts...)
}

// settle waits until nothing goes on any more.
func settle() { synctest.Wait() }
