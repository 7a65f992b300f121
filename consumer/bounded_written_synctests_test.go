//go:build synctests

package consumer_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// A bounded run of sub-streams ends however much is written meanwhile to a partition whose
// sub-stream has completed: that lies after its end, and nobody misses it.
func TestToEndWhileMoreIsWritten(t *testing.T) {
	for name, source := range map[string]func(c *strConsumer, f func(context.Context, *strRecord) error) stream.Graph{
		"plain": func(c *strConsumer, f func(context.Context, *strRecord) error) stream.Graph {
			return eachRecord(c.PlainPartitionedSource(), f)
		},
		"committable": func(c *strConsumer, f func(context.Context, *strRecord) error) stream.Graph {
			return eachMessage(c.CommittablePartitionedSource(), f)
		},
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
				w.Fill(2, 0, 20)
				got := &grouptest.Deliveries{}
				gate := make(chan struct{})
				ctl := w.Start(source(w.ToEnd(settings.FetchMaxWait(100*time.Millisecond)), func(_ context.Context, r *strRecord) error {
					if r.Partition() == 1 && r.Offset() == 10 {
						<-gate
					}
					got.Add(r)
					return nil
				}))
				w.Until("the first is read", func() bool { return len(got.Values(0)) == 20 })
				for i := range 20 { // beside what it does when its sub-stream ends, and long after
					w.Fill(1, 20+i, 1)
					w.Pass(200 * time.Millisecond)
				}
				close(gate)
				require.NoError(t, w.Outcome(ctl))
				requireOnce(t, 2, 20, got)
			})
		})
	}
}
