package consumer_test

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// What a fetch brings of a partition is for the user to say; the budget only makes it less.
func TestFetchOfAPartitionIsAsTheUserSays(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Fill(2, 0, 1000)
		var largest atomic.Int32
		w.Cluster().ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.Cluster().KeepControl()
			for _, topic := range req.(*kmsg.FetchRequest).Topics {
				for _, p := range topic.Partitions {
					largest.Store(max(largest.Load(), p.PartitionMaxBytes))
				}
			}
			return nil, nil, false
		})
		c := w.ToEnd(settings.ClientOptions(kgo.FetchMaxPartitionBytes(5000)))
		require.NoError(t, c.PlainSource().To(stream.Ignore[*strRecord]()).Run(t.Context()))
		require.EqualValues(t, 5000, largest.Load())
	})
}
