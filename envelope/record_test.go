package envelope_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/envelope"
)

func TestRecordLiteralLeavesEverythingElseUnset(t *testing.T) {
	rec := envelope.Record[string, int]{Topic: "t", Value: 0}

	n, ok := rec.Partition.Get()
	require.False(t, ok, "no explicit partition")
	require.Zero(t, n)
	key, ok := rec.Key.Get()
	require.False(t, ok, "no key")
	require.Empty(t, key)
	require.False(t, rec.Tombstone, "a zero value is a value, not null")
	require.Nil(t, rec.Headers)
	require.True(t, rec.Timestamp.IsZero())
}

func TestPartitionZeroIsAnExplicitPartition(t *testing.T) {
	n, ok := envelope.ToPartition(0).Get()
	require.True(t, ok)
	require.Zero(t, n)
	require.NotEqual(t, envelope.Partition{}, envelope.ToPartition(0))

	n, ok = envelope.ToPartition(-1).Get()
	require.True(t, ok, "a negative number is a mistake to be reported, not unset")
	require.EqualValues(t, -1, n)
}

func TestOptionalHoldsZeroValues(t *testing.T) {
	var unset envelope.Optional[string]
	require.False(t, unset.IsSet())

	empty := envelope.Some("")
	require.True(t, empty.IsSet())
	v, ok := empty.Get()
	require.True(t, ok)
	require.Empty(t, v)

	require.NotEqual(t, unset, empty)
}

func TestStrings(t *testing.T) {
	require.Equal(t, "unset", envelope.Partition{}.String())
	require.Equal(t, "0", envelope.ToPartition(0).String())
	require.Equal(t, "unset", envelope.Optional[int]{}.String())
	require.Equal(t, "7", envelope.Some(7).String())
}

func TestRecordConstructors(t *testing.T) {
	rec := envelope.New("t", "k", 1)
	require.Equal(t, &envelope.Record[string, int]{Topic: "t", Key: envelope.Some("k"), Value: 1}, rec)

	rec = envelope.Keyless[string]("t", 1)
	require.Equal(t, &envelope.Record[string, int]{Topic: "t", Value: 1}, rec)

	rec = envelope.NewTombstone[int]("t", "k")
	require.Equal(t, &envelope.Record[string, int]{Topic: "t", Key: envelope.Some("k"), Tombstone: true}, rec)
}
