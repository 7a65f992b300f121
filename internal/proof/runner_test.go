package proof_test

import (
	"testing"

	"github.com/vicuna-go/vicuna/kafkatest"
)

// runner starts a broker for one test: on TCP, or in a bubble where the build has the tag. Everything in this package runs on both.
type runner func(t *testing.T, fn func(t *testing.T, k *kafkatest.Broker), opts ...kafkatest.Option)

func onTCP(t *testing.T, fn func(t *testing.T, k *kafkatest.Broker), opts ...kafkatest.Option) {
	t.Helper()
	fn(t, kafkatest.Start(t, opts...))
}

func TestOnTCP(t *testing.T) { proof(t, onTCP) }

func proof(t *testing.T, run runner) {
	for _, c := range []struct {
		name string
		fn   func(t *testing.T, k *kafkatest.Broker)
	}{
		{"produce", produce},
		{"at least once, a clean rebalance", cleanRebalance},
		{"at least once, a crash", crash},
		{"exactly once, aborted and committed", abortedAndCommitted},
		{"exactly once, a rebalance", exactlyOnceRebalance},
		{"found: commits at delivery", commitsAtDelivery},
		{"found: revoke does not drain", revokeDoesNotDrain},
		{"found: transaction does not wait", transactionDoesNotWait},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, c.fn, kafkatest.Topics(partitions, in, out))
		})
	}
}
