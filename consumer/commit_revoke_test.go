package consumer_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// When a revoke has returned, nothing of its partitions is committed by the old owner any more,
// whatever ends later: what was in flight at the deadline, and what the user commits by hand.
func TestCommitNeverBehindARevoke(t *testing.T) {
	for _, protocol := range []settings.GroupProtocol{settings.CooperativeSticky, settings.Eager} {
		t.Run(protocol.String(), func(t *testing.T) {
			onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
				w := newCommitWorld(t, k, 300, 300)
				var mu sync.Mutex
				// when a partition's revoke returned, as a number of commits
				gone := map[int32]int{}
				handler := consumer.Handler{Revoked: func(_ context.Context, _ *consumer.Restricted, ps []consumer.TopicPartition) error {
					mu.Lock()
					defer mu.Unlock()
					for _, p := range ps {
						gone[p.Partition] = len(w.log.of(p.Partition)) // behind the last commit
					}
					return nil
				}}
				opts := []settings.ConsumerOption{
					settings.Protocol(protocol), settings.RevokeTimeout(200 * time.Millisecond), settings.SessionTimeout(3 * time.Second),
				}
				first := consumer.New(w.settings(opts...), consumer.Topics(w.topic), consumer.OnRebalance(handler))
				release := make(chan struct{})
				blocked := make(chan commitMessage, 2)
				var taken []commitMessage
				src := stream.MapAsyncUnordered(first.CommittableSource(), 4, func(_ context.Context, m commitMessage) (commitMessage, error) {
					mu.Lock()
					taken = append(taken, m)
					mu.Unlock()
					if m.Record.Offset() == 150 {
						blocked <- m
						<-release
					}
					return m, nil
				})
				one := w.start(offsets(src).To(consumer.CommitterSink(quickly())))
				<-blocked
				<-blocked
				w.log.await(t, 0, 150)
				w.log.await(t, 1, 150)

				second := consumer.New(w.settings(opts...), consumer.Topics(w.topic))
				two := w.start(offsets(second.CommittableSource()).To(consumer.CommitterSink(quickly())))
				moved := w.log.awaitAny(t, 300) // which the second member reads to its end
				mu.Lock()
				require.Contains(t, gone, moved)
				for _, m := range taken {
					m.Offset.Commit()
				}
				mu.Unlock()
				close(release)
				w.log.await(t, 1-moved, 300)
				require.NoError(t, two.Drain(t.Context()))
				require.NoError(t, one.Drain(t.Context()))
				w.log.neverBack(t)
				all := w.log.of(moved)
				old := all[0].member
				for i, c := range all {
					if c.member == old && i >= gone[moved] && protocol == settings.CooperativeSticky {
						require.Greater(t, c.offset, int64(150), "the old owner has committed behind its revoke")
					}
				}
				require.EqualValues(t, 300, w.committed(moved))
				require.Empty(t, w.rest())
			}, kafkatest.Topics(2, "in"))
		})
	}
}
