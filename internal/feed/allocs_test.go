package feed_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

// way takes elements from the poller to their end.
func way(run *core.Run, in core.Intake[int], a *feed.Assignment[int], vals []int, at feed.Offsets) {
	a.Deliver(feed.Delivery[int]{Vals: vals, Offsets: at})
	c, _ := in.Next()
	for i := range c.Vals {
		run.Ledger.End(c.First+core.Token(i), true)
	}
	in.Taken(len(c.Vals))
}

// From the poller to its end a delivery costs no allocation of the feed's, however its offsets are
// told.
func TestNoAllocationPerDelivery(t *testing.T) {
	run, f, in := bench(feed.Options{Plain: true})
	a := assign(t, f, p0)
	vals := make([]int, feed.MaxChunk)
	offset := int64(0)
	at := func(i int) (int64, int32) { return offset + int64(2*i), 0 }
	for name, offsets := range map[string]func() feed.Offsets{
		"consecutive": func() feed.Offsets { return feed.Offsets{First: offset} },
		"with gaps":   func() feed.Offsets { return feed.Offsets{At: at} },
	} {
		t.Run(name, func(t *testing.T) {
			require.Less(t, testing.AllocsPerRun(1000, func() {
				way(run, in, a, vals, offsets())
				offset += 2 * feed.MaxChunk
			}), 1.0)
		})
	}
}

func BenchmarkDeliver(b *testing.B) {
	run, f, in := bench(feed.Options{Plain: true})
	a, err := f.Assign(p0, tracker.Mark{})
	require.NoError(b, err)
	vals := make([]int, feed.MaxChunk)
	b.ReportAllocs()
	for i := range b.N {
		way(run, in, a, vals, feed.Offsets{First: int64(i) * feed.MaxChunk})
	}
}
