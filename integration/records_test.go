package integration

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/envelope"
)

// mixed makes n different records: of no bytes to 50,000, with keys, empty keys and null keys,
// values, empty values and tombstones, with and without headers and timestamps of their own. Each
// can be told by its number, see numberOf.
func mixed(topic string, n int) []*record {
	recs := make([]*record, n)
	for i := range recs {
		recs[i] = mixedRecord(topic, i)
	}
	return recs
}

func mixedRecord(topic string, i int) *record {
	number := strconv.Itoa(i)
	rec := &record{Topic: topic}
	switch i % 7 {
	case 0: // null
	case 1:
		rec.Key = envelope.Some("")
	default:
		rec.Key = envelope.Some("key-" + strconv.Itoa(i%1000))
	}
	switch {
	case i%11 == 3:
		rec.Tombstone = true
	case i%13 == 5: // empty
	case i%997 == 0:
		rec.Value = number + " " + strings.Repeat("large ", 8000)
	default:
		rec.Value = number + " " + strings.Repeat("x", i*31%700)
	}
	if i%3 == 0 || rec.Value == "" {
		rec.Headers = []envelope.Header{{Key: "number", Value: []byte(number)}, {Key: "empty", Value: []byte{}}, {Key: "number", Value: []byte("again")}}
	}
	if i%5 == 0 {
		rec.Timestamp = time.UnixMilli(1_700_000_000_000 + int64(i))
	}
	return rec
}

func numberOf(rec *kgo.Record) (int, error) {
	if len(rec.Headers) > 0 {
		return strconv.Atoi(string(rec.Headers[0].Value))
	}
	number, _, _ := strings.Cut(string(rec.Value), " ")
	return strconv.Atoi(number)
}

// readAll reads a topic to its end with the plain client.
func readAll(t *testing.T, topic string) []*kgo.Record {
	t.Helper()
	ends, err := kadm.NewClient(kafka.Client(t)).ListEndOffsets(t.Context(), topic)
	require.NoError(t, err)
	require.NoError(t, ends.Error())
	n := 0
	ends.Each(func(o kadm.ListedOffset) { n += int(o.Offset) })
	cl := kafka.Client(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	recs := make([]*kgo.Record, 0, n)
	for len(recs) < n {
		fetches := cl.PollFetches(t.Context())
		require.NoError(t, fetches.Err())
		recs = append(recs, fetches.Records()...)
	}
	require.Len(t, recs, n)
	return recs
}

// checkLog says that the log holds each of the records once, and as it was written; of records of
// one partition with one key, in their order.
func checkLog(t *testing.T, recs []*record, log []*kgo.Record) {
	t.Helper()
	found := make([]bool, len(recs))
	type series struct {
		partition int32
		key       string
	}
	last := map[series]int{}
	for _, got := range log {
		i, err := numberOf(got)
		require.NoError(t, err)
		require.False(t, found[i], "record %d is there twice", i)
		found[i] = true
		require.NoError(t, same(recs[i], got), "record %d", i)
		if got.Key != nil {
			s := series{got.Partition, string(got.Key)}
			before, ok := last[s]
			require.True(t, !ok || before < i, "record %d is behind record %d", i, before)
			last[s] = i
		}
	}
	for i := range found {
		require.True(t, found[i], "record %d is lost", i)
	}
}

// checkNothingLost says that the log holds each of the records, as it was written, and counts those
// that are there more than once.
func checkNothingLost(t *testing.T, recs []*record, log []*kgo.Record) {
	t.Helper()
	found := make([]int, len(recs))
	for _, got := range log {
		i, err := numberOf(got)
		require.NoError(t, err)
		found[i]++
		require.NoError(t, same(recs[i], got), "record %d", i)
	}
	doubled := 0
	for i, n := range found {
		require.NotZero(t, n, "record %d is lost", i)
		doubled += n - 1
	}
	t.Logf("%d doubled", doubled)
}

func same(want *record, got *kgo.Record) error {
	key, keyed := want.Key.Get()
	switch {
	case keyed != (got.Key != nil) || key != string(got.Key):
		return fmt.Errorf("key %q instead of %q (set: %v)", got.Key, key, keyed)
	case want.Tombstone != (got.Value == nil) || want.Value != string(got.Value):
		return fmt.Errorf("value of %d bytes instead of %d, tombstone %v", len(got.Value), len(want.Value), got.Value == nil)
	case !want.Timestamp.IsZero() && !want.Timestamp.Equal(got.Timestamp):
		return fmt.Errorf("timestamp %v instead of %v", got.Timestamp, want.Timestamp)
	case want.Timestamp.IsZero() && time.Since(got.Timestamp).Abs() > time.Hour:
		return fmt.Errorf("timestamp %v instead of now", got.Timestamp)
	case len(want.Headers) != len(got.Headers):
		return fmt.Errorf("%d headers instead of %d", len(got.Headers), len(want.Headers))
	}
	for i, h := range want.Headers {
		if g := got.Headers[i]; g.Key != h.Key || string(g.Value) != string(h.Value) || (g.Value == nil) != (h.Value == nil) {
			return fmt.Errorf("header %q: %q instead of %q: %q", g.Key, g.Value, h.Key, h.Value)
		}
	}
	return nil
}

// checkWhere says that each record is found where its result says that it is. The log is one that
// checkLog has approved.
func checkWhere(t *testing.T, where []envelope.Metadata, log []*kgo.Record) {
	t.Helper()
	if where == nil {
		return
	}
	for _, got := range log {
		i, err := numberOf(got)
		require.NoError(t, err)
		want := envelope.Metadata{
			Topic: got.Topic, Partition: got.Partition, Offset: got.Offset, Timestamp: where[i].Timestamp, KeySize: len(got.Key), ValueSize: len(got.Value),
		}
		if got.Key == nil {
			want.KeySize = -1
		}
		if got.Value == nil {
			want.ValueSize = -1
		}
		require.Equal(t, want, where[i], "record %d", i)
		require.Equal(t, got.Timestamp.UnixMilli(), where[i].Timestamp.UnixMilli(), "record %d", i)
	}
}
