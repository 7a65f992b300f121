package consumer_test

import (
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

type commitEnvelope = envelope.Envelope[string, string, envelope.Committable]

// copyOf makes the copy of a message for a topic.
func copyOf(topic string) func(*strMessage) commitEnvelope {
	return func(m *strMessage) commitEnvelope {
		return envelope.Single(*envelope.New(topic, m.Value, m.Value), m.Offset)
	}
}

func sink(t *testing.T, w *grouptest.World, cm settings.Committer, opts ...settings.ProducerOption) stream.Sink[commitEnvelope] {
	return producer.CommittableSink(w.Producer(opts...), cm)
}

// slowTopic withholds acknowledgements of the topic slow, on another broker than the topic fast.
func slowTopic(t *testing.T, w *grouptest.World) (release func()) {
	t.Helper()
	require.NoError(t, w.Cluster().MoveTopicPartition("fast", 0, 0))
	require.NoError(t, w.Cluster().MoveTopicPartition("slow", 0, 1))
	release = w.HoldAcks("slow")
	t.Cleanup(release)
	return release
}

// Copying from topic to topic: what is written is committed, once, and the next run copies the
// rest.
func TestCommitCopy(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 200)
		w.Write(1, 0, 100)
		require.NoError(t, stream.Map(w.ToEnd().CommittableSource(), copyOf("out")).To(sink(t, w, batchesOf(30))).Run(t.Context()))
		require.EqualValues(t, 200, w.Committed(0))
		require.EqualValues(t, 100, w.Committed(1))
		w.Write(0, 200, 250)
		require.NoError(t, stream.Map(w.ToEnd().CommittableSource(), copyOf("out")).To(sink(t, w, onlyAtTheEnd())).Run(t.Context()))
		w.Written(nil, "out").Verify(w.Sent()).RequireOnce(t)
		require.EqualValues(t, 250, w.Committed(0))
		w.Journal.RequireForward(t)
	}, grouptest.Broker(kafkatest.Topics(4, "out")))
}

// The other form, with the offset as context.
func TestCommitCopyWithOffsetContext(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		src := stream.MapWithContext(w.ToEnd().SourceWithOffsetContext(), func(r *strRecord) envelope.Envelope[string, string, envelope.None] {
			return envelope.Single(*envelope.New("out", r.Value, r.Value), envelope.None{})
		})
		require.NoError(t, src.To(producer.CommittableSinkWithOffsetContext(w.Producer(), onlyAtTheEnd())).Run(t.Context()))
		require.EqualValues(t, 100, w.Committed(0))
		w.Written(nil, "out").Verify(w.Sent()).RequireOnce(t)
	}, grouptest.Broker(kafkatest.Topics(1, "out")))
}

// Envelopes that only pass their offset through, and those with several records.
func TestCommitCopyOfOtherEnvelopes(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 60)
		mixed := stream.Map(w.ToEnd().CommittableSource(), func(m *strMessage) commitEnvelope {
			rec := *envelope.New("out", m.Value, m.Value)
			switch m.Record.Offset() % 4 {
			case 0:
				return envelope.PassThrough[string, string](m.Offset)
			case 1:
				return envelope.Multi([]envelope.Record[string, string]{rec, rec}, m.Offset)
			case 2:
				return envelope.Multi([]envelope.Record[string, string]{}, m.Offset)
			}
			return envelope.Single(rec, m.Offset)
		})
		require.NoError(t, mixed.To(sink(t, w, batchesOf(7))).Run(t.Context()))
		require.EqualValues(t, 60, w.Committed(0))
		require.Len(t, kafkatest.ReadAll(t, w.Broker, "out"), 15*2+15)
		w.Write(0, 60, 90)
		only := stream.Map(w.ToEnd().CommittableSource(), func(m *strMessage) commitEnvelope { return envelope.PassThrough[string, string](m.Offset) })
		require.NoError(t, only.To(sink(t, w, onlyAtTheEnd())).Run(t.Context()))
		require.EqualValues(t, 90, w.Committed(0))
		require.Len(t, kafkatest.ReadAll(t, w.Broker, "out"), 15*2+15)
	}, grouptest.Broker(kafkatest.Topics(1, "out")))
}

// At a drain the offsets of what is acknowledged only then are committed too.
func TestCommitCopyIsAcknowledgedLate(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 50)
		release := w.HoldAcks("out")
		at := newAtOffset(49)
		ctl := w.Start(stream.Map(stream.Map(w.Consumer().CommittableSource(), at.look), copyOf("out")).To(sink(t, w, quickly())))
		w.Await("the last record", at.seen)
		awaitSent(w, ctl, 50)
		w.AwaitHeld(t, 1)
		drained := make(chan error, 1)
		go func() { drained <- ctl.Drain(t.Context()) }()
		w.AtRest()
		require.Zero(t, w.Journal.CommitRequests())
		release()
		require.NoError(t, <-drained)
		require.EqualValues(t, 50, w.Committed(0))
	}, grouptest.Broker(kafkatest.Topics(1, "out")))
}

