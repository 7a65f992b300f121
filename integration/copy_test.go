package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/vicuna-go/vicuna/integration/verify"
	"github.com/vicuna-go/vicuna/integration/worker"
)

// seedVariable replays a run: what is random here is random by it.
const seedVariable = "VICUNA_SEED"

const (
	copyPartitions = 8
	// stallTimeout is how long nothing at all may move: longer than any session, with room for a
	// machine that is busy with something else.
	stallTimeout = 60 * time.Second
	judgeTimeout = 60 * time.Second
)

var (
	errStalled = errors.New("the copy does not move")
	errTooLong = errors.New("the copy takes too long")
)

// copying is a run of workers in processes of their own, that copy one topic into two, and of the
// verifier that watches them.
type copying struct {
	t       *testing.T
	random  *rand.Rand
	ctx     context.Context
	watcher *verify.Watcher
	inputs  *verify.Inputs
	workers []*worker.Worker
	began   time.Time

	settings worker.Settings // of each worker, but for its name
	logs     string
}

// startCopy writes the input, begins to watch, and starts the workers. Of the settings, what to
// read and write is filled in.
func startCopy(t *testing.T, records, workers int, s worker.Settings) *copying {
	t.Helper()
	// One in ten makes no output, one in ten makes three.
	return startRun(t, verify.Plan{Keys: 200, Records: records, Fans: []int{0, 1, 1, 1, 1, 1, 1, 1, 1, 3}}, workers, s)
}

// startRun is startCopy with an input that is planned by the caller; seed and partitions are filled
// in.
func startRun(t *testing.T, plan verify.Plan, workers int, s worker.Settings) *copying {
	t.Helper()
	requireProtocol(t, s.Protocol)
	seed := rand.Uint64()
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, seedVariable)
	}
	t.Logf("%s=%d on %s", seedVariable, seed, kafka.Origin)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Minute, errTooLong)
	t.Cleanup(cancel)
	c := &copying{t: t, random: rand.New(rand.NewPCG(seed, 1)), ctx: ctx}
	plan.Seed, plan.Partitions = seed, copyPartitions

	s.Addrs = kafka.Addrs
	s.Input = kafka.CreateTopic(t, copyPartitions)
	s.Outputs = []string{kafka.CreateTopic(t, copyPartitions), kafka.CreateTopic(t, 3)}
	s.Group = s.Input // unique on the broker too
	adm := kadm.NewClient(kafka.Client(t))
	t.Cleanup(func() { _, _ = adm.DeleteGroup(context.Background(), s.Group) })

	var err error
	c.inputs, err = plan.Write(ctx, kafka.Addrs, s.Input)
	require.NoError(t, err)
	c.watcher, err = verify.Watch(verify.Target{Addrs: kafka.Addrs, Group: s.Group, Inputs: c.inputs, Outputs: s.Outputs})
	require.NoError(t, err)
	t.Cleanup(c.watcher.Close)

	c.settings, c.logs = s, logFolder(t)
	t.Cleanup(func() {
		for _, w := range c.workers {
			_ = w.Kill() // there are none left after a run that went well
		}
	})
	c.began = time.Now()
	for i := range workers {
		c.add(fmt.Sprintf("worker-%d", i))
	}
	return c
}

// add starts one worker more. Every other one recycles its elements.
func (c *copying) add(instance string) *worker.Worker {
	c.t.Helper()
	s := c.settings
	s.Instance, s.Recycle = instance, len(c.workers)%2 == 1
	w := worker.New(s, c.logs)
	c.workers = append(c.workers, w)
	require.NoError(c.t, w.Start())
	return w
}

// logFolder is where workers write their logs: kept when the test fails.
func logFolder(t *testing.T) string {
	dir, err := os.MkdirTemp("", "vicuna-workers-")
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the logs of the workers are in %s", dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	return dir
}

// await waits for progress as wanted. It fails the test when nothing moves for a while, or when a
// worker ends that nobody has ended.
func (c *copying) await(what string, wanted func(verify.Progress) bool) {
	c.t.Helper()
	var last verify.Progress
	var ended error
	since := time.Now()
	err := c.watcher.Await(c.ctx, func(p verify.Progress) bool {
		for _, w := range c.workers {
			ended = errors.Join(ended, w.Check())
		}
		if p.Missing != last.Missing || p.Open != last.Open {
			since, last = time.Now(), p
		}
		if ended == nil && time.Since(since) > stallTimeout {
			//nolint:errorlint // the last round has failed or not; the run has stalled
			ended = fmt.Errorf("%w: for %v %d outputs were missing and %d inputs not committed (last round: %v)", errStalled, stallTimeout, p.Missing, p.Open, p.LastError)
		}
		return ended != nil || wanted(p)
	})
	require.NoError(c.t, errors.Join(ended, err), what)
}

// awaitOutputs waits until there are so many outputs.
func (c *copying) awaitOutputs(n int) {
	c.t.Helper()
	c.await(fmt.Sprintf("%d outputs", n), func(p verify.Progress) bool { return p.Outputs >= n })
}

// awaitWork waits until each worker has produced outputs since it was started last.
func (c *copying) awaitWork(outputs int) {
	c.t.Helper()
	c.await("all workers work", func(p verify.Progress) bool {
		for _, w := range c.workers {
			if p.Attempts[w.Attempt()].First < outputs {
				return false
			}
		}
		return true
	})
}

// finish lets the workers come to the end, stops them, and has the run judged.
func (c *copying) finish() verify.Report {
	c.t.Helper()
	c.await("all is committed", func(p verify.Progress) bool { return p.Open == 0 })
	took := time.Since(c.began)
	stop := time.Now()
	for _, w := range c.workers {
		require.NoError(c.t, w.Stop())
	}
	c.t.Logf("all %d workers stopped in %.2f s", len(c.workers), time.Since(stop).Seconds())
	return c.judge(took)
}

func (c *copying) judge(took time.Duration) verify.Report {
	c.t.Helper()
	judging := time.Now()
	ctx, cancel := context.WithTimeoutCause(c.t.Context(), judgeTimeout, errTooLong)
	defer cancel()
	rep, err := c.watcher.Finish(ctx)
	require.NoError(c.t, err)
	c.t.Logf("%d records in %.1f s, judged in %.1f s\n%v", rep.Inputs, took.Seconds(), time.Since(judging).Seconds(), rep)
	return rep
}

func (c *copying) hurry() {
	for _, w := range c.workers {
		w.Hurry()
	}
}
