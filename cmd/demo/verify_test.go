package main

import (
	"bytes"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/kafkatest"
)

// world is a broker with what a perfect run of ten lines has left, made by plain clients: a case
// spoils it before it is written.
type world struct {
	sent             ledger
	orders, invoices []*kgo.Record
	committed        map[int32]int64 // as far as it is not the ends
	complete         bool
}

func perfect() *world {
	w := &world{committed: map[int32]int64{}, complete: true}
	for n := uint64(1); n <= 10; n++ {
		key, value := fmt.Sprint("c", n%3), fmt.Appendf(nil, `{"n":%d,"cancelled":%t}`, n, n == 4)
		w.sent.add(n, contents(n, true, key, value))
		w.orders = append(w.orders, lineRecord(n, key, value))
		if invoice, due := bill(value); due {
			w.invoices = append(w.invoices, lineRecord(n, key, invoice))
		}
	}
	return w
}

func lineRecord(number uint64, key string, value []byte) *kgo.Record {
	r := &kgo.Record{Value: value, Headers: []kgo.RecordHeader{{Key: headerLine, Value: strconv.AppendUint(nil, number, 10)}}}
	if key != "" {
		r.Key = []byte(key)
	}
	return r
}

// again is a second record of the same contents: the client writes to those that it is given.
func again(r *kgo.Record) *kgo.Record {
	return &kgo.Record{Key: r.Key, Value: r.Value, Headers: r.Headers}
}

// partitionOf is where a key is.
func partitionOf(key string) int32 {
	return int32(kgo.StickyKeyPartitioner(nil).ForTopic("").Partition(lineRecord(1, key, nil), partitions))
}

// verified writes the world, and lets the verifier judge it.
func (w *world) verified(t *testing.T) (said string, err error) {
	n := names{orders: "orders", invoices: "invoices", group: "group"}
	k := kafkatest.Start(t, kafkatest.Topics(partitions, n.orders, n.invoices))
	kafkatest.Produce(t, k, n.orders, w.orders...)
	for _, r := range w.invoices {
		if r.Partition > 0 { // a place of its own choice, from 1 on
			kafkatest.ProduceTo(t, k, n.invoices, r.Partition-1, r)
		} else {
			kafkatest.Produce(t, k, n.invoices, r)
		}
	}
	b := &broker{addrs: k.Addrs(), close: func() {}}
	ends, err := endOffsets(t.Context(), b, n.orders)
	require.NoError(t, err)
	var offsets kadm.Offsets
	for p, end := range ends {
		if at, other := w.committed[p]; other {
			end = at
		}
		offsets.Add(kadm.Offset{Topic: n.orders, Partition: p, At: end, LeaderEpoch: -1})
	}
	cl, err := kgo.NewClient(k.ClientOptions()...)
	require.NoError(t, err)
	defer cl.Close()
	require.NoError(t, kadm.NewClient(cl).CommitAllOffsets(t.Context(), n.group, offsets))
	out := newOutput()
	v := verifier{broker: b, names: n, patience: 10 * time.Second, out: &screen{out: out}}
	err = v.verify(t.Context(), &w.sent, w.complete)
	return out.String(), err
}

