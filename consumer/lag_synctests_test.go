//go:build synctests

package consumer_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// Where everything that can be read is finished there is no lag, and the commit is at the end:
// behind transactions' markers and what was aborted too. A marker is given to nobody.
func TestNoLagBehindMarkers(t *testing.T) {
	for name, c := range map[string]struct {
		write func(t *testing.T, w *grouptest.World)
		reads map[settings.IsolationLevel]int
		end   int64
	}{
		"committed":     {func(t *testing.T, w *grouptest.World) { transact(t, w, "a", 0, 0, 3, &commitIt) }, map[settings.IsolationLevel]int{settings.ReadCommitted: 3, settings.ReadUncommitted: 3}, 4},
		"aborted alone": {func(t *testing.T, w *grouptest.World) { transact(t, w, "a", 0, 0, 3, &abortIt) }, map[settings.IsolationLevel]int{settings.ReadUncommitted: 3}, 4},
		"aborted behind": {func(t *testing.T, w *grouptest.World) {
			transact(t, w, "a", 0, 0, 3, &commitIt)
			transact(t, w, "a", 0, 3, 2, &abortIt)
		}, map[settings.IsolationLevel]int{settings.ReadCommitted: 3, settings.ReadUncommitted: 5}, 7},
	} {
		for _, level := range isolations {
			for source, graph := range committingSources {
				t.Run(name+"/"+level.String()+"/"+source, func(t *testing.T) {
					grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
						c.write(t, w)
						got := &grouptest.Deliveries{}
						h := w.Consumer(settings.Isolation(level))
						ctl := w.Start(graph(h, func(_ context.Context, r *strRecord) error {
							require.NotEmpty(t, r.Value)
							got.Add(r)
							return nil
						}))
						w.Pass(10 * time.Second)
						require.Equal(t, c.reads[level], got.Count())
						lags, err := h.Lag(t.Context())
						require.NoError(t, err)
						require.Len(t, lags, 1)
						require.Zero(t, lags.Behind(), "%v", lags)
						require.EqualValues(t, c.end, w.Committed(0))
						w.Drain(ctl)
						require.EqualValues(t, c.end, w.Committed(0))
					})
				})
			}
		}
	}
}

// A consumer without partitions is not one that has nothing to do: while it joins, and when it was
// put out, its lag is not known. A member that the group has given none to has none.
func TestLagWithoutPartitions(t *testing.T) {
	for _, kind := range grouptest.Protocols {
		t.Run(kind.Name, func(t *testing.T) {
			grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
				w.Fill(1, 0, 10)
				var handles []*strConsumer
				for i := range 2 {
					c := w.Consumer(kind.Member(i)...)
					w.Start(c.PlainSource().To(stream.Ignore[*strRecord]()))
					handles = append(handles, c)
					w.Pass(10 * time.Second)
				}
				n := 0
				for _, c := range handles {
					lags, err := c.Lag(t.Context())
					require.NoError(t, err)
					n += len(lags)
				}
				require.Equal(t, 1, n)
				w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.CoordinatorNotAvailable, Count: -1})
				w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat, kmsg.ConsumerGroupHeartbeat}, Err: kerr.UnknownMemberID, Count: -1})
				w.Pass(10 * time.Second)
				for _, c := range handles {
					_, err := c.Lag(t.Context())
					require.ErrorIs(t, err, consumer.ErrNoAssignment)
				}
			})
		})
	}
}
