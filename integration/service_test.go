package integration

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/integration/verify"
	"github.com/vicuna-go/vicuna/integration/worker"
)

const (
	// longestDrain is how long a service may take from SIGTERM to the end of its process, where
	// what it calls is well.
	longestDrain = 2 * time.Second
	// longestJoin is how long a new member may wait for its partitions, the start of its process
	// included.
	longestJoin = 3 * time.Second
	// serviceSession is three sessions of the classic protocols' shortest heartbeat that is not
	// felt: a member hears of a rebalance with a heartbeat, every sixth part of it.
	serviceSession = 3 * time.Second
)

// quickCalls is a dependency that answers within 5 to 50 ms, and slowCalls one that takes half a
// second. Both fail twice in a hundred calls.
var (
	quickCalls = worker.Service{Shortest: 5 * time.Millisecond, Longest: 50 * time.Millisecond, Failing: 0.02}
	slowCalls  = worker.Service{Shortest: 500 * time.Millisecond, Longest: 500 * time.Millisecond, Failing: 0.02}
)

// Services whose calls are slow and fail are stopped and started again, members join and leave, and
// nothing is lost, nothing doubled, and no order of a key newly overtaken. They run one after the
// other, as what is measured is how soon they end.
func TestServiceEager(t *testing.T)       { quickService(t, worker.Eager) }
func TestServiceCooperative(t *testing.T) { quickService(t, worker.Cooperative) }
func TestServiceStatic(t *testing.T)      { quickService(t, worker.Static) }
func TestServiceKIP848(t *testing.T)      { quickService(t, worker.KIP848) }

func quickService(t *testing.T, protocol worker.Protocol) {
	rollService(t, serviceRun{orders: 50_000, restarts: 12, apart: 2_500, workers: 3, settled: 100, settings: worker.Settings{
		Protocol: protocol, Parallel: 32, Rate: 600, Service: &quickCalls, Session: serviceSession,
	}})
}

// The same with calls of half a second, eight at a time. These need little of the machine.

func TestServiceSlowCallsEager(t *testing.T)       { slowService(t, worker.Eager) }
func TestServiceSlowCallsCooperative(t *testing.T) { slowService(t, worker.Cooperative) }
func TestServiceSlowCallsStatic(t *testing.T)      { slowService(t, worker.Static) }
func TestServiceSlowCallsKIP848(t *testing.T)      { slowService(t, worker.KIP848) }

func slowService(t *testing.T, protocol worker.Protocol) {
	t.Parallel()
	rollService(t, serviceRun{orders: 10_000, restarts: 12, apart: 200, workers: 3, settled: 1, settings: worker.Settings{
		Protocol: protocol, Parallel: 8, Service: &slowCalls, Session: serviceSession,
	}})
}

// serviceRun is one run of a service.
type serviceRun struct {
	// Far more orders than the restarts need: a partition of a static member that is away rests
	// while all others go on. After the last restart there is no pace any more.
	orders, restarts, workers int
	apart                     int // outputs from one restart to the next, at least
	keys                      int // 0: 200
	settled                   int // outputs of a worker before it is stopped
	settings                  worker.Settings
}

// startService starts a service. Each order is written to both topics.
func startService(t *testing.T, run serviceRun) *copying {
	t.Helper()
	return startRun(t, verify.Plan{Keys: cmp.Or(run.keys, 200), Records: run.orders, Fans: []int{2}}, run.workers, run.settings)
}

// rollService restarts the workers in turn, each time when it works, while guests join and leave.
func rollService(t *testing.T, run serviceRun) {
	t.Helper()
	c := startService(t, run)
	var guest *worker.Worker
	var drains, joins times
	attempts := run.workers + run.restarts
	for i := range run.restarts {
		victim := c.workers[i%run.workers]
		c.awaitOutputs((i + 1) * run.apart)
		c.awaitWorkOf(victim, run.settled)
		drains.add(c.stopUnderLoad(victim))
		switch i % 4 {
		case 0:
			if run.settings.Protocol == worker.Static {
				// the group waits for it before it gives anything to anybody
				require.NoError(t, victim.Start())
			}
			guest = c.add(fmt.Sprintf("guest-%d", i))
			attempts++
			joins.add(c.awaitPartitions(guest, run.settings.Protocol))
		case 2:
			c.awaitWorkOf(guest, 1)
			drains.add(c.stopUnderLoad(guest))
		}
		if !victim.Running() {
			require.NoError(t, victim.Start())
		}
	}
	for _, w := range c.workers[:run.workers] {
		c.awaitWorkOf(w, run.settled)
	}
	c.hurry()
	rep := c.finish()
	t.Logf("%s: %d orders, %d restarts, drains %v, joins %v", run.settings.Protocol, rep.Inputs, run.restarts, drains, joins)
	require.NoError(t, rep.AtLeastOnce())
	require.NoError(t, rep.NoDuplicates())
	require.Len(t, rep.Attempts, attempts)
	require.LessOrEqual(t, drains.longest(), longestDrain, "drains: %v", drains)
	require.LessOrEqual(t, joins.longest(), longestJoin, "joins: %v", joins)
}

// awaitWorkOf waits until a worker has produced outputs since it was started last.
func (c *copying) awaitWorkOf(w *worker.Worker, outputs int) {
	c.t.Helper()
	c.await("the worker works", func(p verify.Progress) bool {
		require.Positive(c.t, p.Missing, "the work did not outlast the restarts: %s has none", w.Name())
		return p.Attempts[w.Attempt()].First >= outputs
	})
}

// stopUnderLoad stops a worker and says how long its end has taken.
func (c *copying) stopUnderLoad(w *worker.Worker) time.Duration {
	c.t.Helper()
	stop := time.Now()
	require.NoError(c.t, w.Stop())
	took := time.Since(stop)
	p := c.watcher.Progress()
	require.Positive(c.t, p.Missing, "the work did not outlast the restarts")
	c.t.Logf("%5.1f s: %s stopped in %.2f s, %d outputs there", time.Since(c.began).Seconds(), w.Name(), took.Seconds(), p.Outputs)
	return took
}

// times are measured durations.
type times []time.Duration

func (ts *times) add(d time.Duration) { *ts = append(*ts, d) }

func (ts times) longest() (d time.Duration) {
	for _, t := range ts {
		d = max(d, t)
	}
	return d
}

func (ts times) String() string {
	seconds := make([]string, len(ts))
	for i, t := range ts {
		seconds[i] = fmt.Sprintf("%.2f", t.Seconds())
	}
	return "[" + strings.Join(seconds, " ") + "] s"
}
