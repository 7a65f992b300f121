package kafkatest_test

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

func TestNewMessage(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC)
	rec := envelope.New("orders", "nr-1", 3)
	rec.Partition = envelope.ToPartition(2)
	rec.Headers = []envelope.Header{{Key: "h", Value: []byte("v")}}
	rec.Timestamp = at
	m, offset := kafkatest.NewMessage(*rec, 7)
	require.Equal(t, "orders", m.Topic())
	require.EqualValues(t, 2, m.Partition())
	require.EqualValues(t, 7, m.Record.Offset())
	require.EqualValues(t, -1, m.LeaderEpoch())
	require.Equal(t, rec.Headers, m.Headers())
	require.Equal(t, at.Truncate(time.Millisecond), m.Timestamp())
	require.Equal(t, "nr-1", m.Key)
	require.Equal(t, 3, m.Value)
	require.True(t, m.HasKey())
	require.False(t, m.Tombstone())
	require.NoError(t, m.Err())
	require.Same(t, offset, m.Offset)

	m.Offset.Commit()
	m.Offset.Commit()
	require.Equal(t, 2, offset.Commits())
}

func TestNewMessageOfLittle(t *testing.T) {
	before := time.Now().Truncate(time.Millisecond)
	m, _ := kafkatest.NewMessage(*envelope.Keyless[string]("", 3), 0)
	require.False(t, m.HasKey())
	require.False(t, m.Tombstone())
	require.Zero(t, m.Partition())
	require.False(t, m.Timestamp().Before(before))

	gone := envelope.NewTombstone[int]("orders", "nr-1")
	gone.Value = 7 // not looked at
	m, _ = kafkatest.NewMessage(*gone, 1)
	require.True(t, m.HasKey())
	require.True(t, m.Tombstone())
	require.Zero(t, m.Value)
}

// A graph of messages that were made by hand finishes each of them once, and none that has failed.
func TestGraphOfMessages(t *testing.T) {
	var ms []*consumer.CommittableMessage[string, int]
	var offsets []*kafkatest.FakeCommittable
	for i := range 5 {
		m, offset := kafkatest.NewMessage(*envelope.New("orders", "k", i), int64(i))
		ms, offsets = append(ms, m), append(offsets, offset)
	}
	errThird := errors.New("the third is wrong")
	checked := stream.TryMap(stream.FromSlice(ms), func(_ context.Context, m *consumer.CommittableMessage[string, int]) (*consumer.CommittableMessage[string, int], error) {
		if m.Value == 2 {
			return nil, errThird
		}
		return m, nil
	})
	sink := consumer.CommitterSinkOf[*consumer.CommittableMessage[string, int]](settings.NewCommitter())
	require.ErrorIs(t, checked.To(sink).Run(t.Context()), errThird)
	for i, offset := range offsets {
		require.Equal(t, map[bool]int{true: 1}[i < 2], offset.Commits(), "%d", i)
	}
}
