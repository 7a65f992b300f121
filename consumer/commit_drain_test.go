package consumer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// What was finished is committed at a drain, whatever the interval.
func TestCommitOnDrain(t *testing.T) {
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 100, 70)
		a, b := newAtOffset(99), newAtOffset(69)
		c := w.consumer()
		src := stream.Map(c.CommittableSource(), func(m commitMessage) commitMessage {
			if m.Record.Partition() == 0 {
				return a.look(m)
			}
			return b.look(m)
		})
		ctl := w.start(offsets(src).To(consumer.CommitterSink(onlyAtTheEnd())))
		w.await("the last records", a.seen)
		w.await("the last records", b.seen)
		w.awaitFinished(c)
		require.Zero(t, w.log.requests())
		require.NoError(t, ctl.Drain(t.Context()))
		require.EqualValues(t, 100, w.committed(0))
		require.EqualValues(t, 70, w.committed(1))
		require.Equal(t, 1, w.log.requests())
		require.Empty(t, w.rest())
	}, kafkatest.Topics(2, "in"))
}

// The end of a run that reads to the end is one as well, and so is a fault: what is before it is
// committed.
func TestCommitAtTheEnd(t *testing.T) {
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 100)
		broken := errors.New("broken")
		checked := stream.TryMap(w.toEnd().CommittableSource(), func(_ context.Context, m commitMessage) (commitMessage, error) {
			if m.Record.Offset() == 32 {
				return nil, broken
			}
			return m, nil
		})
		err := offsets(checked).To(consumer.CommitterSink(onlyAtTheEnd())).Run(t.Context())
		require.ErrorIs(t, err, broken)
		require.EqualValues(t, 32, w.committed(0))
		require.Equal(t, 32, w.rest()[0][0])

		require.NoError(t, offsets(w.toEnd().CommittableSource()).To(consumer.CommitterSink(onlyAtTheEnd())).Run(t.Context()))
		require.EqualValues(t, 100, w.committed(0))
		w.log.neverBack(t)
	}, kafkatest.Topics(1, "in"))
}

// A hard stop commits what was finished; what it has cut off comes again.
func TestCommitAtAHardStop(t *testing.T) {
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 100)
		at := newAtOffset(32)
		ctl := w.start(offsets(stream.MapAsync(w.consumer().CommittableSource(), 1, func(ctx context.Context, m commitMessage) (commitMessage, error) {
			if at.look(m).Record.Offset() == 32 {
				<-ctx.Done()
				return nil, context.Cause(ctx)
			}
			return m, nil
		})).To(consumer.CommitterSink(onlyAtTheEnd())))
		w.await("the record that is stuck", at.seen)
		exact := atRest()
		ctl.Stop()
		<-ctl.Done()
		require.ErrorIs(t, ctl.Err(), stream.ErrStopped)
		committed := max(0, w.committed(0))
		if exact {
			require.EqualValues(t, 32, committed)
		}
		require.LessOrEqual(t, committed, int64(32))
		require.EqualValues(t, committed, w.rest()[0][0])
	}, kafkatest.Topics(1, "in"))
}

// PlainSource commits nothing, whoever stands in the graph.
func TestCommitIsNotForPlainSources(t *testing.T) {
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 100)
		plain := stream.Map(w.toEnd().PlainSource(), func(commitRecord) envelope.Committable { return nil })
		require.NoError(t, plain.To(consumer.CommitterSink(quickly())).Run(t.Context()))
		require.Zero(t, w.log.requests())
	}, kafkatest.Topics(1, "in"))
}

// Records that were filtered out are finished: the offset goes on behind them, even where none gets
// to the Committer.
func TestCommitFilteredOut(t *testing.T) {
	for name, keep := range map[string]func(commitMessage) bool{
		"all":             func(commitMessage) bool { return false },
		"all but the 1st": func(m commitMessage) bool { return m.Record.Offset() == 0 },
		"each second":     func(m commitMessage) bool { return m.Record.Offset()%2 == 0 },
	} {
		t.Run(name, func(t *testing.T) {
			onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
				w := newCommitWorld(t, k, 100)
				ctl := w.start(offsets(w.consumer().CommittableSource().Filter(keep)).To(consumer.CommitterSink(quickly())))
				w.log.await(t, 0, 100) // while it runs
				require.NoError(t, ctl.Drain(t.Context()))
				require.EqualValues(t, 100, w.committed(0))
			}, kafkatest.Topics(1, "in"))
		})
	}
}

