package consumer_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

var commitKey = []kmsg.Key{kmsg.OffsetCommit}

// A commit that may succeed later is tried again, in the middle of a run and at its end; nothing is
// lost by it.
func TestCommitIsTriedAgain(t *testing.T) {
	for _, failure := range []*kerr.Error{
		kerr.RebalanceInProgress, kerr.CoordinatorLoadInProgress, kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.RequestTimedOut, kerr.UnstableOffsetCommit,
		kerr.NetworkException,
	} {
		t.Run(failure.Message, func(t *testing.T) {
			grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
				w.Write(0, 0, 100)
				faults := w.Fault(kfake.Fault{Keys: commitKey, Err: failure, Count: 3})
				ctl := w.Start(grouptest.Offsets(w.Consumer().CommittableSource()).To(consumer.CommitterSink(quickly())))
				faults.Wait(t.Context(), 3)
				w.Journal.AwaitCommit(t, 0, 100)
				w.Write(0, 100, 110)
				last := w.Fault(kfake.Fault{Keys: commitKey, Err: failure, Count: 2})
				require.NoError(t, ctl.Drain(t.Context()))
				if last.Hits() == 0 {
					t.Log("the last commit came before the faults")
				}
				committed := w.Committed(0)
				require.GreaterOrEqual(t, committed, int64(100))
				last.Remove()
				if rest := w.Rest().Values(0); committed < 110 {
					require.Equal(t, grouptest.Value(0, committed), rest[0])
				} else {
					require.Empty(t, rest)
				}
				w.Journal.RequireForward(t)
			})
		})
	}
}

// The last commit of a run is tried again too.
func TestCommitAtTheEndIsTriedAgain(t *testing.T) {
	for _, failure := range []*kerr.Error{kerr.RebalanceInProgress, kerr.CoordinatorLoadInProgress, kerr.NotCoordinator, kerr.RequestTimedOut} {
		t.Run(failure.Message, func(t *testing.T) {
			grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
				w.Write(0, 0, 100)
				faults := w.Fault(kfake.Fault{Keys: commitKey, Err: failure, Count: 3})
				require.NoError(t, grouptest.Offsets(w.ToEnd().CommittableSource()).To(consumer.CommitterSink(onlyAtTheEnd())).Run(t.Context()))
				require.EqualValues(t, 3, faults.Hits())
				require.EqualValues(t, 100, w.Committed(0))
			})
		})
	}
}

// One that is refused ends the run, with the offset in the error, wherever it is made.
func TestCommitIsRefused(t *testing.T) {
	for _, failure := range []*kerr.Error{
		kerr.GroupAuthorizationFailed, kerr.TopicAuthorizationFailed, kerr.OffsetMetadataTooLarge, kerr.InvalidCommitOffsetSize, kerr.InvalidGroupID, kerr.UnknownServerError,
	} {
		for name, cm := range map[string]settings.Committer{
			"in the middle": quickly(), "at the end": onlyAtTheEnd(), "at the end, not waited for": onlyAtTheEnd(settings.Delivery(settings.SendAndForget)),
		} {
			t.Run(failure.Message+" "+name, func(t *testing.T) {
				grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
					w.Write(0, 0, 100)
					w.Fault(kfake.Fault{Keys: commitKey, Err: failure, Count: -1})
					c := w.ToEnd()
					if name == "in the middle" {
						c = w.Consumer()
					}
					err := grouptest.Offsets(c.CommittableSource()).To(consumer.CommitterSink(cm)).Run(t.Context())
					var refused *consumer.CommitError
					require.ErrorAs(t, err, &refused)
					require.ErrorIs(t, err, failure)
					require.Equal(t, []any{"readers", "in", int32(0)}, []any{refused.Group, refused.Topic, refused.Partition})
					require.Positive(t, refused.Offset)
					require.EqualValues(t, -1, w.Committed(0))
				})
			})
		}
	}
}

// Of two partitions one is refused: the other one's offset is committed.
func TestCommitIsRefusedForOnePartition(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		w.Write(1, 0, 100)
		w.Fault(kfake.Fault{Keys: commitKey, Err: kerr.TopicAuthorizationFailed, Partitions: []int32{1}, Count: -1})
		err := grouptest.Offsets(w.ToEnd().CommittableSource()).To(consumer.CommitterSink(onlyAtTheEnd())).Run(t.Context())
		var refused *consumer.CommitError
		require.ErrorAs(t, err, &refused)
		require.EqualValues(t, 1, refused.Partition)
		require.EqualValues(t, 100, refused.Offset)
		require.EqualValues(t, 100, w.Committed(0))
		require.EqualValues(t, -1, w.Committed(1))
	})
}

// A commit that cannot be made within the commit time-out, at the end of a stream that waits for
// it, is a failure.
func TestCommitTimesOut(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		w.Fault(kfake.Fault{Keys: commitKey, Err: kerr.RequestTimedOut, Count: -1})
		begin := time.Now()
		err := grouptest.Offsets(w.ToEnd(settings.CommitTimeout(300*time.Millisecond)).CommittableSource()).To(consumer.CommitterSink(onlyAtTheEnd())).
			Run(t.Context(), stream.CloseTimeout(500*time.Millisecond))
		var late *consumer.CommitError
		require.ErrorAs(t, err, &late)
		require.Less(t, time.Since(begin), 5*time.Second)
	})
}

// A group that has members takes no offsets from whoever reads partitions of his choice, for as
// long as it has any: the run ends and says so. When they have gone it does.
func TestChosenPartitionsOfAGroupWithMembers(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 10)
		member := w.Member()
		member.Start(member.Handle.PlainSource().To(stream.Ignore[*strRecord]()))
		member.AwaitPartitions(1)
		c := consumer.New(w.Settings(), consumer.Partitions(w.At(0)), consumer.ToEnd())
		graph := func() stream.Graph {
			return c.CommittableSource().To(grouptest.Committing(func(context.Context, *strRecord) error { return nil }))
		}
		err := w.Outcome(w.Start(graph()))
		var refused *consumer.CommitError
		require.ErrorAs(t, err, &refused)
		require.False(t, refused.Retriable)
		require.Equal(t, w.At(0), consumer.TopicPartition{Topic: refused.Topic, Partition: refused.Partition})
		require.ErrorIs(t, err, kerr.UnknownMemberID)
		require.ErrorContains(t, err, "group readers has active members, so offsets of chosen partitions cannot be committed to it")
		require.Zero(t, w.Log.Count("will be tried again"))
		member.Drain()
		require.NoError(t, graph().Run(t.Context()))
		require.EqualValues(t, 10, w.Committed(0))
	})
}
