package kafkatest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
)

// Kill stops the whole cluster as a crash does: all connections are cut at once,
// with requests unanswered that may or may not have been carried out, and new ones
// are refused. Killing what is killed is harmless. What the brokers had taken is
// on disk for [Broker.Restart].
//
// Faults and control functions are gone after it; holds and delays stay.
func (k *Broker) Kill() { k.stop() }

// Restart starts the cluster again, on the same ports and with the same data:
// topics, records, committed offsets, producer ids. What was not killed is killed
// first. Needs the data directory that a broker has by default, in a bubble as
// well: kfake's file system in memory dies with its cluster.
//
// Members of groups have to join again; clients do by themselves.
func (k *Broker) Restart(t testing.TB) {
	t.Helper()
	if k.cfg.inMemory {
		t.Fatal("kafkatest: Restart needs a data directory; the broker was started with InMemory")
	}
	k.stop()
	k.running.Lock()
	defer k.running.Unlock()
	k.run(t)
}

// Refuse makes these nodes unreachable, all where none are named: their
// connections are cut, and new ones refused, until allow is called. The brokers
// themselves run on; groups notice that members are silent. Allowing twice is
// harmless.
func (k *Broker) Refuse(nodes ...int32) (allow func()) {
	reopen := k.network.refuse(nodes)
	return func() {
		k.t.Helper()
		require.NoError(k.t, reopen(), "kafkatest: listening again")
	}
}

// DropConnections cuts all connections to these nodes, all where none are named.
// Clients can connect again at once.
func (k *Broker) DropConnections(nodes ...int32) { k.network.cut(nodes) }

// Delay makes every answer of the brokers wait this long from now on, for each
// connection one after the other. Zero ends it.
func (k *Broker) Delay(d time.Duration) {
	k.network.mu.Lock()
	defer k.network.mu.Unlock()
	k.network.delay = d
}

// Fault makes the cluster answer matching requests with errors; see [kfake.Fault].
// The handle counts the requests, waits for them, and removes the faults. A
// restarted cluster has none.
//
// Most errors mean that the work was not done. REQUEST_TIMED_OUT and
// NOT_ENOUGH_REPLICAS_AFTER_APPEND on Produce are answered after it was: the
// faults to use for unknown outcomes and duplicates.
func (k *Broker) Fault(faults ...kfake.Fault) *kfake.FaultHandle {
	k.t.Helper()
	return k.Cluster().Fault(faults...)
}
