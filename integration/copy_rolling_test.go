package integration

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/integration/worker"
)

// Each worker is stopped and started again in turn, under load, and nothing is lost, and nothing
// doubled.
func TestRollingRestartEager(t *testing.T)       { rollingRestart(t, worker.Eager) }
func TestRollingRestartCooperative(t *testing.T) { rollingRestart(t, worker.Cooperative) }
func TestRollingRestartStatic(t *testing.T)      { rollingRestart(t, worker.Static) }
func TestRollingRestartKIP848(t *testing.T)      { rollingRestart(t, worker.KIP848) }

func rollingRestart(t *testing.T, protocol worker.Protocol) {
	const (
		workers = 3
		rounds  = 4
		settled = 100 // outputs of each worker before the next one is stopped
		// Far more than the restarts need; after the last one there is no pace any more.
		records = 100_000
		rate    = 600
	)
	t.Parallel()
	c := startCopy(t, records, workers, worker.Settings{Protocol: protocol, Rate: rate, Parallel: 64, Work: 50 * time.Millisecond, Session: 10 * time.Second})
	for range rounds {
		for i, w := range c.workers {
			c.awaitWork(settled)
			stop := time.Now()
			require.NoError(t, w.Stop())
			p := c.watcher.Progress()
			require.Positive(t, p.Missing, "the work did not outlast the restarts")
			t.Logf("%5.1f s: worker %d stopped in %.2f s, %d outputs there", time.Since(c.began).Seconds(), i, time.Since(stop).Seconds(), p.Outputs)
			if c.random.IntN(3) == 0 {
				// it stays away while the others go on
				c.awaitOutputs(min(p.Outputs+1000, c.inputs.Outputs()))
			}
			require.NoError(t, w.Start())
		}
	}
	c.awaitWork(settled)
	c.hurry()
	rep := c.finish()
	t.Logf("%s: %d records, %d restarts, %d duplicates", protocol, rep.Inputs, rounds*workers, rep.Duplicates.Count)
	require.NoError(t, rep.AtLeastOnce())
	require.NoError(t, rep.NoDuplicates())
	require.Len(t, rep.Attempts, workers*(rounds+1))
}
