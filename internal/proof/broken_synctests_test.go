//go:build synctests

package proof_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/kafkatest"
)

// A stand-in that is broken in one place is found out. In a bubble alone: here it waits for what does not come any more, which takes time where time is real.
func TestBrokenStandInIsFound(t *testing.T) {
	all(t, kafkatest.Virtual, []test{
		{"commits at delivery", commitsAtDelivery},
		{"revoke does not drain", revokeDoesNotDrain},
		{"transaction does not wait", transactionDoesNotWait},
	})
}

func commitsAtDelivery(t *testing.T, k *kafkatest.Broker) {
	w := newWorld(t, k, perPartition)
	first := newMember(w.consumer()...)
	first.broken = commitAtDelivery
	f := w.crashInTheMiddle(first, newMember(w.consumer()...))
	require.NotZero(t, f.early, f)
	require.NotZero(t, f.lost, f)
}

func revokeDoesNotDrain(t *testing.T, k *kafkatest.Broker) {
	w := newWorld(t, k, perPartition)
	first := newMember(w.consumer()...)
	first.broken = noDrain
	f := w.rebalance(first, newMember(w.consumer()...))
	require.NotZero(t, f.doubled, f)
	require.Zero(t, f.lost, f) // doubled, not lost: what was dropped is delivered again
}

func transactionDoesNotWait(t *testing.T, k *kafkatest.Broker) {
	w := newWorld(t, k, perPartition)
	s := w.session("one", w.failsInTheMiddle)
	s.broken = noSettle
	f := w.run(s)
	require.NotZero(t, f.lost, f)
}
