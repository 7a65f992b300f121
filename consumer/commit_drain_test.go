package consumer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// What was finished is committed at a drain, whatever the interval.
func TestCommitOnDrain(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		w.Write(1, 0, 70)
		a, b := newAtOffset(99), newAtOffset(69)
		c := w.Consumer()
		src := stream.Map(c.CommittableSource(), func(m *strMessage) *strMessage {
			if m.Record.Partition() == 0 {
				return a.look(m)
			}
			return b.look(m)
		})
		ctl := w.Start(grouptest.Offsets(src).To(consumer.CommitterSink(onlyAtTheEnd())))
		w.Await("the last records", a.seen)
		w.Await("the last records", b.seen)
		awaitFinished(t, w, c)
		require.Zero(t, w.Journal.CommitRequests())
		require.NoError(t, ctl.Drain(t.Context()))
		require.EqualValues(t, 100, w.Committed(0))
		require.EqualValues(t, 70, w.Committed(1))
		require.Equal(t, 1, w.Journal.CommitRequests())
		require.Zero(t, w.Rest().Count())
	})
}

// The end of a run that reads to the end is one as well, and so is a fault: what is before it is
// committed.
func TestCommitAtTheEnd(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		broken := errors.New("broken")
		checked := stream.TryMap(w.ToEnd().CommittableSource(), func(_ context.Context, m *strMessage) (*strMessage, error) {
			if m.Record.Offset() == 32 {
				return nil, broken
			}
			return m, nil
		})
		err := grouptest.Offsets(checked).To(consumer.CommitterSink(onlyAtTheEnd())).Run(t.Context())
		require.ErrorIs(t, err, broken)
		require.EqualValues(t, 32, w.Committed(0))
		require.Equal(t, grouptest.Value(0, 32), w.Rest().Values(0)[0])

		require.NoError(t, grouptest.Offsets(w.ToEnd().CommittableSource()).To(consumer.CommitterSink(onlyAtTheEnd())).Run(t.Context()))
		require.EqualValues(t, 100, w.Committed(0))
		w.Journal.RequireForward(t)
	})
}

// A hard stop commits what was finished; what it has cut off comes again.
func TestCommitAtAHardStop(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		at := newAtOffset(32)
		ctl := w.Start(grouptest.Offsets(stream.MapAsync(w.Consumer().CommittableSource(), 1, func(ctx context.Context, m *strMessage) (*strMessage, error) {
			if at.look(m).Record.Offset() == 32 {
				<-ctx.Done()
				return nil, context.Cause(ctx)
			}
			return m, nil
		})).To(consumer.CommitterSink(onlyAtTheEnd())))
		w.Await("the record that is stuck", at.seen)
		exact := w.AtRest()
		grouptest.Stop(ctl)
		require.ErrorIs(t, ctl.Err(), stream.ErrStopped)
		committed := max(0, w.Committed(0))
		if exact {
			require.EqualValues(t, 32, committed)
		}
		require.LessOrEqual(t, committed, int64(32))
		require.Equal(t, grouptest.Value(0, committed), w.Rest().Values(0)[0])
	})
}

// PlainSource commits nothing, whoever stands in the graph.
func TestCommitIsNotForPlainSources(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		plain := stream.Map(w.ToEnd().PlainSource(), func(*strRecord) envelope.Committable { return nil })
		require.NoError(t, plain.To(consumer.CommitterSink(quickly())).Run(t.Context()))
		require.Zero(t, w.Journal.CommitRequests())
	})
}

// Records that were filtered out are finished: the offset goes on after them, even where none gets
// to the Committer.
func TestCommitFilteredOut(t *testing.T) {
	for name, keep := range map[string]func(*strMessage) bool{
		"all":             func(*strMessage) bool { return false },
		"all but the 1st": func(m *strMessage) bool { return m.Record.Offset() == 0 },
		"each second":     func(m *strMessage) bool { return m.Record.Offset()%2 == 0 },
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
				w.Write(0, 0, 100)
				ctl := w.Start(grouptest.Offsets(w.Consumer().CommittableSource().Filter(keep)).To(consumer.CommitterSink(quickly())))
				w.Journal.AwaitCommit(t, 0, 100) // while it runs
				require.NoError(t, ctl.Drain(t.Context()))
				require.EqualValues(t, 100, w.Committed(0))
			})
		})
	}
}

