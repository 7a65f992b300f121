package integration

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/integration/verify"
	"github.com/vicuna-go/vicuna/integration/worker"
)

// killSession is short, as a dead member's partitions are nobody's until it ends.
const killSession = 2 * time.Second

// Workers die at any moment, many times, and nothing is lost, out of order, or committed too early.
func TestCopySurvivesKills(t *testing.T) {
	const kills = 22
	copyUnderKills(t, 100_000, kills, 4, worker.Settings{Protocol: worker.Cooperative, Rate: 550, Session: killSession})
}

// In the smaller ones, records linger in the producer for longer than it takes to commit: an offset
// that does not wait for its outputs is seen.

func TestCopySurvivesKillsEager(t *testing.T) {
	t.Parallel()
	copyUnderKills(t, 25_000, 6, 4, worker.Settings{Protocol: worker.Eager, Rate: 550, Session: killSession, CommitEvery: 20 * time.Millisecond, Linger: 100 * time.Millisecond})
}

func TestCopySurvivesKillsStatic(t *testing.T) {
	t.Parallel()
	copyUnderKills(t, 25_000, 6, 4, worker.Settings{
		Protocol: worker.Static, Rate: 550, Work: 5 * time.Millisecond, Session: killSession, CommitEvery: 20 * time.Millisecond, Linger: 100 * time.Millisecond,
	})
}

func TestCopySurvivesKillsKIP848(t *testing.T) {
	t.Parallel()
	copyUnderKills(t, 25_000, 6, 4, worker.Settings{
		Protocol: worker.KIP848, Rate: 550, Work: 5 * time.Millisecond, CommitEvery: 20 * time.Millisecond, Linger: 100 * time.Millisecond,
	})
}

// copyUnderKills kills a worker, any one that has produced since it was started, each time when a
// number of outputs is there. The numbers are random over most of the work: some kills come
// together, while the group has not settled after the one before, and there are as many as were
// asked for however fast or slow everything is.
func copyUnderKills(t *testing.T, records, kills, workers int, s worker.Settings) {
	if strings.Contains(kafka.Origin, "embedded") {
		records, kills = records/4, (kills+3)/4 // it is no proof there, only a test of the tests
	}
	c := startCopy(t, records, workers, s)
	all := c.inputs.Outputs()
	at := make([]int, kills)
	for i := range at {
		at[i] = all/50 + c.random.IntN(all*6/10)
	}
	slices.Sort(at)
	for i, n := range at {
		c.awaitOutputs(n)
		victim := c.workers[c.random.IntN(workers)]
		c.await("the victim works", func(p verify.Progress) bool { return p.Attempts[victim.Attempt()].First > 0 })
		require.NoError(t, victim.Kill())
		p := c.watcher.Progress()
		require.Positive(t, p.Missing, "the work did not outlast the kills")
		t.Logf("%5.1f s: kill %d with %d outputs there, %d inputs open", time.Since(c.began).Seconds(), i+1, p.Outputs, p.Open)
		if c.random.IntN(3) == 0 {
			c.awaitOutputs(min(p.Outputs+workers*20, all)) // it stays away while the others go on
		}
		require.NoError(t, victim.Start())
	}
	c.hurry()
	rep := c.finish()
	t.Logf("%s: %d records, %d kills, %d duplicates", s.Protocol, rep.Inputs, kills, rep.Duplicates.Count)
	require.NoError(t, rep.AtLeastOnce())
}