func TestVerifier(t *testing.T) {
	c1 := partitionOf("c1") // lines 1, 4, 7, 10
	others := (c1 + 1) % partitions
	for name, c := range map[string]struct {
		spoil func(*world)
		says  string // "" where all is well
	}{
		"all is well":       {func(*world) {}, ""},
		"an order lost":     {func(w *world) { w.orders = w.orders[:9]; w.invoices = w.invoices[:8] }, "WRONG  missing   1 records, the first is that of line 10"},
		"an order twice":    {func(w *world) { w.orders = append(w.orders, again(w.orders[9])) }, "WRONG  extra     1 records, 1 of them of lines that are there already"},
		"an invoice lost":   {func(w *world) { w.invoices = w.invoices[1:] }, "WRONG  missing   1 records, the first is that of line 1"},
		"an invoice twice":  {func(w *world) { w.invoices = append(w.invoices, again(w.invoices[0])) }, "WRONG  extra     1 records, 1 of them of lines that are there already"},
		"one too many":      {func(w *world) { w.invoices = append(w.invoices, lineRecord(4, "c1", []byte("{}"))) }, "WRONG  extra     1 records, 0 of them"},
		"of no line":        {func(w *world) { w.invoices = append(w.invoices, &kgo.Record{Value: []byte("{}")}) }, "WRONG  extra     1 records, 0 of them"},
		"of an unread line": {func(w *world) { w.invoices = append(w.invoices, lineRecord(1<<40, "c1", nil)) }, "WRONG  extra     1 records, 0 of them"},
		"changed":           {func(w *world) { w.invoices[3].Value = bytes.Replace(w.invoices[3].Value, []byte("5"), []byte("6"), 1) }, "WRONG  contents"},
		"a key less":        {func(w *world) { w.invoices[3].Key = nil }, "WRONG  contents"},
		// both of c1
		"disorder":             {func(w *world) { w.invoices[0], w.invoices[5] = w.invoices[5], w.invoices[0] }, "WRONG  order     the keyed lines of each of"},
		"a key elsewhere":      {func(w *world) { w.invoices[0].Partition = others + 1 }, "WRONG  keys"},
		"committed too little": {func(w *world) { w.committed[c1] = 1 }, "WRONG  commits"},
		"committed nothing":    {func(w *world) { w.committed[c1] = 0 }, "WRONG  commits"},
		"committed beyond":     {func(w *world) { w.committed[c1] = 99 }, "1 partitions are not committed up to their ends"},
		"drained, and committed more than was written": {func(w *world) { w.complete = false; w.invoices = w.invoices[:8] }, "WRONG  missing   1 records, the first is that of line 10"},
		"drained, and written more than was committed": {func(w *world) { w.complete = false; w.committed[c1] = int64(len(inPartition(w.orders, c1)) - 1) }, "WRONG  extra     1 records, 0 of them"},
	} {
		t.Run(name, func(t *testing.T) {
			w := perfect()
			c.spoil(w)
			said, err := w.verified(t)
			if c.says == "" {
				require.NoError(t, err, said)
				require.NotContains(t, said, "WRONG")
				require.Contains(t, said, "verified: 10 lines")
				return
			}
			require.ErrorIs(t, err, errWrong)
			require.Contains(t, said, c.says)
			require.NotContains(t, said, "verified:")
		})
	}
}

// inPartition picks the records whose keys are in the partition.
func inPartition(rs []*kgo.Record, p int32) (there []*kgo.Record) {
	for _, r := range rs {
		if partitionOf(string(r.Key)) == p {
			there = append(there, r)
		}
	}
	return there
}

// What a drain leaves is right when the invoices are those of the committed orders.
func TestVerifierOfADrainedRun(t *testing.T) {
	w := perfect()
	w.complete = false
	p := partitionOf("c1")
	there := inPartition(w.orders, p)
	w.committed[p] = int64(len(there) - 1)
	last, _ := lineOf(there[len(there)-1])
	for i, r := range w.invoices {
		if n, _ := lineOf(r); n == last {
			w.invoices = append(w.invoices[:i], w.invoices[i+1:]...)
			break
		}
	}
	said, err := w.verified(t)
	require.NoError(t, err, said)
	require.Contains(t, said, "9 of 10 orders")
	require.Contains(t, said, "verified: an invoice for each order that is committed, and no others")
}

func TestReadBackFails(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(partitions, "orders"))
	b := &broker{addrs: k.Addrs(), close: func() {}}
	_, err := endOffsets(t.Context(), b, "missing")
	require.Error(t, err)
	err = readTopic(t.Context(), b, "orders", map[int32]int64{0: 1}, 100*time.Millisecond, func(*kgo.Record) {})
	require.ErrorContains(t, err, "no record has come for 100ms, and 1 partitions are not at their ends")
	committed, err := committedOffsets(t.Context(), b, names{orders: "orders", group: "nobody"})
	require.NoError(t, err)
	require.Equal(t, map[int32]int64{0: 0, 1: 0, 2: 0, 3: 0}, committed)
}
