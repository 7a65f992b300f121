package consumer_test

import (
	"iter"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

type commitEnvelope = envelope.Envelope[string, string, envelope.Committable]

// copyOf makes the copy of a message for a topic.
func copyOf(topic string) func(commitMessage) commitEnvelope {
	return func(m commitMessage) commitEnvelope {
		return envelope.Single(*envelope.New(topic, m.Value, m.Value), m.Offset)
	}
}

func (w *commitWorld) sink(cm settings.Committer, opts ...settings.ProducerOption) stream.Sink[commitEnvelope] {
	return producer.CommittableSink(w.producer(opts...), cm)
}

// slowTopic withholds acknowledgements of the topic slow, on another broker than the topic fast.
func (w *commitWorld) slowTopic() (release func()) {
	w.t.Helper()
	require.NoError(w.t, w.k.Cluster().MoveTopicPartition("fast", 0, 0))
	require.NoError(w.t, w.k.Cluster().MoveTopicPartition("slow", 0, 1))
	release = w.k.HoldAcks("slow")
	w.t.Cleanup(release)
	return release
}

// written counts what is in a topic, by value.
func (w *commitWorld) written(topic string) map[string]int {
	w.t.Helper()
	counts := map[string]int{}
	for _, r := range kafkatest.ReadAll(w.t, w.k, topic) {
		counts[string(r.Value)]++
	}
	return counts
}

// Copying from topic to topic: what is written is committed, once, and the next run copies the
// rest.
func TestCommitCopy(t *testing.T) {
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 200, 100)
		require.NoError(t, stream.Map(w.toEnd().CommittableSource(), copyOf("out")).To(w.sink(batchesOf(30))).Run(t.Context()))
		require.EqualValues(t, 200, w.committed(0))
		require.EqualValues(t, 100, w.committed(1))
		w.produce(0, 200, 250)
		require.NoError(t, stream.Map(w.toEnd().CommittableSource(), copyOf("out")).To(w.sink(onlyAtTheEnd())).Run(t.Context()))
		counts := w.written("out")
		require.Len(t, counts, 250)
		for i := range 250 {
			want := 1
			if i < 100 {
				want = 2 // both partitions have it
			}
			require.Equal(t, want, counts[strconv.Itoa(i)], i)
		}
		require.EqualValues(t, 250, w.committed(0))
		w.log.neverBack(t)
	}, kafkatest.Topics(2, "in"), kafkatest.Topics(4, "out"))
}

// The other form, with the offset as context.
func TestCommitCopyWithOffsetContext(t *testing.T) {
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 100)
		src := stream.MapWithContext(w.toEnd().SourceWithOffsetContext(), func(r commitRecord) envelope.Envelope[string, string, envelope.None] {
			return envelope.Single(*envelope.New("out", r.Value, r.Value), envelope.None{})
		})
		require.NoError(t, src.To(producer.CommittableSinkWithOffsetContext(w.producer(), onlyAtTheEnd())).Run(t.Context()))
		require.EqualValues(t, 100, w.committed(0))
		require.Len(t, w.written("out"), 100)
	}, kafkatest.Topics(1, "in", "out"))
}

// Envelopes that only pass their offset through, and those with several records.
func TestCommitCopyOfOtherEnvelopes(t *testing.T) {
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 60)
		mixed := stream.Map(w.toEnd().CommittableSource(), func(m commitMessage) commitEnvelope {
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
		require.NoError(t, mixed.To(w.sink(batchesOf(7))).Run(t.Context()))
		require.EqualValues(t, 60, w.committed(0))
		require.Len(t, kafkatest.ReadAll(t, k, "out"), 15*2+15)
		w.produce(0, 60, 90)
		only := stream.Map(w.toEnd().CommittableSource(), func(m commitMessage) commitEnvelope { return envelope.PassThrough[string, string](m.Offset) })
		require.NoError(t, only.To(w.sink(onlyAtTheEnd())).Run(t.Context()))
		require.EqualValues(t, 90, w.committed(0))
		require.Len(t, kafkatest.ReadAll(t, k, "out"), 15*2+15)
	}, kafkatest.Topics(1, "in", "out"))
}

