package integration

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/integration/verify"
	"github.com/vicuna-go/vicuna/integration/worker"
)

// A worker that commits before it produces is caught, else nothing that is said of the right ones
// counts: while all go well by their offsets, and at the end, when kills have lost what was
// committed and not produced.
func TestNegativeControlIsCaught(t *testing.T) {
	const kills = 3
	c := startCopy(t, 10_000, 2, worker.Settings{
		Protocol: worker.Cooperative, Rate: 1000, Session: killSession, CommitEvery: 50 * time.Millisecond, CommitBeforeProduce: true,
	})
	for i := range kills {
		c.awaitOutputs(c.inputs.Outputs() * (i + 1) / 10)
		victim := c.workers[i%2]
		require.NoError(t, victim.Kill())
		require.NoError(t, victim.Start())
	}
	c.hurry()
	rep := c.finish()
	err := rep.AtLeastOnce()
	require.ErrorIs(t, err, verify.ErrEarly)
	require.ErrorIs(t, err, verify.ErrLoss)
	require.NotErrorIs(t, err, verify.ErrCorrupt)
	require.NotErrorIs(t, err, verify.ErrForeign)
	t.Logf("caught: %v", err)
}
