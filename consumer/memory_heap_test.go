package consumer_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What a run whose sink is stuck takes in memory is about its budget, however much there is to
// read.
func TestHeapStaysWithinTheBudget(t *testing.T) {
	const budget = 16 << 20
	for name, codec := range map[string]kgo.CompressionCodec{"uncompressed": kgo.NoCompression(), "compressed": kgo.GzipCompression()} {
		t.Run(name, func(t *testing.T) {
			grouptest.Calmly(t, 4, func(t *testing.T, w *grouptest.World) {
				fat(t, w, 4, 10_000, 2000, 50, codec) // 80 MB
				before := heapInUse()
				c := w.Consumer(settings.Budget(budget, 1_000_000))
				sink := newStuckSink()
				ctl := w.Start(c.PlainSource().To(stream.ForEach(sink.take(func(*strRecord) bool { return true }))))
				full := func() bool {
					m, err := c.Metrics()
					// fetched ahead, where anything is fetched
					return err == nil && m.OutstandingBytes > budget*3/8 && (m.BufferedBytes > 0 || m.Held == 4)
				}
				for waiting := time.After(30 * time.Second); !full(); {
					select {
					case <-waiting:
						m, _ := c.Metrics()
						t.Fatalf("the budget is not made use of: %+v", m)
					case <-time.After(time.Millisecond):
					}
				}
				grown := heapInUse() - before
				t.Logf("%d MB", grown>>20)
				require.Less(t, grown, int64(budget*3/2))
				require.Greater(t, grown, int64(budget/4))
				close(sink.open)
				grouptest.Stop(ctl)
			})
		})
	}
}
