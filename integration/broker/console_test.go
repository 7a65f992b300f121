package broker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestParseConsoleLines(t *testing.T) {
	out := "CreateTime:1700000000000\x1fPartition:2\x1fOffset:41\x1fa:1\x1da:\x1c\x1db:x:y\x1fk\x1fline one\nline two\x1e" +
		"LogAppendTime:1700000000001\x1fPartition:0\x1fOffset:0\x1fNO_HEADERS\x1f\x1c\x1f\x1c\x1e" +
		"CreateTime:1700000000002\x1fPartition:0\x1fOffset:1\x1fNO_HEADERS\x1f\x1f\x1e"
	lines, err := parseLines([]byte(out))
	require.NoError(t, err)
	require.Equal(t, []Line{
		{
			Partition: 2, Offset: 41, Timestamp: time.UnixMilli(1_700_000_000_000),
			Headers: []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "a"}, {Key: "b", Value: []byte("x:y")}},
			Key:     []byte("k"), Value: []byte("line one\nline two"),
		},
		{Timestamp: time.UnixMilli(1_700_000_000_001)},
		{Offset: 1, Timestamp: time.UnixMilli(1_700_000_000_002), Key: []byte{}, Value: []byte{}},
	}, lines)
	require.Nil(t, lines[1].Value, "null was read as empty")
	require.NotNil(t, lines[2].Value, "empty was read as null")
}

func TestParseConsoleLinesBroken(t *testing.T) {
	for _, out := range []string{
		"nothing",
		"1\x1fPartition:0\x1fOffset:0\x1fNO_HEADERS\x1fk\x1fv",
		"CreateTime:x\x1fPartition:0\x1fOffset:0\x1fNO_HEADERS\x1fk\x1fv",
		"CreateTime:1\x1f0\x1fOffset:0\x1fNO_HEADERS\x1fk\x1fv",
		"CreateTime:1\x1fPartition:0\x1fx\x1fNO_HEADERS\x1fk\x1fv",
		"CreateTime:1\x1fPartition:0\x1fOffset:0\x1fno header\x1fk\x1fv",
	} {
		_, err := parseLines([]byte(out))
		require.Error(t, err, "%q", out)
	}
}
