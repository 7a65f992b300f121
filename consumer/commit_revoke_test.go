package consumer_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// When a revoke has returned, nothing of its partitions is committed by the old owner any more,
// whatever ends later: what was in flight at the deadline, and what the user commits by hand.
func TestCommitNeverBehindARevoke(t *testing.T) {
	for _, protocol := range []settings.GroupProtocol{settings.CooperativeSticky, settings.Eager} {
		t.Run(protocol.String(), func(t *testing.T) {
			grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
				w.Write(0, 0, 300)
				w.Write(1, 0, 300)
				var mu sync.Mutex
				// when a partition's revoke returned, as a number of commits
				gone := map[int32]int{}
				handler := consumer.Handler{Revoked: func(_ context.Context, _ *consumer.Restricted, ps []consumer.TopicPartition) error {
					mu.Lock()
					defer mu.Unlock()
					for _, p := range ps {
						// after the last commit
						gone[p.Partition] = len(w.Journal.CommitsOf(p.Partition, 0))
					}
					return nil
				}}
				opts := []settings.ConsumerOption{
					settings.Protocol(protocol), settings.RevokeTimeout(200 * time.Millisecond), settings.SessionTimeout(3 * time.Second),
				}
				first := consumer.New(w.Settings(opts...), consumer.Topics(w.Topic), consumer.OnRebalance(handler))
				release := make(chan struct{})
				blocked := make(chan *strMessage, 2)
				var taken []*strMessage
				src := stream.MapAsyncUnordered(first.CommittableSource(), 4, func(_ context.Context, m *strMessage) (*strMessage, error) {
					mu.Lock()
					taken = append(taken, m)
					mu.Unlock()
					if m.Record.Offset() == 150 {
						blocked <- m
						<-release
					}
					return m, nil
				})
				one := w.Start(grouptest.Offsets(src).To(consumer.CommitterSink(quickly())))
				<-blocked
				<-blocked
				w.Journal.AwaitCommit(t, 0, 150)
				w.Journal.AwaitCommit(t, 1, 150)

				second := consumer.New(w.Settings(opts...), consumer.Topics(w.Topic))
				two := w.Start(grouptest.Offsets(second.CommittableSource()).To(consumer.CommitterSink(quickly())))
				// which the second member reads to its end
				moved := w.Journal.AwaitAnyCommit(t, 300).Partition
				mu.Lock()
				require.Contains(t, gone, moved)
				for _, m := range taken {
					m.Offset.Commit()
				}
				mu.Unlock()
				close(release)
				w.Journal.AwaitCommit(t, 1-moved, 300)
				require.NoError(t, two.Drain(t.Context()))
				require.NoError(t, one.Drain(t.Context()))
				w.Journal.RequireForward(t)
				all := w.Journal.CommitsOf(moved, 0)
				old := all[0].Member
				for i, c := range all {
					if c.Member == old && i >= gone[moved] && protocol == settings.CooperativeSticky {
						require.Greater(t, c.Offset, int64(150), "the old owner has committed after its revoke")
					}
				}
				require.EqualValues(t, 300, w.Committed(moved))
				require.Zero(t, w.Rest().Count())
			})
		})
	}
}
