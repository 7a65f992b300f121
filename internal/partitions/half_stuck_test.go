package partitions_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/memory"
)

// With the default budget half of a thousand partitions, and of some thousands, may be stuck, in
// the worst order: one holds all that there is before it lags, and the others come to their records
// afterwards, one by one, and take a fetch when they hold all that they may. There is always
// something left, and each of those that are not stuck has its share of that.
func TestHalfStuckInTheWorstOrder(t *testing.T) {
	const total, records = 128 << 20, 1_000_000 // settings.Budget's default
	for _, n := range []int{16, 500, 700, 1000, 2000, 5000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := newWorld(memory.Load{Bytes: total, Records: records})
			var size memory.FetchSize
			var ofPartition int32
			size.Begin(memory.FetchSizes{
				Total: memory.Load{Bytes: total, Records: records}, Most: total / 8, MostOfPartition: total / 32,
				Set: func(_, part int32) { ofPartition = part },
			})
			size.OnFetchBatchRead(kgo.BrokerMetadata{}, "p", 0, kgo.FetchBatchMetrics{CompressedBytes: 1000, UncompressedBytes: 1000})
			for i := range n {
				p := w.join(fmt.Sprintf("p%d", i))
				w.attach(p, "all")
				w.Locate(p, 0)
			}
			w.carryOut()
			nth := func(i int) *part { return w.every[fmt.Sprintf("p%d", i)] }
			// fetch delivers to a partition what a fetch may bring of it at this moment.
			fetch := func(p *part, bytes int64) {
				w.budget.Charge(bytes, 0)
				p.Flow.load.Bytes += bytes
				w.Delivered(p)
				w.carryOut()
			}
			limit := int64(total * 3 / 8)
			first := nth(0)
			first.Flow.age = 100 * time.Millisecond
			fetch(first, limit)
			require.True(t, w.budget.Full())
			first.Flow.age = time.Second
			require.True(t, w.Strain())
			w.carryOut()
			size.Polled(true, func() memory.Fetching { return memory.Fetching{Brokers: 1, Partitions: n, Strained: true} })
			share := w.budget.Share(n, true).Bytes
			for i := 1; i < n/2; i++ {
				p := nth(i)
				p.Flow.age = time.Second
				fetch(p, share) // as much as it may hold without being paused
				require.False(t, p.PausedForRoom(), "partition %d", i)
				fetch(p, int64(ofPartition))
				require.True(t, p.PausedForRoom(), "partition %d", i)
			}
			require.False(t, w.budget.Exhausted(), "%d of %d bytes are used", w.budget.Used(), 2*limit)
			left := (2*limit - w.budget.Used()) / int64(n/2)
			require.GreaterOrEqual(t, left, int64(ofPartition), "each of the others has room for what a fetch brings of it")
			// all of them at once, and again when that is finished
			for range 3 {
				w.Strain()
				for i := n / 2; i < n; i++ {
					fetch(nth(i), int64(ofPartition))
					require.False(t, nth(i).PausedForRoom(), "partition %d", i)
				}
				for i := n / 2; i < n; i++ {
					w.budget.Free(nth(i).Flow.load.Bytes, 0)
					nth(i).Flow.load.Bytes = 0
				}
				w.Release()
				w.carryOut()
			}
			for i := range n {
				require.Equal(t, i >= n/2, w.fetched[fmt.Sprintf("p%d", i)], "partition %d", i)
			}
		})
	}
}
