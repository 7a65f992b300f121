//go:build synctests

package consumer_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// putOutAtWork has the group put a member out while it is at work, and its work return when another
// one has committed all n records of both partitions.
func putOutAtWork(t *testing.T, w *grouptest.World, first *grouptest.Member, n int64) {
	t.Helper()
	work := grouptest.NewGate(t)
	first.Start(first.Works(func(ctx context.Context, m *strMessage) error {
		if m.Record.Offset() == 10 {
			return work.Wait(ctx)
		}
		return grouptest.Idle(ctx, 5*time.Millisecond)
	}))
	first.AwaitPartitions(2)
	w.Until("some commits", func() bool { return len(w.Journal.Commits()) > 0 })
	w.PutOut(settings.CooperativeSticky)
	second := w.Member()
	second.Start(second.Works(nil))
	w.AwaitCommitted(0, n)
	w.AwaitCommitted(1, n)
	work.Open()
}

// A member that the group has put out, and that joins anew before it hears of it, is told of a
// revoke by the client. What it has finished is not committed over the new owner's offsets.
func TestCommitOfAMemberThatWasPutOut(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		const n = 1000
		w.Write(0, 0, n)
		w.Write(1, 0, n)
		first := w.Member(settings.HeartbeatInterval(10 * time.Second))
		putOutAtWork(t, w, first, n)
		for range 500 {
			<-time.After(10 * time.Millisecond)
			require.EqualValues(t, n, w.Committed(0), "it went back")
			require.EqualValues(t, n, w.Committed(1), "it went back")
		}
		require.NotEmpty(t, first.Events(consumer.Lost))
	})
}

// What the user commits in the Lost function is refused as well: the member joined anew, and the
// group would take it over what the new owner has committed. So is what he commits later, with what
// an earlier call had given him.
func TestCommitOfLostPartitionsIsRefused(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		const n = 1000
		w.Write(0, 0, n)
		w.Write(1, 0, n)
		var mu sync.Mutex
		var kept *consumer.Restricted
		var refused []error
		lost := make(chan struct{})
		commit := func(r *consumer.Restricted, ps ...consumer.TopicPartition) {
			for _, p := range ps {
				refused = append(refused, r.Commit(t.Context(), map[consumer.TopicPartition]int64{p: 5}))
			}
		}
		first := w.MemberWith([]settings.ConsumerOption{settings.HeartbeatInterval(10 * time.Second)}, consumer.OnRebalance(consumer.Handler{
			Assigned: func(_ context.Context, r *consumer.Restricted, ps []consumer.TopicPartition) error {
				mu.Lock()
				defer mu.Unlock()
				if kept == nil && len(ps) == 2 {
					kept = r
				}
				return nil
			},
			Lost: func(_ context.Context, r *consumer.Restricted, ps []consumer.TopicPartition) error {
				mu.Lock()
				defer mu.Unlock()
				commit(r, ps...)
				close(lost)
				return nil
			},
		}))
		putOutAtWork(t, w, first, n)
		<-lost
		w.Pass(5 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		requireRefused := func(when string) {
			for _, err := range refused {
				var failed *consumer.CommitError
				require.ErrorAs(t, err, &failed, when)
			}
			require.EqualValues(t, n, w.Committed(0), when)
			require.EqualValues(t, n, w.Committed(1), when)
		}
		require.Len(t, refused, 2)
		requireRefused("in the Lost function")
		commit(kept, consumer.TopicPartition{Topic: w.Topic, Partition: 0}, consumer.TopicPartition{Topic: w.Topic, Partition: 1})
		requireRefused("later")
	})
}

