package consumer_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

func batchesOf(n int, opts ...settings.CommitterOption) settings.Committer {
	return settings.NewCommitter(append([]settings.CommitterOption{settings.MaxBatch(n), settings.MaxInterval(slowly)}, opts...)...)
}

// A Committer in the middle of a stream gives one result for each batch, when its commit was
// acknowledged.
func TestCommitterFlow(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 95)
		var results []int
		done := 0
		flow := stream.Via(grouptest.Offsets(w.ToEnd().CommittableSource()), consumer.CommitterFlow(batchesOf(10)))
		require.NoError(t, flow.To(stream.ForEach(func(_ context.Context, c consumer.Committed) error {
			results = append(results, c.Elements)
			done += c.Elements
			require.GreaterOrEqual(t, w.Committed(0), int64(done))
			return nil
		})).Run(t.Context()))
		require.Equal(t, 95, done)
		// more where it is hurried: everything has been read
		require.GreaterOrEqual(t, len(results), 10)
		require.LessOrEqual(t, slices.Max(results), 10)
		require.EqualValues(t, 95, w.Committed(0))
		w.Journal.RequireForward(t)
	})
}

// The batch flow gives the batches' offsets, in order.
func TestCommitterBatchFlow(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 25)
		batches, err := stream.Collect(t.Context(), stream.Via(grouptest.Offsets(w.ToEnd().CommittableSource()), consumer.CommitterBatchFlow(batchesOf(10))))
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(batches), 3)
		all := slices.Concat(batches...)
		require.Len(t, all, 25)
		require.Equal(t, "in[0]@0", all[0].(interface{ String() string }).String())
		require.Equal(t, "in[0]@24", all[24].(interface{ String() string }).String())
	})
}

// When upstream fails at the 33rd record, exactly 32 are committed, in whichever committer, and the
// next run goes on there.
func TestCommitterUpstreamFails(t *testing.T) {
	broken := errors.New("broken")
	for name, end := range map[string]func(stream.Source[envelope.Committable]) stream.Graph{
		"sink": func(src stream.Source[envelope.Committable]) stream.Graph {
			return src.To(consumer.CommitterSink(batchesOf(10)))
		},
		"flow": func(src stream.Source[envelope.Committable]) stream.Graph {
			return stream.Via(src, consumer.CommitterFlow(batchesOf(10))).To(stream.Ignore[consumer.Committed]())
		},
		"batch flow": func(src stream.Source[envelope.Committable]) stream.Graph {
			return stream.Via(src, consumer.CommitterBatchFlow(batchesOf(10))).To(stream.Ignore[[]envelope.Committable]())
		},
		"batch flow that does not wait": func(src stream.Source[envelope.Committable]) stream.Graph {
			return stream.Via(src, consumer.CommitterBatchFlow(batchesOf(1000, settings.Delivery(settings.SendAndForget)))).To(stream.Ignore[[]envelope.Committable]())
		},
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
				w.Write(0, 0, 100)
				checked := stream.TryMap(w.Consumer().CommittableSource(), func(_ context.Context, m *strMessage) (*strMessage, error) {
					if m.Record.Offset() == 32 {
						return nil, broken
					}
					return m, nil
				})
				err := end(grouptest.Offsets(checked)).Run(t.Context())
				require.ErrorIs(t, err, broken)
				require.EqualValues(t, 32, w.Committed(0))
				rest := w.Rest().Values(0)
				require.Equal(t, grouptest.Value(0, 32), rest[0])
				require.Len(t, rest, 68)
			})
		})
	}
}

// Commits do not wait for demand behind the Committer.
func TestCommitterFlowWithoutDemand(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 10)
		cm := settings.NewCommitter(settings.MaxBatch(5), settings.MaxInterval(20*time.Millisecond))
		nobody := make(chan consumer.Committed)
		ctl := w.Start(stream.Via(grouptest.Offsets(w.Consumer().CommittableSource()), consumer.CommitterFlow(cm)).To(stream.ToChan(nobody)))
		w.Journal.AwaitCommit(t, 0, 10)
		w.Write(0, 10, 20)
		w.Journal.AwaitCommit(t, 0, 20)
		grouptest.Stop(ctl)
	})
}

// Elements that the user has taken out are committed while no more are asked for.
func TestCommitWithoutDemand(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		taken := make(chan *strMessage)
		nothing := stream.Map(w.Consumer().CommittableSource(), func(m *strMessage) *strMessage { return m })
		both := stream.Broadcast(stream.ToChan(taken), onlyArms(quickly()))
		ctl := w.Start(nothing.To(both))
		for range 5 {
			(<-taken).Offset.Commit()
		}
		w.Journal.AwaitCommit(t, 0, 5)
		require.EqualValues(t, 5, w.Committed(0))
		grouptest.Stop(ctl)
		require.EqualValues(t, 5, w.Committed(0))
	})
}

