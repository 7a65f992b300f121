package grouptest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/consumer"
)

// Value is the value of a numbered record: its partition and its number, and, where it is made of a
// record, which part of that.
func Value(p int32, n int64, part ...string) string {
	v := fmt.Sprintf("%d/%d", p, n)
	if len(part) > 0 && part[0] != "" {
		v += "/" + part[0]
	}
	return v
}

// Values are those of n records of a partition, from a number on.
func Values(p int32, from, n int) (vs []string) {
	for i := range n {
		vs = append(vs, Value(p, int64(from+i)))
	}
	return vs
}

// place is the record that a value is of; false where it is of none.
func place(value string) (p int32, n int64, ok bool) {
	partition, rest, ok := strings.Cut(value, "/")
	number, _, _ := strings.Cut(rest, "/")
	id, err := strconv.ParseInt(partition, 10, 32)
	if err != nil || !ok {
		return 0, 0, false
	}
	n, err = strconv.ParseInt(number, 10, 64)
	return int32(id), n, err == nil
}

// batch is how many records are written at once: partitions mix in what is fetched.
const batch = 50

// Write writes the records of a partition with the numbers from up to end, a batch after the other.
// Where nothing else is written, a record's number is its offset.
func (w *World) Write(p int32, from, end int) {
	w.t.Helper()
	w.write(p, batch, Values(p, from, end-from))
	w.count(p, int64(end))
}

// Fill writes n records to each of the first partitions, with the numbers from one on, each
// partition's in one batch.
func (w *World) Fill(partitions, from, n int) {
	w.t.Helper()
	for p := range int32(partitions) {
		w.write(p, n, Values(p, from, n))
		w.count(p, int64(from+n))
	}
}

// WriteValues writes records to a partition in one batch that are a value and nothing else.
func (w *World) WriteValues(p int32, values ...string) {
	w.t.Helper()
	w.write(p, len(values), values)
}

func (w *World) write(p int32, batch int, values []string) {
	w.t.Helper()
	if len(values) == 0 {
		return
	}
	cl, err := kgo.NewClient(append(w.ClientOptions(),
		kgo.DefaultProduceTopic(w.Topic), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))...)
	require.NoError(w.t, err)
	defer cl.Close()
	for some := range slices.Chunk(values, batch) {
		recs := make([]*kgo.Record, len(some))
		for i, v := range some {
			recs[i] = &kgo.Record{Partition: p, Value: []byte(v)}
		}
		ctx, cancel := context.WithTimeout(context.Background(), outcomeSoon)
		err := cl.ProduceSync(ctx, recs...).FirstErr()
		cancel()
		require.NoError(w.t, err, "writing to %s[%d]", w.Topic, p)
	}
}

func (w *World) count(p int32, end int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent[p] = max(w.sent[p], end)
}

// Next returns the number of the next record of a partition, which counts as sent.
func (w *World) Next(p int32) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.sent[p]
	w.sent[p]++
	return n
}

// Writing writes what next gives, each so often, until stop is called, or the test is over. Of a
// record, partition, key and value count.
func (w *World) Writing(every time.Duration, next func() []*kgo.Record) (stop func()) {
	w.t.Helper()
	cl := w.Client(kgo.DefaultProduceTopic(w.Topic), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))
	quit, done := make(chan struct{}), make(chan struct{})
	stop = sync.OnceFunc(func() {
		close(quit)
		<-done
	})
	w.t.Cleanup(stop)
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			if err := cl.ProduceSync(context.Background(), next()...).FirstErr(); err != nil {
				w.t.Error("writing: ", err)
				return
			}
			select {
			case <-tick.C:
			case <-quit:
				return
			}
		}
	}()
	return stop
}

// Client returns a plain client, which is closed when the test is over.
func (w *World) Client(opts ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	cl, err := kgo.NewClient(append(w.ClientOptions(), opts...)...)
	require.NoError(w.t, err)
	w.t.Cleanup(cl.CloseAllowingRebalance)
	return cl
}

// Admin returns a plain client for what is asked of a cluster.
func (w *World) Admin() *kadm.Client {
	w.t.Helper()
	return kadm.NewClient(w.Client())
}

// Grow gives the topic so many partitions.
func (w *World) Grow(to int) {
	w.t.Helper()
	_, err := w.Admin().UpdatePartitions(context.Background(), to, w.Topic)
	require.NoError(w.t, err)
	w.Partitions = to
}

// At names a partition of the topic.
func (w *World) At(p int32) consumer.TopicPartition {
	return consumer.TopicPartition{Topic: w.Topic, Partition: p}
}

// Committed returns the offset that the group has committed for a partition; -1 where there is
// none.
func (w *World) Committed(p int32) int64 {
	w.t.Helper()
	if g := w.Cluster().GroupInfo(w.Group); g != nil {
		if c, ok := g.Commits[w.Topic][p]; ok {
			return c.Offset
		}
	}
	return -1
}

// AwaitCommitted waits until the group has committed an offset.
func (w *World) AwaitCommitted(p int32, offset int64) {
	w.t.Helper()
	w.Until(fmt.Sprintf("partition %d is committed up to %d", p, offset), func() bool { return w.Committed(p) == offset })
}

// CommitAs commits offsets for a group, as an operator would.
func (w *World) CommitAs(group string, offsets map[int32]int64) {
	w.t.Helper()
	var all kadm.Offsets
	for p, o := range offsets {
		all.AddOffset(w.Topic, p, o, -1)
	}
	resp, err := w.Admin().CommitOffsets(context.Background(), group, all)
	require.NoError(w.t, err)
	require.NoError(w.t, resp.Error())
}

// MemberIDs are those of the group's members, as the broker knows them.
func (w *World) MemberIDs() (ids []string) {
	w.t.Helper()
	if g := w.Cluster().GroupInfo(w.Group); g != nil {
		for _, m := range g.Members {
			ids = append(ids, m.MemberID)
		}
	}
	return ids
}

// State is that of the group, in Kafka's words; empty where there is none.
func (w *World) State() string {
	w.t.Helper()
	if g := w.Cluster().GroupInfo(w.Group); g != nil {
		return g.State
	}
	return ""
}
