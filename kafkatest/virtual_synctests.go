//go:build synctests

package kafkatest

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/vicuna-go/vicuna/internal/bubble"
)

// Virtual runs fn as a test in a bubble of testing/synctest, with a cluster on a
// network in memory. All goroutines that fn starts belong to the bubble. Its time
// starts at midnight UTC on 2000-01-01 and moves only when every goroutine of the
// bubble waits, then straight to the next timer: tests of lingers, timeouts and
// rebalances take no time, and synctest.Wait tells when all that can happen has
// happened.
//
// Every goroutine must have ended when fn and the test's cleanups are over: close
// the clients. The cluster is stopped last.
//
// The test must be built with the tag synctests, which gives the client locks
// that a bubble's clock does not wait for:
//
//	go test -tags synctests ./...
//
// Without the tag Virtual fails the test at once. Put bubble tests into files with
// the constraint //go:build synctests, and run the tests both ways. Code under
// test must not wait for a real network, a real process, or a sync.Mutex that
// somebody holds while waiting: those stop the bubble's clock.
//
// Under the race detector the process runs on one processor meanwhile, as Go's
// detector crashes when two timers of a bubble fire at once.
func Virtual(t *testing.T, fn func(t *testing.T, k *Broker), opts ...Option) {
	t.Helper()
	bubble.Test(t, func(t *testing.T) {
		t.Helper()
		fn(t, startVirtual(t, opts))
	})
}

// startVirtual starts a cluster inside a bubble.
func startVirtual(t testing.TB, opts []Option) *Broker {
	t.Helper()
	return start(t, new(kfake.VirtualNetwork), config{
		broker:   map[string]string{},
		patience: 10 * time.Minute,
	}, opts)
}