// onlyArms is a Committer that gets nothing.
func onlyArms(cm settings.Committer) stream.Sink[*strMessage] {
	return stream.NewFlow(func(src stream.Source[*strMessage]) stream.Source[envelope.Committable] {
		return grouptest.Offsets(src.Filter(func(*strMessage) bool { return false }))
	}).To(consumer.CommitterSink(cm))
}

// Committers for offsets as context.
func TestCommitterWithOffsetContext(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 50)
		even := func(r *strRecord) bool { return r.Offset()%2 == 0 }
		value := func(r *strRecord) string { return r.Value }
		src := stream.MapWithContext(w.ToEnd().SourceWithOffsetContext().Filter(even), value)
		require.NoError(t, src.To(consumer.CommitterSinkWithOffsetContext[string](onlyAtTheEnd())).Run(t.Context()))
		require.EqualValues(t, 50, w.Committed(0))

		w.Write(0, 50, 75)
		src = stream.MapWithContext(w.ToEnd().SourceWithOffsetContext(), value)
		n, err := stream.Fold(t.Context(), stream.Via(src.Pairs(), consumer.CommitterFlowWithOffsetContext[string](batchesOf(10))), 0,
			func(n int, c consumer.Committed) int { return n + c.Elements })
		require.NoError(t, err)
		require.Equal(t, 25, n)
		require.EqualValues(t, 75, w.Committed(0))
	})
}

func times(n int) func(*strMessage) iter.Seq[*strMessage] {
	return func(m *strMessage) iter.Seq[*strMessage] {
		return func(yield func(*strMessage) bool) {
			for range n {
				if !yield(m) {
					return
				}
			}
		}
	}
}

// A Committer behind stages that make several elements of one: an offset is committed when the last
// of them is finished.
func TestCommitterBehindExpandingStages(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 30)
		second, release := make(chan struct{}), make(chan struct{})
		seen := 0
		src := stream.TryMap(stream.FlatMap(w.ToEnd().CommittableSource(), times(3)), func(_ context.Context, m *strMessage) (*strMessage, error) {
			if seen++; seen == 3*10+2 { // the second of three of the eleventh record
				close(second)
				<-release
			}
			return m, nil
		})
		// the batches' ends fall between the records
		flow := stream.Via(grouptest.Offsets(src.Async()), consumer.CommitterFlow(batchesOf(3)))
		ctl := w.Start(flow.To(stream.Ignore[consumer.Committed]()))
		w.Await("the second part", second)
		w.Journal.AwaitCommit(t, 0, 10)
		if w.AtRest() {
			require.EqualValues(t, 10, w.Committed(0))
		}
		for _, c := range w.Journal.CommitsOf(0, 0) {
			require.LessOrEqual(t, c.Offset, int64(10))
		}
		close(release)
		<-ctl.Done()
		require.NoError(t, ctl.Err())
		require.EqualValues(t, 30, w.Committed(0))
	})
}

// What follows a Committer has nothing to do with records any more: it can expand, or hold up, what
// it likes.
func TestCommitterInFrontOfExpandingStages(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		batches := stream.Via(grouptest.Offsets(w.ToEnd().CommittableSource()), consumer.CommitterBatchFlow(batchesOf(7)))
		n, err := stream.Fold(t.Context(), stream.FlatMap(batches, func(cs []envelope.Committable) iter.Seq[envelope.Committable] {
			return slices.Values(append(cs, cs...))
		}), 0, func(n int, _ envelope.Committable) int { return n + 1 })
		require.NoError(t, err)
		require.Equal(t, 200, n)
		require.EqualValues(t, 100, w.Committed(0))
	})
}

// A commit that is refused fails the flow.
func TestCommitterFlowIsRefused(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		w.Fault(kfake.Fault{Keys: commitKey, Err: kerr.GroupAuthorizationFailed, Count: -1})
		got, err := stream.Collect(t.Context(), stream.Via(grouptest.Offsets(w.Consumer().CommittableSource()), consumer.CommitterFlow(batchesOf(10))))
		var refused *consumer.CommitError
		require.ErrorAs(t, err, &refused)
		require.ErrorIs(t, err, kerr.GroupAuthorizationFailed)
		require.Empty(t, got)
	})
}

// Take behind a Committer ends the run, and everything that was finished is committed: what the
// Committer has got.
func TestCommitterFlowTake(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		first, err := stream.First(t.Context(), stream.Via(grouptest.Offsets(w.Consumer().CommittableSource()), consumer.CommitterFlow(batchesOf(10))))
		require.NoError(t, err)
		require.Equal(t, 10, first.Elements)
		committed := w.Committed(0)
		require.GreaterOrEqual(t, committed, int64(10))
		if rest := w.Rest().Values(0); committed < 100 {
			require.Equal(t, grouptest.Value(0, committed), rest[0])
		}
	})
}
