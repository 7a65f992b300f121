//go:build !synctests

package kafkatest

import "testing"

// Virtual runs fn as a test in a bubble of testing/synctest, with a cluster on a
// network in memory. It needs the build tag synctests; this build does not have
// it, so Virtual fails the test at once and says how to run it:
//
//	go test -tags synctests ./...
//
// With the tag, all goroutines that fn starts belong to the bubble. Its time
// starts at midnight UTC on 2000-01-01 and moves only when every goroutine of the
// bubble waits, then straight to the next timer: tests of lingers, timeouts and
// rebalances take no time. Every goroutine must have ended when fn and the test's
// cleanups are over: close the clients. The cluster is stopped last.
//
// The tag gives the client locks that a bubble's clock does not wait for. Put
// bubble tests into files with the constraint //go:build synctests, and run the
// tests both ways.
func Virtual(t *testing.T, fn func(t *testing.T, k *Broker), opts ...Option) {
	t.Helper()
	_, _ = fn, opts
	t.Fatalf("kafkatest: Virtual needs the build tag synctests, without which the client's locks stop a bubble's clock; run\n\n\tgo test -tags synctests -run '^%s$' .", t.Name())
}
