package kafkatest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/serde"
)

// ReadAll returns the records that the topic has now, sorted by partition and
// offset. It sees what a careful consumer does: no records of aborted
// transactions, and none from a partition's first open transaction on.
//
// It fails the test where the topic does not exist or cannot be read.
func ReadAll(t testing.TB, k *Broker, topic string) []*kgo.Record {
	t.Helper()
	return visible(k.readLog(t, topic))
}

// ReadAllAs is [ReadAll] with typed records. It fails the test where one cannot be
// deserialised.
func ReadAllAs[K, V any](t testing.TB, k *Broker, topic string, key serde.Deserializer[K], value serde.Deserializer[V]) []Received[K, V] {
	t.Helper()
	return deserializeAll(t, ReadAll(t, k, topic), key, value)
}

// ReadAllUncommitted is [ReadAll] with the records of aborted and open
// transactions.
func ReadAllUncommitted(t testing.TB, k *Broker, topic string) []*kgo.Record {
	t.Helper()
	var recs []*kgo.Record
	for _, rec := range k.readLog(t, topic) {
		if !rec.Attrs.IsControl() {
			recs = append(recs, rec)
		}
	}
	return recs
}

// readLog reads everything up to the high watermarks, transaction markers
// included, sorted.
//
// The client's own read-committed mode would not do: it says nothing of aborted
// records whose marker lies behind an open transaction, so a reader could not tell
// that it has reached the end.
func (k *Broker) readLog(t testing.TB, topic string) []*kgo.Record {
	t.Helper()
	ctx, cancel := k.bounded(t)
	defer cancel()
	starts, ends, err := k.offsets(ctx, t, topic)
	if err != nil {
		t.Fatalf("kafkatest: reading topic %q: %v", topic, err)
	}
	from := make(map[int32]kgo.Offset)
	left := make(map[int32]int64)
	for p, end := range ends {
		if starts[p] < end {
			from[p], left[p] = kgo.NewOffset().At(starts[p]), end
		}
	}
	if len(left) == 0 {
		return nil
	}
	cl := k.client(t,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.KeepControlRecords(),
		kgo.FetchMaxWait(100*time.Millisecond),
	)
	defer cl.Close()
	var recs []*kgo.Record
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			byPosition(recs)
			t.Fatalf("kafkatest: topic %q was not read to its end after %v; partitions and end offsets left: %v; read:%s", topic, k.cfg.patience, left, list(recs))
		}
		fetches.EachRecord(func(rec *kgo.Record) {
			end, ok := left[rec.Partition]
			if !ok || rec.Offset >= end {
				return // came later than the end offsets
			}
			recs = append(recs, rec)
			if rec.Offset == end-1 {
				delete(left, rec.Partition)
			}
		})
	}
	byPosition(recs)
	return recs
}

func (k *Broker) offsets(ctx context.Context, t testing.TB, topic string) (starts, ends map[int32]int64, err error) {
	t.Helper()
	cl := k.client(t)
	defer cl.Close()
	adm := kadm.NewClient(cl)
	s, err := adm.ListStartOffsets(ctx, topic)
	if err == nil {
		err = s.Error()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("its start offsets: %w", err)
	}
	e, err := adm.ListEndOffsets(ctx, topic)
	if err == nil {
		err = e.Error()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("its end offsets: %w", err)
	}
	starts, ends = make(map[int32]int64), make(map[int32]int64)
	s.Each(func(o kadm.ListedOffset) { starts[o.Partition] = o.Offset })
	e.Each(func(o kadm.ListedOffset) { ends[o.Partition] = o.Offset })
	return starts, ends, nil
}

// visible leaves of a sorted log what a read-committed consumer sees.
func visible(log []*kgo.Record) []*kgo.Record {
	type transaction struct {
		partition int32
		producer  int64
	}
	undecided := make(map[transaction][]int) // indexes into log
	aborted := make(map[int]bool)
	for i, rec := range log {
		tx := transaction{rec.Partition, rec.ProducerID}
		switch {
		case rec.Attrs.IsControl():
			if !commits(rec) {
				for _, j := range undecided[tx] {
					aborted[j] = true
				}
			}
			delete(undecided, tx)
		case rec.Attrs.IsTransactional():
			undecided[tx] = append(undecided[tx], i)
		}
	}
	stable := make(map[int32]int64) // partition to its first undecided offset
	for tx, indexes := range undecided {
		first := log[indexes[0]].Offset
		if o, ok := stable[tx.partition]; !ok || first < o {
			stable[tx.partition] = first
		}
	}
	var recs []*kgo.Record
	for i, rec := range log {
		if end, open := stable[rec.Partition]; open && rec.Offset >= end {
			continue
		}
		if !aborted[i] && !rec.Attrs.IsControl() {
			recs = append(recs, rec)
		}
	}
	return recs
}

// commits tells a commit marker from an abort marker: the key is a version and a
// type, two bytes each, and type 1 is a commit.
func commits(marker *kgo.Record) bool {
	return len(marker.Key) >= 4 && binary.BigEndian.Uint16(marker.Key[2:]) == 1
}

// CommittedOffset returns the offset that the group has committed for the
// partition, which is the position of the next record to be read; -1 where there
// is none. Offsets that wait for the end of a transaction do not count.
func CommittedOffset(t testing.TB, k *Broker, group, topic string, partition int32) int64 {
	t.Helper()
	ctx, cancel := k.bounded(t)
	defer cancel()
	cl := k.client(t)
	defer cl.Close()
	resp, err := kadm.NewClient(cl).FetchOffsets(ctx, group)
	if err == nil {
		err = resp.Error()
	}
	if errors.Is(err, kerr.GroupIDNotFound) {
		return -1 // nobody has been in the group yet
	}
	if err != nil {
		t.Fatalf("kafkatest: the committed offsets of group %q: %v", group, err)
	}
	o, ok := resp.Lookup(topic, partition)
	if !ok {
		return -1
	}
	return o.At
}
