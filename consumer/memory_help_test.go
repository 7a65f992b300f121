package consumer_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/grouptest"
)

// fat writes n records of so many bytes to each of the partitions, in batches of so many;
// compressed, they take a tenth.
func fat(t testing.TB, w *grouptest.World, partitions, n, size, batch int, codec kgo.CompressionCodec) {
	t.Helper()
	for p := range int32(partitions) {
		fatOf(t, w, p, n, size, batch, codec)
	}
}

func fatOf(t testing.TB, w *grouptest.World, p int32, n, size, batch int, codec kgo.CompressionCodec) {
	t.Helper()
	cl, err := kgo.NewClient(append(w.ClientOptions(), kgo.ProducerBatchCompression(codec), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic("in"))...)
	require.NoError(t, err)
	defer cl.Close()
	rng := rand.NewChaCha8([32]byte{byte(p)})
	distinct := size
	if codec != kgo.NoCompression() {
		distinct = size / 10
	}
	for from := 0; from < n; from += batch {
		var recs []*kgo.Record
		for range min(batch, n-from) {
			v := make([]byte, size)
			_, _ = rng.Read(v[:distinct])
			for done := distinct; done < size; done *= 2 {
				copy(v[done:], v[:done])
			}
			recs = append(recs, &kgo.Record{Partition: p, Value: v})
		}
		require.NoError(t, cl.ProduceSync(context.Background(), recs...).FirstErr())
	}
}

// stuckSink does not take records until it is opened; it counts them.
type stuckSink struct {
	open chan struct{}
	mu   sync.Mutex
	by   map[int32]int
}

func newStuckSink() *stuckSink { return &stuckSink{open: make(chan struct{}), by: map[int32]int{}} }

func (s *stuckSink) take(when func(*strRecord) bool) takeRecord {
	return func(ctx context.Context, r *strRecord) error {
		if when(r) {
			select {
			case <-s.open:
			case <-ctx.Done():
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.by[r.Partition()]++
		return nil
	}
}