// Acknowledgements that come out of order, from several partitions: those behind a missing one are
// not committed, and a crash then loses nothing.
func TestCommitCopyOutOfOrderAndACrash(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		release := slowTopic(t, w)
		where := func(m *strMessage) commitEnvelope {
			topic := "fast"
			if m.Record.Offset()%10 == 7 {
				topic = "slow"
			}
			return copyOf(topic)(m)
		}
		ctl := w.Start(stream.Map(w.Consumer(settings.SessionTimeout(time.Second)).CommittableSource(), where).To(sink(t, w, quickly(), settings.CloseTimeout(200*time.Millisecond))), stream.CloseTimeout(200*time.Millisecond))
		kafkatest.Expect(t, w.Broker, "fast", serde.String(), serde.String(), 90)
		w.Journal.AwaitCommit(t, 0, 7)
		require.EqualValues(t, 7, w.Committed(0))
		w.Crash(ctl)
		require.EqualValues(t, 7, w.Committed(0))
		release()

		require.NoError(t, stream.Map(w.ToEnd().CommittableSource(), where).To(sink(t, w, onlyAtTheEnd())).Run(t.Context()))
		require.EqualValues(t, 100, w.Committed(0))
		fast, slow := w.Written(nil, "fast").Times(), w.Written(nil, "slow").Times()
		for i := range 100 {
			require.NotZero(t, fast[grouptest.Value(0, int64(i))]+slow[grouptest.Value(0, int64(i))], i)
		}
		require.Equal(t, 1, fast["0/6"])
		require.Equal(t, 2, fast["0/8"]) // it was written, and not committed
	}, grouptest.Broker(kafkatest.Brokers(2), kafkatest.Topics(1, "fast"), kafkatest.Topics(1, "slow")))
}

// Three envelopes that carry the same offset: it is committed with the last of them.
func TestCommitCopyThreeEnvelopesOfOneRecord(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 1)
		release := slowTopic(t, w)
		three := func(m *strMessage) iter.Seq[commitEnvelope] {
			return func(yield func(commitEnvelope) bool) {
				_ = yield(copyOf("fast")(m)) && yield(copyOf("slow")(m)) && yield(copyOf("fast")(m))
			}
		}
		ctl := w.Start(stream.FlatMap(w.Consumer(settings.SessionTimeout(time.Second)).CommittableSource(), three).To(sink(t, w, quickly(), settings.CloseTimeout(200*time.Millisecond))), stream.CloseTimeout(200*time.Millisecond))
		kafkatest.Expect(t, w.Broker, "fast", serde.String(), serde.String(), 2)
		w.AwaitHeld(t, 1)
		w.AtRest()
		require.Zero(t, w.Journal.CommitRequests())
		w.Crash(ctl)
		require.EqualValues(t, -1, w.Committed(0))
		release()
		require.NoError(t, stream.FlatMap(w.ToEnd().CommittableSource(), three).To(sink(t, w, onlyAtTheEnd())).Run(t.Context()))
		require.EqualValues(t, 1, w.Committed(0))
		require.Equal(t, 4, w.Written(nil, "fast").Times()["0/0"])
		require.Equal(t, 2, w.Written(nil, "slow").Times()["0/0"])
	}, grouptest.Broker(kafkatest.Brokers(2), kafkatest.Topics(1, "fast"), kafkatest.Topics(1, "slow")))
}

// A topic that cannot be written to ends the copy; what is before is committed.
func TestCommitCopyFails(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 50)
		bad := stream.Map(w.Consumer().CommittableSource(), func(m *strMessage) commitEnvelope {
			if m.Record.Offset() == 20 {
				return nil
			}
			return copyOf("out")(m)
		})
		require.ErrorIs(t, bad.To(sink(t, w, onlyAtTheEnd())).Run(t.Context()), producer.ErrNilRecord)
		committed := w.Committed(0)
		require.LessOrEqual(t, committed, int64(20))
		counts := w.Written(nil, "out").Times()
		for i := range committed {
			require.NotZero(t, counts[grouptest.Value(0, i)], "record %d is committed, and not written", i)
		}
		require.EqualValues(t, 20, committed) // the outcomes are collected
	}, grouptest.Broker(kafkatest.Topics(1, "out")))
}
