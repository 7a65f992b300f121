//go:build synctests

package consumer_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// Fewer than half of many partitions are stuck, or paused, each with less than the least that is a
// part: together they have used the budget up, and the others go on all the same.
func TestManyStuckWithLittle(t *testing.T) {
	for _, paused := range []bool{false, true} {
		t.Run(fmt.Sprint("paused ", paused), func(t *testing.T) {
			grouptest.Calmly(t, 200, func(t *testing.T, w *grouptest.World) {
				const stuck, few = 80, 40
				c := w.Consumer(settings.Budget(8<<20, 1_000_000))
				sink, h := newStuckSink(), &held{}
				ctl := w.Start(stream.Each(c.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
					return src.To(stream.ForEach(sink.take(func(r *strRecord) bool { return r.Partition() < stuck })))
				}))
				w.Pass(5 * time.Second)
				fat(t, w, stuck, few, 1000, 10, kgo.GzipCompression()) // 40 KB each: 3.2 MB
				w.Pass(5 * time.Second)
				m := h.look(t, c)
				t.Logf("held %d bytes %d outstanding %d fetched %d", m.Held, m.OutstandingBytes, m.Outstanding, m.Fetched)
				if paused {
					for p := range int32(stuck) {
						require.NoError(t, c.Pause(at(p)))
					}
				}
				for p := int32(stuck); p < 200; p++ {
					fatOf(t, w, p, few, 1000, 10, kgo.GzipCompression())
				}
				w.Pass(time.Minute)
				m = h.look(t, c)
				require.Equal(t, few*(200-stuck), sink.count(), "held %d bytes %d outstanding %d fetched %d", m.Held, m.OutstandingBytes, m.Outstanding, m.Fetched)
				ctl.Stop()
			})
		})
	}
}

// The same in records, with two partitions and one stuck.
func TestStuckWithFewRecords(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		c := w.Consumer(settings.Budget(8<<20, 20))
		sink, h := newStuckSink(), &held{}
		ctl := w.Start(stream.Each(c.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
			return src.To(stream.ForEach(sink.take(func(r *strRecord) bool { return r.Partition() == 0 })))
		}))
		w.Pass(2 * time.Second)
		fatOf(t, w, 0, 12, 1000, 12, kgo.GzipCompression())
		w.Pass(2 * time.Second)
		fatOf(t, w, 1, 12, 1000, 1, kgo.GzipCompression())
		w.Pass(time.Minute)
		m := h.look(t, c)
		require.Equal(t, 12, sink.count(), "held %d bytes %d outstanding %d fetched %d", m.Held, m.OutstandingBytes, m.Outstanding, m.Fetched)
		ctl.Stop()
	})
}

// Records of one partition are stuck, and each keeps a whole response alive; the others go on. At
// least once, and at most once.
func TestStuckRecordsPinResponses(t *testing.T) {
	for _, amo := range []bool{false, true} {
		name := "plain"
		if amo {
			name = "atmostonce"
		}
		t.Run(name, func(t *testing.T) {
			grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
				c := w.Consumer(settings.Budget(8<<20, 1_000_000))
				sink, h := newStuckSink(), &held{}
				src := c.PlainSource()
				if amo {
					src = c.AtMostOnceSource(10_000)
				}
				take := sink.take(func(r *strRecord) bool { return r.Partition() == 0 })
				ctl := w.Start(stream.MapAsyncUnordered(src, 64, func(ctx context.Context, r *strRecord) (struct{}, error) {
					return struct{}{}, take(ctx, r)
				}).To(stream.Ignore[struct{}]()))
				w.Pass(2 * time.Second)
				total := 0
				for range 30 { // in each response one small record of 0, and much of 1
					require.NoError(t, c.Pause())
					fatOf(t, w, 0, 1, 100, 1, kgo.NoCompression())
					fatOf(t, w, 1, 200, 1000, 50, kgo.NoCompression())
					total += 200
					w.Pass(300 * time.Millisecond)
					require.NoError(t, c.Resume())
					w.Pass(700 * time.Millisecond)
				}
				w.Pass(time.Minute)
				m := h.look(t, c)
				require.Equal(t, total, sink.of(1), "held %d bytes %d outstanding %d fetched %d", m.Held, m.OutstandingBytes, m.Outstanding, m.Fetched)
				ctl.Stop()
			})
		})
	}
}