// At a drain the offsets of what is acknowledged only then are committed too.
func TestCommitCopyIsAcknowledgedLate(t *testing.T) {
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 50)
		release := k.HoldAcks("out")
		at := newAtOffset(49)
		ctl := w.start(stream.Map(stream.Map(w.consumer().CommittableSource(), at.look), copyOf("out")).To(w.sink(quickly())))
		w.await("the last record", at.seen)
		w.awaitSent(ctl, 50)
		k.AwaitHeld(t, 1)
		drained := make(chan error, 1)
		go func() { drained <- ctl.Drain(t.Context()) }()
		atRest()
		require.Zero(t, w.log.requests())
		release()
		require.NoError(t, <-drained)
		require.EqualValues(t, 50, w.committed(0))
	}, kafkatest.Topics(1, "in", "out"))
}

// Acknowledgements that come out of order, from several partitions: those behind a missing one are
// not committed, and a crash then loses nothing.
func TestCommitCopyOutOfOrderAndACrash(t *testing.T) {
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 100)
		release := w.slowTopic()
		where := func(m commitMessage) commitEnvelope {
			topic := "fast"
			if m.Record.Offset()%10 == 7 {
				topic = "slow"
			}
			return copyOf(topic)(m)
		}
		ctl := w.start(stream.Map(w.consumer(settings.SessionTimeout(time.Second)).CommittableSource(), where).To(w.sink(quickly(), settings.CloseTimeout(200*time.Millisecond))), stream.CloseTimeout(200*time.Millisecond))
		kafkatest.Expect(t, k, "fast", serde.String(), serde.String(), 90)
		w.log.await(t, 0, 7)
		require.EqualValues(t, 7, w.committed(0))
		w.crash(ctl)
		require.EqualValues(t, 7, w.committed(0))
		release()

		require.NoError(t, stream.Map(w.toEnd().CommittableSource(), where).To(w.sink(onlyAtTheEnd())).Run(t.Context()))
		require.EqualValues(t, 100, w.committed(0))
		fast, slow := w.written("fast"), w.written("slow")
		for i := range 100 {
			require.NotZero(t, fast[strconv.Itoa(i)]+slow[strconv.Itoa(i)], i)
		}
		require.Equal(t, 1, fast["6"])
		require.Equal(t, 2, fast["8"]) // it was written, and not committed
	}, kafkatest.Brokers(2), kafkatest.Topics(1, "in"), kafkatest.Topics(1, "fast"), kafkatest.Topics(1, "slow"))
}

// Three envelopes that carry the same offset: it is committed with the last of them.
func TestCommitCopyThreeEnvelopesOfOneRecord(t *testing.T) {
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 1)
		release := w.slowTopic()
		three := func(m commitMessage) iter.Seq[commitEnvelope] {
			return func(yield func(commitEnvelope) bool) {
				_ = yield(copyOf("fast")(m)) && yield(copyOf("slow")(m)) && yield(copyOf("fast")(m))
			}
		}
		ctl := w.start(stream.FlatMap(w.consumer(settings.SessionTimeout(time.Second)).CommittableSource(), three).To(w.sink(quickly(), settings.CloseTimeout(200*time.Millisecond))), stream.CloseTimeout(200*time.Millisecond))
		kafkatest.Expect(t, k, "fast", serde.String(), serde.String(), 2)
		k.AwaitHeld(t, 1)
		atRest()
		require.Zero(t, w.log.requests())
		w.crash(ctl)
		require.EqualValues(t, -1, w.committed(0))
		release()
		require.NoError(t, stream.FlatMap(w.toEnd().CommittableSource(), three).To(w.sink(onlyAtTheEnd())).Run(t.Context()))
		require.EqualValues(t, 1, w.committed(0))
		require.Equal(t, 4, w.written("fast")["0"])
		require.Equal(t, 2, w.written("slow")["0"])
	}, kafkatest.Brokers(2), kafkatest.Topics(1, "in"), kafkatest.Topics(1, "fast"), kafkatest.Topics(1, "slow"))
}

// A topic that cannot be written to ends the copy; what is before is committed.
func TestCommitCopyFails(t *testing.T) {
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 50)
		bad := stream.Map(w.consumer().CommittableSource(), func(m commitMessage) commitEnvelope {
			if m.Record.Offset() == 20 {
				return nil
			}
			return copyOf("out")(m)
		})
		require.ErrorIs(t, bad.To(w.sink(onlyAtTheEnd())).Run(t.Context()), producer.ErrNilRecord)
		committed := w.committed(0)
		require.LessOrEqual(t, committed, int64(20))
		counts := w.written("out")
		for i := range committed {
			require.NotZero(t, counts[strconv.Itoa(int(i))], "record %d is committed, and not written", i)
		}
		require.EqualValues(t, 20, committed) // the outcomes are collected
	}, kafkatest.Topics(1, "in", "out"))
}
