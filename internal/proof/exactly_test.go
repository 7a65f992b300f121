package proof_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/kafkatest"
)

func TestUses(t *testing.T) {
	t.Run("exactly once, aborted and committed", func(t *testing.T) { inWorld(t, abortedAndCommitted) })
	t.Run("exactly once, a rebalance", func(t *testing.T) { inWorld(t, exactlyOnceRebalance) })
}

// A function of the user's fails in the middle of a transaction: it is aborted, with records that
// were written, and everything comes again.
func abortedAndCommitted(t *testing.T, w *world) {
	s := w.session("one", w.failsInTheMiddle)
	w.run(s).requireExact(t)
	require.EqualValues(t, 1, s.aborts.Load())
	require.Greater(t, s.commits.Load(), int64(1))
	all, visible := len(kafkatest.ReadAllUncommitted(t, w.Broker, out)), len(kafkatest.ReadAll(t, w.Broker, out))
	require.Greater(t, all, visible, "nothing was written in the aborted transaction")
	t.Logf("%d records in the topic, %d of them committed", all, visible)
}

// A second session joins while transactions follow each other, one of which fails besides.
func exactlyOnceRebalance(t *testing.T, w *world) {
	first, second := w.session("one", w.failsInTheMiddle), w.session("two", w.unevenly)
	w.run(first, second).requireExact(t)
	require.NotZero(t, second.commits.Load())
}
