package proof_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/stream"
)

// perPartition is the number of records in each partition: enough that a rebalance falls into the
// middle.
const perPartition = 2000

// rebalance lets a second member join a copy in its middle, and says what came of it.
func (w *world) rebalance(first, second *member) (f finding) {
	ctl := w.startCopy(0, first)
	w.await("the middle", w.middle)
	other := w.startCopy(1, second)
	w.await("a partition for the second member", second.assigned)
	w.watch(&f, quiet)
	w.drain(ctl, other)
	w.watch(&f, 0)
	w.t.Logf("%v; %d partitions revoked, %d records on their way dropped", f, first.revoked, first.dropped)
	return f
}

// A second member takes half of the partitions while records are everywhere in the graph: nothing
// is lost, nothing doubled, and at no time is an offset committed below which something is missing.
func cleanRebalance(t *testing.T, k *kafkatest.Broker) {
	w := newWorld(t, k, perPartition)
	first, second := newMember(w.consumer()...), newMember(w.consumer()...)
	f := w.rebalance(first, second)
	require.Zero(t, f.early, f)
	require.Zero(t, f.lost, f)
	require.Zero(t, f.doubled, f)
	require.True(t, w.whole(f.committed), f)
	require.Equal(t, partitions/2, first.revoked)
	require.Zero(t, first.dropped)
}

// crashInTheMiddle lets a second member take over from one that has crashed.
func (w *world) crashInTheMiddle(first, second *member) (f finding) {
	ctl := w.startCopy(0, first)
	w.await("the middle", w.middle)
	first.crash(ctl)
	w.look(&f, w.expected())
	other := w.startCopy(1, second)
	w.watch(&f, quiet)
	w.drain(other)
	w.watch(&f, 0)
	w.t.Logf("%v", f)
	return f
}

// A member crashes: its records are delivered again from what it has committed, so nothing is lost;
// what it had produced and not committed is doubled.
func crash(t *testing.T, k *kafkatest.Broker) {
	w := newWorld(t, k, perPartition)
	f := w.crashInTheMiddle(newMember(w.consumer()...), newMember(w.consumer()...))
	require.Zero(t, f.early, f)
	require.Zero(t, f.lost, f)
	require.True(t, w.whole(f.committed), f)
}

// A function of the user's fails: the run ends, what was finished without a gap is committed, and
// the next run goes on behind it.
func fault(t *testing.T, k *kafkatest.Broker) {
	w := newWorld(t, k, perPartition)
	w.function = w.failsInTheMiddle
	var f finding
	ctl := w.startCopy(0, newMember(w.consumer()...))
	w.await("the fault", ctl.Done())
	require.ErrorIs(t, ctl.Err(), errMiddle)
	var place *stream.StageError
	require.ErrorAs(t, ctl.Err(), &place)
	require.True(t, place.Located)
	w.look(&f, w.expected())
	require.Zero(t, f.early, f)
	require.NotEmpty(t, f.committed)
	ctl = w.startCopy(1, newMember(w.consumer()...))
	w.watch(&f, quiet)
	w.drain(ctl)
	w.watch(&f, 0)
	t.Log(f)
	require.Zero(t, f.early, f)
	require.Zero(t, f.lost, f)
	require.True(t, w.whole(f.committed), f)
}
