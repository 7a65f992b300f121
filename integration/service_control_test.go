package integration

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/integration/verify"
	"github.com/vicuna-go/vicuna/integration/worker"
)

// A service that gives up at once what has failed when it is asked to end, and writes all that was
// called after it, is caught: the next member gets it again, after later ones of its key and
// together with all that was written since.
func TestServiceThatGivesUpIsCaught(t *testing.T) {
	const restarts = 4
	calls := quickCalls
	calls.Failing, calls.GivesUp = 0.1, true // some wait for another attempt at any moment
	c := startService(t, serviceRun{orders: 10_000, keys: 16, workers: 2, settings: worker.Settings{
		Protocol: worker.Cooperative, Parallel: 32, Rate: 300, Service: &calls, Session: serviceSession,
	}})
	for i := range restarts {
		w := c.workers[i%2]
		c.awaitWorkOf(w, 200)
		c.stopUnderLoad(w)
		require.NoError(t, w.Start())
	}
	for _, w := range c.workers {
		c.awaitWorkOf(w, 1)
	}
	c.hurry()
	rep := c.finish()
	require.ErrorIs(t, rep.NoDuplicates(), verify.ErrDuplicate)
	err := rep.AtLeastOnce()
	require.ErrorIs(t, err, verify.ErrOrder)
	for _, not := range []error{verify.ErrLoss, verify.ErrEarly, verify.ErrBack, verify.ErrCorrupt, verify.ErrForeign} {
		require.NotErrorIs(t, err, not)
	}
	t.Logf("caught: %d duplicates, %v", rep.Duplicates.Count, err)
}
