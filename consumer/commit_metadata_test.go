package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// metadata is what is committed together with a partition's offset.
func (w *commitWorld) metadata(p int32) string {
	w.t.Helper()
	cl, err := kgo.NewClient(w.k.ClientOptions()...)
	require.NoError(w.t, err)
	defer cl.Close()
	resp, err := kadm.NewClient(cl).FetchOffsets(w.t.Context(), w.group)
	require.NoError(w.t, err)
	o, ok := resp.Lookup(w.topic, p)
	require.True(w.t, ok)
	return o.Metadata
}

func note(r commitRecord) (string, error) { return "note " + r.Value, nil }

// The metadata of an offset is that of the last record before it, also where records are finished
// out of order, or were filtered out.
func TestCommitMetadata(t *testing.T) {
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 100, 40)
		src := stream.MapAsyncUnordered(w.toEnd().CommitWithMetadataSource(note), 8, func(_ context.Context, m commitMessage) (commitMessage, error) {
			return m, nil
		}).Filter(func(m commitMessage) bool { return m.Record.Offset()%7 == 0 })
		require.NoError(t, offsets(src).To(consumer.CommitterSink(settings.NewCommitter(settings.MaxBatch(3)))).Run(t.Context()))
		require.Equal(t, "note 99", w.metadata(0))
		require.Equal(t, "note 39", w.metadata(1))
		for p := range int32(2) {
			for _, c := range w.log.of(p) {
				require.Equal(t, fmt.Sprintf("note %d", c.offset-1), c.metadata)
			}
		}
	}, kafkatest.Topics(2, "in"))
}

// It is the same with the offset as context.
func TestCommitMetadataWithOffsetContext(t *testing.T) {
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 100)
		src := stream.MapWithContext(w.toEnd().SourceWithOffsetContextAndMetadata(note), func(r commitRecord) string { return r.Value })
		require.NoError(t, stream.Map(src.Pairs(), func(p stream.Pair[string, envelope.Committable]) stream.Pair[string, envelope.Committable] { return p }).
			To(consumer.CommitterSinkWithOffsetContext[string](onlyAtTheEnd())).Run(t.Context()))
		require.EqualValues(t, 100, w.committed(0))
		require.Equal(t, "note 99", w.metadata(0))
	}, kafkatest.Topics(1, "in"))
}

// Without a function nothing of ours is in it.
func TestCommitWithoutMetadata(t *testing.T) {
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 10)
		require.NoError(t, offsets(w.toEnd().CommittableSource()).To(consumer.CommitterSink(onlyAtTheEnd())).Run(t.Context()))
		require.NotContains(t, w.metadata(0), "note")
	}, kafkatest.Topics(1, "in"))
}

// A metadata function that fails, or panics, ends the run when its record's turn comes; those
// before it are delivered and committed.
func TestCommitMetadataFails(t *testing.T) {
	broken := errors.New("no note")
	for name, f := range map[string]func(commitRecord) (string, error){
		"fails":  func(commitRecord) (string, error) { return "", broken },
		"panics": func(commitRecord) (string, error) { panic(broken) },
	} {
		t.Run(name, func(t *testing.T) {
			onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
				w := newCommitWorld(t, k, 0, 40)
				var got []int64
				src := stream.Map(w.toEnd().CommitWithMetadataSource(func(r commitRecord) (string, error) {
					if r.Offset() >= 25 {
						return f(r)
					}
					return note(r)
				}), func(m commitMessage) commitMessage {
					got = append(got, m.Record.Offset())
					return m
				})
				err := offsets(src).To(consumer.CommitterSink(onlyAtTheEnd())).Run(t.Context())
				require.ErrorContains(t, err, broken.Error())
				var user *consumer.UserError
				require.ErrorAs(t, err, &user)
				require.Equal(t, "metadata function", user.What)
				require.Equal(t, []consumer.TopicPartition{{Topic: "in", Partition: 1}}, user.Partitions)
				require.ErrorContains(t, user, "offset 25")
				var place *stream.StageError
				require.ErrorAs(t, err, &place)
				require.True(t, place.Located)
				require.Equal(t, []any{"in", int32(1), int64(25)}, []any{place.Topic, place.Partition, place.Offset})
				var panicked *stream.PanicError
				require.Equal(t, name == "panics", errors.As(err, &panicked))
				require.Len(t, got, 25)
				require.EqualValues(t, 25, w.committed(1))
				require.Equal(t, "note 24", w.metadata(1))
			}, kafkatest.Topics(2, "in"))
		})
	}
}

// What the broker finds too long ends the run.
func TestCommitMetadataTooLong(t *testing.T) {
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 10)
		src := w.toEnd().CommitWithMetadataSource(func(r commitRecord) (string, error) { return fmt.Sprintf("%05000d", r.Offset()), nil })
		err := offsets(src).To(consumer.CommitterSink(onlyAtTheEnd())).Run(t.Context())
		if err == nil { // kfake takes any
			require.Len(t, w.metadata(0), 5000)
			return
		}
		var commit *consumer.CommitError
		require.ErrorAs(t, err, &commit)
	}, kafkatest.Topics(1, "in"))
}

// After a restart the metadata goes on with what is read then.
func TestCommitMetadataAfterARestart(t *testing.T) {
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 100)
		for i := range 4 {
			src := w.consumer().CommitWithMetadataSource(note).Take(10)
			require.NoError(t, offsets(src).To(consumer.CommitterSink(quickly())).Run(t.Context()))
			require.EqualValues(t, 10*(i+1), w.committed(0))
			require.Equal(t, "note "+strconv.Itoa(10*(i+1)-1), w.metadata(0))
		}
	}, kafkatest.Topics(1, "in"))
}
