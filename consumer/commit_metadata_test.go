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
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// metadata is what is committed together with a partition's offset.
func metadata(t *testing.T, w *grouptest.World, p int32) string {
	t.Helper()
	cl, err := kgo.NewClient(w.ClientOptions()...)
	require.NoError(t, err)
	defer cl.Close()
	resp, err := kadm.NewClient(cl).FetchOffsets(t.Context(), w.Group)
	require.NoError(t, err)
	o, ok := resp.Lookup(w.Topic, p)
	require.True(t, ok)
	return o.Metadata
}

func note(r *strRecord) (string, error) { return "note " + r.Value, nil }

// The metadata of an offset is that of the last record before it, also where records are finished
// out of order, or were filtered out.
func TestCommitMetadata(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		w.Write(1, 0, 40)
		src := stream.MapAsyncUnordered(w.ToEnd().CommitWithMetadataSource(note), 8, func(_ context.Context, m *strMessage) (*strMessage, error) {
			return m, nil
		}).Filter(func(m *strMessage) bool { return m.Record.Offset()%7 == 0 })
		require.NoError(t, grouptest.Offsets(src).To(consumer.CommitterSink(settings.NewCommitter(settings.MaxBatch(3)))).Run(t.Context()))
		require.Equal(t, "note 0/99", metadata(t, w, 0))
		require.Equal(t, "note 1/39", metadata(t, w, 1))
		for p := range int32(2) {
			for _, c := range w.Journal.CommitsOf(p, 0) {
				require.Equal(t, fmt.Sprintf("note %d/%d", p, c.Offset-1), c.Metadata)
			}
		}
	})
}

// It is the same with the offset as context.
func TestCommitMetadataWithOffsetContext(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		src := stream.MapWithContext(w.ToEnd().SourceWithOffsetContextAndMetadata(note), func(r *strRecord) string { return r.Value })
		require.NoError(t, stream.Map(src.Pairs(), func(p stream.Pair[string, envelope.Committable]) stream.Pair[string, envelope.Committable] { return p }).
			To(consumer.CommitterSinkWithOffsetContext[string](onlyAtTheEnd())).Run(t.Context()))
		require.EqualValues(t, 100, w.Committed(0))
		require.Equal(t, "note 0/99", metadata(t, w, 0))
	})
}

// Without a function nothing of ours is in it.
func TestCommitWithoutMetadata(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 10)
		require.NoError(t, grouptest.Offsets(w.ToEnd().CommittableSource()).To(consumer.CommitterSink(onlyAtTheEnd())).Run(t.Context()))
		require.NotContains(t, metadata(t, w, 0), "note")
	})
}

// A metadata function that fails, or panics, ends the run when its record's turn comes; those
// before it are delivered and committed.
func TestCommitMetadataFails(t *testing.T) {
	broken := errors.New("no note")
	for name, f := range map[string]func(*strRecord) (string, error){
		"fails":  func(*strRecord) (string, error) { return "", broken },
		"panics": func(*strRecord) (string, error) { panic(broken) },
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
				w.Write(1, 0, 40)
				var got []int64
				src := stream.Map(w.ToEnd().CommitWithMetadataSource(func(r *strRecord) (string, error) {
					if r.Offset() >= 25 {
						return f(r)
					}
					return note(r)
				}), func(m *strMessage) *strMessage {
					got = append(got, m.Record.Offset())
					return m
				})
				err := grouptest.Offsets(src).To(consumer.CommitterSink(onlyAtTheEnd())).Run(t.Context())
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
				require.EqualValues(t, 25, w.Committed(1))
				require.Equal(t, "note 1/24", metadata(t, w, 1))
			})
		})
	}
}

// What the broker finds too long ends the run.
func TestCommitMetadataTooLong(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 10)
		src := w.ToEnd().CommitWithMetadataSource(func(r *strRecord) (string, error) { return fmt.Sprintf("%05000d", r.Offset()), nil })
		err := grouptest.Offsets(src).To(consumer.CommitterSink(onlyAtTheEnd())).Run(t.Context())
		if err == nil { // kfake takes any
			require.Len(t, metadata(t, w, 0), 5000)
			return
		}
		var commit *consumer.CommitError
		require.ErrorAs(t, err, &commit)
	})
}

// After a restart the metadata goes on with what is read then.
func TestCommitMetadataAfterARestart(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		for i := range 4 {
			src := w.Consumer().CommitWithMetadataSource(note).Take(10)
			require.NoError(t, grouptest.Offsets(src).To(consumer.CommitterSink(quickly())).Run(t.Context()))
			require.EqualValues(t, 10*(i+1), w.Committed(0))
			require.Equal(t, "note 0/"+strconv.Itoa(10*(i+1)-1), metadata(t, w, 0))
		}
	})
}
