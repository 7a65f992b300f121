//go:build synctests

package consumer_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// A partition that has much to read, and is slow at it, does not keep others' records waiting that
// come now and then.
func TestBacklogBesideATrickle(t *testing.T) {
	for _, each := range []time.Duration{time.Millisecond, 400 * time.Microsecond, 200 * time.Microsecond, 100 * time.Microsecond} {
		t.Run(each.String(), func(t *testing.T) {
			grouptest.Calmly(t, 8, func(t *testing.T, w *grouptest.World) {
				fat(t, w, 1, 60_000, 1000, 500, kgo.GzipCompression())
				cl, err := kgo.NewClient(append(w.ClientOptions(), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic("in"), kgo.ProducerLinger(0))...)
				require.NoError(t, err)
				defer cl.Close()
				// Without sessions: the embedded broker's answer in the same order each time, and a
				// real one's begin with another partition.
				c := w.Consumer(settings.Budget(8<<20, 1_000_000), settings.FetchMaxWait(50*time.Millisecond), settings.ClientOptions(kgo.DisableFetchSessions()))
				var mu sync.Mutex
				var late []time.Duration
				backlog := 0
				ctl := w.Start(stream.Each(c.PlainPartitionedSource(), 0, func(p consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
					return src.To(stream.ForEach(func(_ context.Context, r *strRecord) error {
						if p.Partition == 0 {
							<-time.After(each)
						}
						mu.Lock()
						defer mu.Unlock()
						if p.Partition == 0 {
							backlog++
							return nil
						}
						at, err := strconv.ParseInt(r.Value, 10, 64)
						late = append(late, time.Since(time.Unix(0, at)))
						return err
					}))
				}))
				w.Pass(time.Second)
				for i := range 30 {
					now := strconv.FormatInt(time.Now().UnixNano(), 10)
					require.NoError(t, cl.ProduceSync(context.Background(), &kgo.Record{Partition: int32(1 + i%7), Value: []byte(now)}).FirstErr())
					w.Pass(97 * time.Millisecond)
				}
				w.Pass(time.Second)
				mu.Lock()
				defer mu.Unlock()
				require.Less(t, backlog, 60_000, "the backlog is still there")
				require.Len(t, late, 30)
				require.LessOrEqual(t, slices.Max(late), 500*time.Millisecond)
				ctl.Stop()
			})
		})
	}
}

// Half of the partitions get stuck, one after the other, and nobody else stands still for it: what
// one may hold of the budget is bounded in bytes and in records.
func TestManyStuckPartitions(t *testing.T) {
	const partitions, stuck, n = 16, 8, 4000
	for name, budget := range map[string]settings.ConsumerOption{"bytes": settings.Budget(8<<20, 1_000_000), "records": settings.Budget(128<<20, 10_000)} {
		t.Run(name, func(t *testing.T) {
			grouptest.Calmly(t, partitions, func(t *testing.T, w *grouptest.World) {
				fat(t, w, partitions, n, 1000, 50, kgo.GzipCompression())
				c := w.Consumer(budget)
				sink, h := newStuckSink(), &held{}
				ctl := w.Start(stream.Each(c.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
					return src.Filter(func(*strRecord) bool { <-time.After(2 * time.Millisecond); return true }).
						To(stream.ForEach(sink.take(func(r *strRecord) bool { return r.Partition() < stuck && r.Offset() >= 20+400*int64(r.Partition()) })))
				}))
				others := func() (n int) {
					for p := stuck; p < partitions; p++ {
						n += sink.of(int32(p))
					}
					return n
				}
				last, moved := 0, time.Now()
				for others() < (partitions-stuck)*n {
					w.Pass(50 * time.Millisecond)
					if _, err := c.Assignment(); err == nil {
						h.look(t, c)
					}
					if now := others(); now > last {
						last, moved = now, time.Now()
					}
					require.Less(t, time.Since(moved), 2*time.Second, fmt.Sprint("the others stand still at ", last))
				}
				if name == "bytes" {
					require.LessOrEqual(t, h.bytes+h.buffered, int64(8<<20)+1<<20)
				}
				close(sink.open)
				ctl.Stop()
			})
		})
	}
}

// Partitions get stuck one after the other, each when it alone has something to read and could take
// all: what is left over is for those that have nothing.
func TestStuckOneAfterAnother(t *testing.T) {
	const partitions, stuck, few = 16, 8, 500
	for name, c := range map[string]struct {
		budget         settings.ConsumerOption
		n, size, batch int
	}{
		"bytes":   {settings.Budget(8<<20, 1_000_000), 6000, 1000, 50},
		"records": {settings.Budget(128<<20, 10_000), 20_000, 20, 500},
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.Calmly(t, partitions, func(t *testing.T, w *grouptest.World) {
				reader := w.Consumer(c.budget)
				sink := newStuckSink()
				ctl := w.Start(stream.Each(reader.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
					return src.To(stream.ForEach(sink.take(func(r *strRecord) bool { return r.Partition() < stuck })))
				}))
				for p := range int32(stuck) {
					fatOf(t, w, p, c.n, c.size, c.batch, kgo.GzipCompression())
					w.Pass(3 * time.Second)
				}
				for p := int32(stuck); p < partitions; p++ {
					fatOf(t, w, p, few, c.size, c.batch, kgo.GzipCompression())
					w.Pass(time.Second)
					require.Equal(t, few, sink.of(p), p)
				}
				close(sink.open)
				ctl.Stop()
			})
		})
	}
}
