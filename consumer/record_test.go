package consumer_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
)

// Records and messages that were made by hand, for a test of their handler, can be asked for
// everything.
func TestRecordsMadeByHand(t *testing.T) {
	for name, r := range map[string]*strRecord{
		"record": {Key: "k", Value: "v"}, "message": &(&strMessage{Record: strRecord{Key: "k", Value: "v"}}).Record,
		"zero": new(strRecord),
	} {
		t.Run(name, func(t *testing.T) {
			require.Empty(t, r.Topic())
			require.Zero(t, r.Partition())
			require.Zero(t, r.Offset())
			require.EqualValues(t, -1, r.LeaderEpoch())
			require.True(t, r.Timestamp().IsZero())
			require.Empty(t, r.Headers())
			require.True(t, r.HasKey())
			require.False(t, r.Tombstone())
			require.Nil(t, r.RawKey())
			require.Nil(t, r.RawValue())
			require.NoError(t, r.Err())
			require.Nil(t, r.Kgo())
		})
	}
	require.Nil(t, new(strMessage).Offset)
	require.Equal(t, "[0]", consumer.TopicPartition{}.String())
	require.NotEmpty(t, consumer.Lag{}.String())
	require.Equal(t, "unknown", consumer.EventKind(99).String())
}
