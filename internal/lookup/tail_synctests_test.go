//go:build synctests

package lookup_test

import (
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/internal/lookup"
	"github.com/vicuna-go/vicuna/kafkatest"
)

// A broker that is asked for many partitions leaves out batches for which its answer has no room:
// that is not taken for their absence.
func TestUnreadableBesideLargeBatches(t *testing.T) {
	grouptest.Run(t, 3, func(t *testing.T, w *grouptest.World) {
		for p, size := range map[int32]int{0: 10, 1: 200 << 10} {
			value := make([]byte, size)
			_, _ = rand.Read(value) // what cannot be compressed
			kafkatest.ProduceTo(t, w.Broker, w.Topic, p, &kgo.Record{Value: value})
		}
		q := lookup.New(w.Client(), w.Settings().ConsumerConfig)
		var tails []lookup.Tail
		for p := range int32(3) {
			tails = append(tails, lookup.Tail{Partition: w.At(p), From: 0, End: 1})
		}
		tails[2].End = 0 // nothing was written
		leaders, failed := q.Leaders(t.Context(), tails)
		require.Empty(t, failed)
		require.Len(t, leaders, 1)
		for leader, led := range leaders {
			upTo, failed := q.Unreadable(t.Context(), leader, led)
			require.Empty(t, failed)
			for p := range int32(3) {
				require.Zero(t, upTo[w.At(p)], "partition %d: the record is there", p)
			}
		}
	})
}