// A revoke that comes while the end of a run makes its last commit waits for that: the next owner
// begins after it.
func TestRevokeInTheLastCommit(t *testing.T) {
	for name, code := range map[string]*kerr.Error{"rebalance": kerr.RebalanceInProgress, "loading": kerr.CoordinatorLoadInProgress} {
		t.Run(name, func(t *testing.T) {
			grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
				w.Write(0, 0, 100)
				w.Write(1, 0, 100)
				eager := settings.Protocol(settings.Eager)
				first := w.Member(eager)
				first.Start(first.Works(nil, settings.MaxInterval(time.Hour), settings.MaxBatch(1_000_000), settings.Delivery(settings.SendAndForget)))
				w.Until("all", func() bool { return len(first.Took.Offsets(0)) == 100 && len(first.Took.Offsets(1)) == 100 })
				w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: w.Group, Err: code, Count: 5})
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					_ = first.Run.Drain(t.Context())
				}()
				w.Journal.AwaitAnyCommit(t, 0)
				second := w.Member(eager)
				second.Start(second.Works(nil))
				<-ended
				second.AwaitPartitions(2)
				<-time.After(3 * time.Second)
				require.Empty(t, second.Took.Offsets(0))
				require.Empty(t, second.Took.Offsets(1))
			})
		})
	}
}

// A handler that does not return holds up the client's goroutine, and closing it. The run ends all
// the same, and names it.
func TestHandlerThatNeverReturns(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		hang, in := make(chan struct{}), make(chan struct{})
		c := consumer.New(w.Settings(), consumer.Topics("in"), consumer.OnRebalance(consumer.Handler{
			Assigned: func(context.Context, *consumer.Restricted, []consumer.TopicPartition) error {
				close(in)
				<-hang
				return nil
			},
		}))
		ctl, err := c.PlainSource().To(stream.Ignore[*strRecord]()).Start(context.Background())
		require.NoError(t, err)
		<-in
		began := time.Now()
		grouptest.Stop(ctl)
		require.Less(t, time.Since(began), time.Minute)
		var stuck *stream.StuckError
		require.ErrorAs(t, ctl.Err(), &stuck)
		require.Contains(t, stuck.Error(), "assigned handler")
		close(hang)
		w.Pass(time.Minute) // what was left behind ends
	})
}

// Small records of a stuck partition keep whole responses alive, with the records of its
// neighbours: they do not hold those up.
func TestSmallRecordsOfAStuckPartition(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		c := w.Consumer(settings.Budget(8<<20, 1_000_000), settings.FetchMinBytes(100<<10))
		sink := newStuckSink()
		ctl := w.Start(stream.Each(c.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
			return src.To(stream.ForEach(sink.take(func(r *strRecord) bool { return r.Partition() == 1 })))
		}))
		cl, err := kgo.NewClient(append(w.ClientOptions(), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic("in"))...)
		require.NoError(t, err)
		defer cl.Close()
		sent := 0
		for range 300 {
			recs := []*kgo.Record{{Partition: 1, Value: []byte("x")}}
			for range 30 {
				recs = append(recs, &kgo.Record{Partition: 0, Value: make([]byte, 2000)})
				sent++
			}
			require.NoError(t, cl.ProduceSync(context.Background(), recs...).FirstErr())
			w.Pass(20 * time.Millisecond)
		}
		w.Pass(time.Minute)
		got := sink.of(0)
		close(sink.open)
		require.Equal(t, sent, got)
		ctl.Stop()
	}, grouptest.Broker(kafkatest.Brokers(1)))
}

// refuseCommits refuses commits of some offsets to the group.
func refuseCommits(w *grouptest.World, code *kerr.Error, of func(offset int64) bool) *kfake.FaultHandle {
	return w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: w.Group, Err: code, Count: -1, When: func(r kmsg.Request) bool {
		for _, topic := range r.(*kmsg.OffsetCommitRequest).Topics {
			for _, p := range topic.Partitions {
				if of(p.Offset) {
					return true
				}
			}
		}
		return false
	}})
}

