package proof_test

import (
	"testing"

	"github.com/vicuna-go/vicuna/kafkatest"
)

// runner starts a broker for one test: on TCP, or in a bubble where the build has the tag.
type runner func(t *testing.T, fn func(t *testing.T, k *kafkatest.Broker), opts ...kafkatest.Option)

type test struct {
	name string
	fn   func(t *testing.T, k *kafkatest.Broker)
}

// uses run on both.
var uses = []test{
	{"produce", produce},
	{"at least once, a clean rebalance", cleanRebalance},
	{"at least once, a crash", crash},
	{"at least once, a fault", fault},
	{"exactly once, aborted and committed", abortedAndCommitted},
	{"exactly once, a rebalance", exactlyOnceRebalance},
}

func all(t *testing.T, run runner, tests []test) {
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			run(t, c.fn, kafkatest.Topics(partitions, in, out))
		})
	}
}
