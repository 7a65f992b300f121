package integration

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/integration/verify"
	"github.com/vicuna-go/vicuna/integration/worker"
)

// A service that is killed doubles what it had written and not committed at that moment, and
// nothing else: neither the members that take over nor those that join and leave add to it.
func TestServiceKillsEager(t *testing.T)       { killService(t, worker.Eager) }
func TestServiceKillsCooperative(t *testing.T) { killService(t, worker.Cooperative) }
func TestServiceKillsStatic(t *testing.T)      { killService(t, worker.Static) }
func TestServiceKillsKIP848(t *testing.T)      { killService(t, worker.KIP848) }

func killService(t *testing.T, protocol worker.Protocol) {
	const (
		kills   = 4
		workers = 3
		quiet   = 3 // looks in which nothing has come any more of who was killed
	)
	t.Parallel()
	c := startService(t, serviceRun{orders: 25_000, workers: workers, settings: worker.Settings{
		Protocol: protocol, Parallel: 32, Rate: 250, Service: &quickCalls, Session: killSession,
	}})
	inFlight := 0
	for i := range kills {
		victim := c.workers[i%workers]
		c.awaitWorkOf(victim, 100)
		require.NoError(t, victim.Kill())
		n, since := -1, 0
		c.await("all that the victim has sent is there", func(p verify.Progress) bool {
			if now := p.Uncovered[victim.Attempt()]; now != n {
				n, since = now, p.Rounds
			}
			return p.Rounds-since >= quiet
		})
		inFlight += n
		t.Logf("%s was killed with %d outputs written and not committed", victim.Name(), n)
		require.NoError(t, victim.Start())
	}
	for _, w := range c.workers {
		c.awaitWorkOf(w, 1)
	}
	c.hurry()
	rep := c.finish()
	t.Logf("%s: %d orders, %d kills, %d outputs in flight at them, %d duplicates", protocol, rep.Inputs, kills, inFlight, rep.Duplicates.Count)
	require.NoError(t, rep.AtLeastOnce())
	require.LessOrEqual(t, rep.Duplicates.Count, inFlight)
}