// Take(10) commits ten records, however many were fetched.
func TestCommitTake(t *testing.T) {
	for name, ten := range map[string]func(w *grouptest.World, src stream.Source[*strMessage]) stream.Graph{
		"in front of a sink": func(_ *grouptest.World, src stream.Source[*strMessage]) stream.Graph {
			return grouptest.Offsets(src.Take(10)).To(consumer.CommitterSink(quickly()))
		},
		"behind a boundary": func(_ *grouptest.World, src stream.Source[*strMessage]) stream.Graph {
			return grouptest.Offsets(src.Async().Take(10)).To(consumer.CommitterSink(quickly()))
		},
		"behind a flow that works ahead": func(_ *grouptest.World, src stream.Source[*strMessage]) stream.Graph {
			same := func(_ context.Context, m *strMessage) (*strMessage, error) { return m, nil }
			return grouptest.Offsets(stream.MapAsync(src, 4, same).Take(10)).To(consumer.CommitterSink(quickly()))
		},
		"behind what filters": func(_ *grouptest.World, src stream.Source[*strMessage]) stream.Graph {
			even := func(m *strMessage) bool { return m.Record.Offset()%2 == 0 }
			return grouptest.Offsets(src.Filter(even).Take(5)).To(consumer.CommitterSink(quickly()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
				w.Write(0, 0, 100)
				require.NoError(t, ten(w, w.Consumer().CommittableSource()).Run(t.Context()))
				if name == "behind what filters" {
					require.EqualValues(t, 9, w.Committed(0))
				} else {
					require.EqualValues(t, 10, w.Committed(0))
				}
			})
		})
	}
}

// A full batch is committed without waiting for the interval.
func TestCommitByCount(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		cm := settings.NewCommitter(settings.MaxBatch(30), settings.MaxInterval(slowly))
		ctl := w.Start(grouptest.Offsets(w.Consumer().CommittableSource()).To(consumer.CommitterSink(cm)))
		w.Journal.AwaitCommit(t, 0, 90)
		require.LessOrEqual(t, w.Journal.CommitRequests(), 3)
		require.NoError(t, ctl.Drain(t.Context()))
		require.EqualValues(t, 100, w.Committed(0))
	})
}

// Of two committers the more eager one counts.
func TestCommitByTheMoreEager(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		both := stream.Broadcast(consumer.CommitterSink(onlyAtTheEnd()), consumer.CommitterSink(settings.NewCommitter(settings.MaxInterval(20*time.Millisecond))))
		ctl := w.Start(grouptest.Offsets(w.Consumer().CommittableSource()).To(both))
		w.Journal.AwaitCommit(t, 0, 100)
		require.NoError(t, ctl.Drain(t.Context()))
	})
}

// A Committer that does not wait has everything committed when the run is over.
func TestCommitSendAndForget(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		cm := onlyAtTheEnd(settings.Delivery(settings.SendAndForget))
		require.NoError(t, grouptest.Offsets(w.ToEnd().CommittableSource()).To(consumer.CommitterSink(cm)).Run(t.Context()))
		require.EqualValues(t, 100, w.Committed(0))
	})
}

// A run that is drained before it has begun ends, and commits nothing.
func TestCommitOfARunThatNeverBegan(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 10)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for name, g := range map[string]stream.Graph{
			"sink": grouptest.Offsets(w.Consumer().CommittableSource()).To(consumer.CommitterSink(quickly())),
			"flow": stream.Via(grouptest.Offsets(w.Consumer().CommittableSource()), consumer.CommitterFlow(quickly())).To(stream.Ignore[consumer.Committed]()),
		} {
			require.ErrorIs(t, g.Run(ctx), stream.ErrDrained, name)
		}
		require.Zero(t, w.Journal.CommitRequests())
	})
}