// Take(10) commits ten records, however many were fetched.
func TestCommitTake(t *testing.T) {
	for name, ten := range map[string]func(w *commitWorld, src stream.Source[commitMessage]) stream.Graph{
		"in front of a sink": func(_ *commitWorld, src stream.Source[commitMessage]) stream.Graph {
			return offsets(src.Take(10)).To(consumer.CommitterSink(quickly()))
		},
		"behind a boundary": func(_ *commitWorld, src stream.Source[commitMessage]) stream.Graph {
			return offsets(src.Async().Take(10)).To(consumer.CommitterSink(quickly()))
		},
		"behind a flow that works ahead": func(_ *commitWorld, src stream.Source[commitMessage]) stream.Graph {
			same := func(_ context.Context, m commitMessage) (commitMessage, error) { return m, nil }
			return offsets(stream.MapAsync(src, 4, same).Take(10)).To(consumer.CommitterSink(quickly()))
		},
		"behind what filters": func(_ *commitWorld, src stream.Source[commitMessage]) stream.Graph {
			even := func(m commitMessage) bool { return m.Record.Offset()%2 == 0 }
			return offsets(src.Filter(even).Take(5)).To(consumer.CommitterSink(quickly()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
				w := newCommitWorld(t, k, 100)
				require.NoError(t, ten(w, w.consumer().CommittableSource()).Run(t.Context()))
				if name == "behind what filters" {
					require.EqualValues(t, 9, w.committed(0))
				} else {
					require.EqualValues(t, 10, w.committed(0))
				}
			}, kafkatest.Topics(1, "in"))
		})
	}
}

// A full batch is committed without waiting for the interval.
func TestCommitByCount(t *testing.T) {
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 100)
		cm := settings.NewCommitter(settings.MaxBatch(30), settings.MaxInterval(slowly))
		ctl := w.start(offsets(w.consumer().CommittableSource()).To(consumer.CommitterSink(cm)))
		w.log.await(t, 0, 90)
		require.LessOrEqual(t, w.log.requests(), 3)
		require.NoError(t, ctl.Drain(t.Context()))
		require.EqualValues(t, 100, w.committed(0))
	}, kafkatest.Topics(1, "in"))
}

// Of two committers the more eager one counts.
func TestCommitByTheMoreEager(t *testing.T) {
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 100)
		both := stream.Broadcast(consumer.CommitterSink(onlyAtTheEnd()), consumer.CommitterSink(settings.NewCommitter(settings.MaxInterval(20*time.Millisecond))))
		ctl := w.start(offsets(w.consumer().CommittableSource()).To(both))
		w.log.await(t, 0, 100)
		require.NoError(t, ctl.Drain(t.Context()))
	}, kafkatest.Topics(1, "in"))
}

// A Committer that does not wait has everything committed when the run is over.
func TestCommitSendAndForget(t *testing.T) {
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 100)
		cm := onlyAtTheEnd(settings.Delivery(settings.SendAndForget))
		require.NoError(t, offsets(w.toEnd().CommittableSource()).To(consumer.CommitterSink(cm)).Run(t.Context()))
		require.EqualValues(t, 100, w.committed(0))
	}, kafkatest.Topics(1, "in"))
}

// A run that is drained before it has begun ends, and commits nothing.
func TestCommitOfARunThatNeverBegan(t *testing.T) {
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 10)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for name, g := range map[string]stream.Graph{
			"sink": offsets(w.consumer().CommittableSource()).To(consumer.CommitterSink(quickly())),
			"flow": stream.Via(offsets(w.consumer().CommittableSource()), consumer.CommitterFlow(quickly())).To(stream.Ignore[consumer.Committed]()),
		} {
			require.ErrorIs(t, g.Run(ctx), stream.ErrDrained, name)
		}
		require.Zero(t, w.log.requests())
	}, kafkatest.Topics(1, "in"))
}
