package verify

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

const patience = 30 * time.Second

var errPatience = errors.New("out of patience")

// hand is a worker made by hand on an embedded broker: it produces and commits when it is told.
type hand struct {
	t      *testing.T
	ctx    context.Context
	addrs  []string
	inputs *Inputs
	w      *Watcher
	cl     *kgo.Client
}

func newHand(t *testing.T, opts ...kgo.Opt) *hand {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, "in", "out", "more"))
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	h := &hand{t: t, ctx: ctx, addrs: cluster.ListenAddrs()}
	plan := Plan{Seed: rand.Uint64(), Keys: 20, Records: 1000, Partitions: 4, Fans: []int{0, 1, 2}}
	t.Log("seed", plan.Seed)
	h.inputs, err = plan.Write(ctx, h.addrs, "in")
	require.NoError(t, err)
	require.Equal(t, 1000, h.inputs.Len())
	h.w, err = Watch(Target{Addrs: h.addrs, Group: "g", Inputs: h.inputs, Outputs: []string{"out", "more"}, Every: time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(h.w.Close)
	h.cl, err = kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(h.addrs...)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(h.cl.Close)
	return h
}

// process produces the outputs of a part of each partition: from the fraction from/of to to/of.
func (h *hand) process(from, to, of int64) {
	h.t.Helper()
	var recs []*kgo.Record
	for number, at := range h.inputs.partitions {
		n := int64(len(at))
		for offset := n * from / of; offset < n*to/of; offset++ {
			in := at[offset]
			for i := range in.Fan.N {
				out := in.Output(Position{"in", int32(number), offset}, "hand", i)
				recs = append(recs, &kgo.Record{Topic: []string{"out", "more"}[i], Key: []byte(in.Key), Value: out.Encode()})
			}
		}
	}
	require.NoError(h.t, h.cl.ProduceSync(h.ctx, recs...).FirstErr())
}

// commit commits the same part.
func (h *hand) commit(to, of int64) {
	h.t.Helper()
	offsets := kadm.Offsets{}
	for number, at := range h.inputs.partitions {
		offsets.AddOffset("in", int32(number), int64(len(at))*to/of, -1)
	}
	require.NoError(h.t, kadm.NewClient(h.cl).CommitAllOffsets(h.ctx, "g", offsets))
}

// rounds waits for more observations that began after now.
func (h *hand) rounds() {
	h.t.Helper()
	for range 2 {
		_, changed := h.w.now()
		select {
		case <-changed:
		case <-h.ctx.Done():
			h.t.Fatal("no rounds")
		}
	}
}

func (h *hand) finish() Report {
	h.t.Helper()
	rep, err := h.w.Finish(h.ctx)
	require.NoError(h.t, err)
	h.t.Log(rep)
	return rep
}

func TestWatcherSeesACleanRun(t *testing.T) {
	h := newHand(t)
	for i := range int64(10) {
		h.process(i, i+1, 10)
		h.commit(i+1, 10)
		if i == 4 {
			require.NoError(t, h.w.Await(h.ctx, func(p Progress) bool { return p.Outputs >= 400 && p.Attempts["hand"].First >= 400 }))
			require.False(t, h.w.Progress().Done())
		}
	}
	require.NoError(t, h.w.Await(h.ctx, Progress.Done))
	rep := h.finish()
	requireOnly(t, rep.AtLeastOnce())
	require.NoError(t, rep.NoDuplicates())
	require.Equal(t, h.inputs.Outputs(), rep.Outputs)
	require.NotZero(t, rep.Rounds)
}

// What is produced and committed between two questions of one round is no violation: many small
// steps, so that many fall there.
func TestWatcherAsksInTheRightOrder(t *testing.T) {
	h := newHand(t)
	const steps = 250
	for i := range int64(steps) {
		h.process(i, i+1, steps)
		h.commit(i+1, steps)
	}
	rep := h.finish()
	requireOnly(t, rep.AtLeastOnce())
	require.Greater(t, rep.Rounds, 10)
}

// The offsets run ahead for a moment only, and the end looks like that of an honest run.
func TestWatcherSeesAnEarlyOffset(t *testing.T) {
	h := newHand(t)
	h.process(0, 4, 10)
	h.commit(5, 10)
	h.rounds()
	h.process(4, 10, 10)
	h.commit(10, 10)
	requireOnly(t, h.finish().AtLeastOnce(), ErrEarly)
}

func TestWatcherSeesAnOffsetGoBack(t *testing.T) {
	h := newHand(t)
	h.process(0, 10, 10)
	h.commit(5, 10)
	h.rounds()
	h.commit(4, 10)
	h.rounds()
	h.commit(10, 10)
	requireOnly(t, h.finish().AtLeastOnce(), ErrBack)
}

func TestWatcherSeesLossAtTheEnd(t *testing.T) {
	h := newHand(t)
	h.process(0, 9, 10)
	h.commit(9, 10)
	ctx, cancel := context.WithTimeoutCause(h.ctx, 50*time.Millisecond, errPatience)
	defer cancel()
	err := h.w.Await(ctx, Progress.Done)
	require.ErrorIs(t, err, errPatience)
	require.ErrorContains(t, err, "are missing")
	requireOnly(t, h.finish().AtLeastOnce(), ErrLoss, ErrBehind)
}

// Outputs of an aborted transaction do not count, and are told.
func TestWatcherLeavesAbortedOutputsOut(t *testing.T) {
	h := newHand(t, kgo.TransactionalID("hand"))
	transact := func(end kgo.TransactionEndTry, from, to int64) {
		require.NoError(t, h.cl.BeginTransaction())
		h.process(from, to, 10)
		require.NoError(t, h.cl.EndTransaction(h.ctx, end))
	}
	transact(kgo.TryAbort, 0, 2)
	h.rounds()
	require.Zero(t, h.w.Progress().Outputs)
	transact(kgo.TryCommit, 0, 10)
	h.commit(10, 10)
	transact(kgo.TryAbort, 9, 10) // the last thing in the log
	require.NoError(t, h.w.Await(h.ctx, Progress.Done))
	rep := h.finish()
	requireOnly(t, rep.AtLeastOnce())
	require.NoError(t, rep.NoDuplicates())
	require.Greater(t, rep.Aborted, 100)
}

func TestWatcherSaysWhyItCannotRead(t *testing.T) {
	inputs := NewInputs("in", 0)
	require.NoError(t, inputs.Add(0, 0, Record{Key: "a", Fan: Fan{N: 1}}))
	w, err := Watch(Target{Addrs: []string{"127.0.0.1:1"}, Group: "g", Inputs: inputs, Outputs: []string{"out"}})
	require.NoError(t, err)
	defer w.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = w.Finish(ctx)
	require.Error(t, err)
}
