package consumer_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// flowCopying runs a test with copies that pass a producer's flow and commit after it. These tests
// say nothing of how long anything takes, and run on TCP too.
func flowCopying(t *testing.T, test func(t *testing.T, w *copying, kind grouptest.Protocol)) {
	copyingIn(t, grouptest.Protocols[1:2], func(t *testing.T, w *copying, kind grouptest.Protocol) {
		w.flow = true
		test(t, w, kind)
	})
}

// A second member takes half of the partitions while records are everywhere in the graph: nothing
// is lost, nothing doubled, and at no time is an offset committed before what it covers is written.
func TestFlowInARebalance(t *testing.T) {
	flowCopying(t, func(t *testing.T, w *copying, kind grouptest.Protocol) {
		first, second := w.member(kind, 0), w.member(kind, 1)
		first.start()
		w.share(first)
		w.progress()
		second.start()
		w.share(first, second)
		w.progress()
		verdict := w.copied(t)
		revoked := 0
		for _, e := range first.Events(consumer.Revoked) {
			revoked += len(e.Partitions)
		}
		first.Drain()
		second.Drain()
		verdict().RequireOnce(t)
		require.Equal(t, copyPartitions/2, revoked)
		require.Zero(t, first.Dropped())
	})
}

// A member crashes, and a second one takes over: nothing is lost, and at no time is an offset
// committed before what it covers is written. What the first had written and not committed is
// there twice.
func TestFlowInACrash(t *testing.T) {
	flowCopying(t, func(t *testing.T, w *copying, kind grouptest.Protocol) {
		first, second := w.member(kind, 0, settings.CommitTimeout(time.Second)), w.member(kind, 1)
		first.start()
		w.share(first)
		w.progress()
		first.Crash()
		second.start()
		w.share(second)
		w.progress()
		verdict := w.copied(t)
		second.Drain()
		verdict().RequireNothingLost(t)
	})
}

// A function of the user's fails in the middle: the run ends and says where, what was finished
// without a gap is committed, and the next member goes on after it.
func TestFlowInAFault(t *testing.T) {
	flowCopying(t, func(t *testing.T, w *copying, kind grouptest.Protocol) {
		errMiddle := errors.New("the user's function has failed")
		var calls atomic.Int64
		w.work = func(context.Context, piece) error {
			if calls.Add(1) == 3000 {
				return errMiddle
			}
			return nil
		}
		first, second := w.member(kind, 0), w.member(kind, 1)
		first.start()
		w.Await("the fault", first.Run.Done())
		require.ErrorIs(t, first.Run.Err(), errMiddle)
		var place *stream.StageError
		require.ErrorAs(t, first.Run.Err(), &place)
		require.True(t, place.Located)
		committed := int64(0)
		for p := range int32(copyPartitions) {
			committed += max(0, w.Committed(p))
		}
		require.Positive(t, committed)
		second.start()
		w.share(second)
		w.progress()
		verdict := w.copied(t)
		second.Drain()
		verdict().RequireNothingLost(t)
	})
}
