//go:build synctests

package proof_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
)

// A stand-in that is broken in one place is found out. In a bubble alone: here it waits for what
// does not come any more, which takes time where time is real.
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
	first, second := newMember(w.consumer()...), newMember(w.consumer()...)
	w.overtakenUntil(second.assigned)
	first.broken = noDrain
	f := w.rebalance(first, second)
	require.NotZero(t, f.doubled, f)
	require.Zero(t, f.lost, f) // doubled, not lost: what was dropped is delivered again
}

// overtakenUntil makes one of the first records of each partition take until then, and the middle
// is where others of its partition have overtaken it.
func (w *world) overtakenUntil(then <-chan struct{}) {
	const held = 101
	var mu sync.Mutex
	overtaken := map[int32]bool{}
	w.function = func(ctx context.Context, p piece) (*envelope.Record[string, string], error) {
		if p.number == held {
			select {
			case <-then:
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
		rec, err := copyOf(ctx, p, time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		if p.number > held && len(overtaken) < partitions {
			overtaken[p.partition] = true
			if len(overtaken) == partitions {
				close(w.middle)
			}
		}
		return rec, err
	}
}

func transactionDoesNotWait(t *testing.T, k *kafkatest.Broker) {
	w := newWorld(t, k, perPartition)
	s := w.session("one", w.failsInTheMiddle)
	s.broken = noSettle
	f := w.run(s)
	require.NotZero(t, f.lost, f)
}