// A commit is on its way, the end of the run waits for its turn to make the last one, and then a
// revoke ends the assignments: what it commits comes after the end's turn. The group is not left
// before that is done, though the group refuses it for longer than leaving takes.
func TestEndWaitsForTheCommitOfARevoke(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		const early, all = 100, 110
		w.Write(0, 0, early)
		w.Write(1, 0, early)
		// the client tries again, in the same turn
		underWay := refuseCommits(w, kerr.CoordinatorLoadInProgress, func(o int64) bool { return o <= early })
		// the client tells at once
		last := refuseCommits(w, kerr.RebalanceInProgress, func(o int64) bool { return o > early })
		eager := settings.Protocol(settings.Eager)
		// One commit is made when the early records are done, and none at intervals: nobody but the
		// revoke is to have a turn after the end.
		first := w.MemberWith([]settings.ConsumerOption{eager}, consumer.CommitsElsewhere(settings.MaxInterval(time.Hour), settings.MaxBatch(2*early)))
		first.Start(first.Handle.CommittableSource().To(stream.ForEach(func(_ context.Context, m *strMessage) error {
			first.Took.Add(&m.Record)
			m.Offset.Commit()
			return nil
		})), stream.CloseTimeout(20*time.Second))
		w.Until("a commit under way", func() bool { return underWay.Hits() > 0 })
		for p := range int32(2) {
			w.Write(p, early, all)
		}
		w.Until("all", func() bool { return len(first.Took.Offsets(0)) == all && len(first.Took.Offsets(1)) == all })
		go func() { _ = first.Run.Drain(context.WithoutCancel(t.Context())) }()
		w.Pass(100 * time.Millisecond) // the end waits for its turn
		second := w.Member(eager)
		second.Start(second.Works(nil))
		w.Pass(2 * time.Second) // the first has heard of it, and the revoke waits for its turn
		underWay.Remove()
		w.Until("the commit of the revoke", func() bool { return last.Hits() > 0 })
		w.Pass(5 * time.Second)
		last.Remove()
		<-first.Run.Done()
		require.ErrorIs(t, first.Run.Err(), stream.ErrDrained)
		second.AwaitPartitions(2)
		w.Pass(3 * time.Second)
		for p := range int32(2) {
			require.EqualValues(t, all, w.Committed(p))
			require.Empty(t, second.Took.Offsets(p), "done twice")
		}
	})
}

// Who ends while a revoke tries to commit waits for that no longer than for its own last commit,
// and nothing is committed after the end of the run: its process may live on, and others have gone
// on from there.
func TestNothingIsCommittedAfterTheEnd(t *testing.T) {
	for after := time.Duration(0); after <= 800*time.Millisecond; after += 100 * time.Millisecond {
		t.Run(after.String(), func(t *testing.T) {
			grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
				const all = 100
				w.Write(0, 0, all)
				w.Write(1, 0, all)
				refused := refuseCommits(w, kerr.CoordinatorLoadInProgress, func(int64) bool { return true })
				eager := settings.Protocol(settings.Eager)
				revoking := make(chan struct{}, 10)
				first := w.MemberWith([]settings.ConsumerOption{eager}, consumer.CommitsElsewhere(settings.MaxInterval(time.Hour), settings.MaxBatch(1_000_000)),
					consumer.OnRebalance(consumer.Handler{Revoking: func(context.Context, *consumer.Restricted, []consumer.TopicPartition) error {
						revoking <- struct{}{}
						return nil
					}}))
				first.Start(first.Handle.CommittableSource().To(stream.ForEach(func(ctx context.Context, m *strMessage) error {
					first.Took.Add(&m.Record)
					if m.Record.Offset() == all-1 {
						if err := grouptest.Idle(ctx, 10*time.Second); err != nil {
							return err
						}
					}
					m.Offset.Commit()
					return nil
				})), stream.CloseTimeout(time.Second))
				w.Until("a call", func() bool { return len(first.Took.Offsets(0))+len(first.Took.Offsets(1)) > all })
				second := w.Member(eager)
				second.Start(second.Works(nil))
				<-revoking
				w.Pass(after)
				began := time.Now()
				first.Stop()
				require.LessOrEqual(t, time.Since(began), 4*time.Second)
				var stuck *stream.StuckError
				require.NotErrorAs(t, first.Run.Err(), &stuck)
				refused.Remove()
				before := len(w.Journal.Commits())
				w.Pass(30 * time.Second)
				for p := range int32(2) {
					for _, c := range w.Journal.CommitsOf(p, before) {
						require.Contains(t, w.MemberIDs(), c.Member, "by one who has ended")
					}
				}
				second.Drain()
			})
		})
	}
}
