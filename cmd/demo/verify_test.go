package main

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/kafkatest"
)

var testTopics = topics{plain: "plain", flexi: "flexi"}

func lineRecord(number int, key, value string) *kgo.Record {
	r := &kgo.Record{Value: []byte(value), Headers: []kgo.RecordHeader{{Key: headerLine, Value: []byte(strconv.Itoa(number))}}}
	if key != "" {
		r.Key = []byte(key)
	}
	return r
}

// perfect is what was sent, and what is found where all is well: ten lines.
func perfect() (*sent, map[string]*found) {
	s := &sent{}
	all := map[string]*found{"plain": {inUse: 1}, "flexi": {inUse: 1}}
	for n := range uint64(10) {
		hash := contents(n+1, false, "", []byte("x"))
		s.lines.add(n+1, hash)
		s.results++
		s.places.add(place(n+1, 0, int64(n)))
		for _, f := range all {
			f.lines.add(n+1, hash)
			f.places.add(place(n+1, 0, int64(n)))
		}
	}
	return s, all
}

func TestCompare(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*sent, map[string]*found)
		says  string // "" where all is well
	}{
		"all is well": {func(*sent, map[string]*found) {}, ""},
		"a record more was sent": {func(s *sent, _ map[string]*found) {
			s.lines.add(11, 1)
			s.results++
		}, "WRONG  missing   1 lines, the first is line 11"},
		"a record twice": {func(_ *sent, f map[string]*found) {
			f["plain"].lines.add(3, contents(3, false, "", []byte("x")))
		}, "WRONG  extra     1 records, 1 of them of lines that are there already"},
		"a line that nobody sent":   {func(_ *sent, f map[string]*found) { f["flexi"].lines.add(4000, 1) }, "WRONG  extra     1 records, 0 of them"},
		"a record of somebody else": {func(_ *sent, f map[string]*found) { f["flexi"].foreign++ }, "WRONG  count     11 records of 10 lines"},
		"other contents":            {func(_ *sent, f map[string]*found) { f["plain"].lines.contents++ }, "WRONG  contents"},
		"disorder":                  {func(_ *sent, f map[string]*found) { f["plain"].disorder = 2 }, "WRONG  order     the lines of each of 1 partitions ascend; 2 do not"},
		"a key elsewhere":           {func(_ *sent, f map[string]*found) { f["plain"].misplaced = 1 }, "WRONG  keys"},
		"a result less":             {func(s *sent, _ map[string]*found) { s.results-- }, "WRONG  results   9,"},
		"results out of order":      {func(s *sent, _ map[string]*found) { s.late++ }, "WRONG  results"},
		"another offset":            {func(s *sent, _ map[string]*found) { s.places++ }, "WRONG  offsets"},
	} {
		t.Run(name, func(t *testing.T) {
			s, f := perfect()
			c.spoil(s, f)
			text := newOutput()
			err := compare(&screen{out: text}, testTopics, s, f)
			if c.says == "" {
				require.NoError(t, err)
				require.NotContains(t, text.String(), "WRONG")
				require.Contains(t, text.String(), "verified: 10 lines")
				return
			}
			require.ErrorIs(t, err, errWrong)
			require.Contains(t, text.String(), c.says)
			require.NotContains(t, text.String(), "verified:")
		})
	}
}

// What is read from a topic is what is in it.
func TestReadTopic(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(partitions, "plain", "none"))
	b := &broker{addrs: k.Addrs(), close: func() {}}
	kafkatest.Produce(t, k, "plain", lineRecord(1, "a", "one"), lineRecord(3, "a", "three"), lineRecord(2, "a", "two"))
	kafkatest.Produce(t, k, "plain", lineRecord(5, "b", "five"), lineRecord(5, "b", "five"), lineRecord(99, "", "beyond"), &kgo.Record{Value: []byte("foreign")})
	var wrong int32
	byKey := kgo.StickyKeyPartitioner(nil).ForTopic("plain")
	for int(wrong) == byKey.Partition(lineRecord(4, "c", ""), partitions) {
		wrong++
	}
	kafkatest.ProduceTo(t, k, "plain", wrong, lineRecord(4, "c", "four"))

	f, err := readTopic(t.Context(), b, "plain", 5, 10*time.Second)
	require.NoError(t, err)
	require.EqualValues(t, 6, f.lines.records)
	require.EqualValues(t, 1, f.lines.repeated)
	require.EqualValues(t, 2, f.foreign, "one of no line, one of a line behind the last")
	require.EqualValues(t, 1, f.misplaced)
	require.GreaterOrEqual(t, f.disorder, uint64(2), "line 2 behind line 3, line 5 behind itself")

	f, err = readTopic(t.Context(), b, "none", 5, 10*time.Second)
	require.NoError(t, err)
	require.Zero(t, f.lines.records)
	_, err = readTopic(t.Context(), b, "missing", 5, 10*time.Second)
	require.Error(t, err)
}

func TestLedger(t *testing.T) {
	var a, b ledger
	for n := range uint64(1000) {
		a.add(n+1, n)
		if n != 700 && n != 63 {
			b.add(n+1, n)
		}
	}
	n, first := a.without(&b)
	require.EqualValues(t, 2, n)
	require.EqualValues(t, 64, first)
	n, _ = b.without(&a)
	require.Zero(t, n)
	require.NotEqual(t, a.contents, b.contents)
	n, first = a.without(&ledger{})
	require.EqualValues(t, 1000, n)
	require.EqualValues(t, 1, first)
}

func TestGrouped(t *testing.T) {
	for n, text := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		require.Equal(t, text, grouped(n), fmt.Sprint(n))
	}
}
