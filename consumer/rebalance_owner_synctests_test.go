//go:build synctests

package consumer_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// putOutAtWork has the group put a member out while it is at work, and its work return when another
// one has committed all n records of both partitions.
func (d *desk) putOutAtWork(first *clerk, n int64) {
	d.t.Helper()
	work := newRelease(d.t)
	first.run(first.copies(func(ctx context.Context, m deskMessage) error {
		if m.Record.Offset() == 10 {
			return work.wait(ctx)
		}
		return idle(ctx, 5*time.Millisecond)
	}))
	first.awaitPartitions(2)
	d.await("some commits", func() bool { return d.commitCount() > 0 })
	putOut(d.t, d.k)
	second := d.clerk()
	second.run(second.copies(nil))
	d.awaitCommitted(0, n)
	d.awaitCommitted(1, n)
	work.now()
}

// A member that the group has put out, and that joins anew before it hears of it, is told of a
// revoke by the client. What it has finished is not committed over the new owner's offsets.
func TestCommitOfAMemberThatWasPutOut(t *testing.T) {
	virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		const n = 1000
		d := newDesk(t, k, n)
		first := d.clerk(settings.HeartbeatInterval(10 * time.Second))
		d.putOutAtWork(first, n)
		for range 500 {
			<-time.After(10 * time.Millisecond)
			require.EqualValues(t, n, d.committed(0), "it went back")
			require.EqualValues(t, n, d.committed(1), "it went back")
		}
		require.NotEmpty(t, first.happened(consumer.Lost))
	})
}

// What the user commits in the Lost function is refused as well: the member joined anew, and the
// group would take it over what the new owner has committed. So is what he commits later, with what
// an earlier call had given him.
func TestCommitOfLostPartitionsIsRefused(t *testing.T) {
	virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		const n = 1000
		d := newDesk(t, k, n)
		var mu sync.Mutex
		var kept *consumer.Restricted
		var refused []error
		lost := make(chan struct{})
		commit := func(r *consumer.Restricted, ps ...consumer.TopicPartition) {
			for _, p := range ps {
				refused = append(refused, r.Commit(t.Context(), map[consumer.TopicPartition]int64{p: 5}))
			}
		}
		first := &clerk{d: d}
		first.handle = consumer.New(d.settings(settings.HeartbeatInterval(10*time.Second)), consumer.Topics(deskTopic), consumer.OnRebalance(consumer.Handler{
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
		d.putOutAtWork(first, n)
		<-lost
		pass(5 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		requireRefused := func(when string) {
			for _, err := range refused {
				var failed *consumer.CommitError
				require.ErrorAs(t, err, &failed, when)
			}
			require.EqualValues(t, n, d.committed(0), when)
			require.EqualValues(t, n, d.committed(1), when)
		}
		require.Len(t, refused, 2)
		requireRefused("in the Lost function")
		commit(kept, consumer.TopicPartition{Topic: deskTopic, Partition: 0}, consumer.TopicPartition{Topic: deskTopic, Partition: 1})
		requireRefused("later")
	})
}

// putOut removes all members of the group, as the broker does when their sessions are over.
func putOut(t *testing.T, k *kafkatest.Broker) {
	cl, err := kgo.NewClient(k.ClientOptions()...)
	require.NoError(t, err)
	defer cl.Close()
	groups, err := kadm.NewClient(cl).DescribeGroups(t.Context(), deskGroup)
	require.NoError(t, err)
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = deskGroup
	for _, m := range groups[deskGroup].Members {
		member := kmsg.NewLeaveGroupRequestMember()
		member.MemberID = m.MemberID
		req.Members = append(req.Members, member)
		req.MemberID = m.MemberID
	}
	_, err = req.RequestWith(t.Context(), cl)
	require.NoError(t, err)
}

// A revoke that comes while the end of a run makes its last commit waits for that: the next owner
// begins behind it.
func TestRevokeInTheLastCommit(t *testing.T) {
	for name, code := range map[string]*kerr.Error{"rebalance": kerr.RebalanceInProgress, "loading": kerr.CoordinatorLoadInProgress} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, k *kafkatest.Broker) {
				d := newDesk(t, k, 100)
				eager := settings.Protocol(settings.Eager)
				first := d.clerk(eager)
				first.run(first.copies(nil, settings.MaxInterval(time.Hour), settings.MaxBatch(1_000_000), settings.Delivery(settings.SendAndForget)))
				d.await("all", func() bool { return len(first.offsetsOf(0)) == 100 && len(first.offsetsOf(1)) == 100 })
				k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: deskGroup, Err: code, Count: 5})
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					_ = first.ctl.Drain(t.Context())
				}()
				<-d.seen
				second := d.clerk(eager)
				second.run(second.copies(nil))
				<-ended
				second.awaitPartitions(2)
				<-time.After(3 * time.Second)
				require.Empty(t, second.offsetsOf(0))
				require.Empty(t, second.offsetsOf(1))
			})
		})
	}
}

// A handler that does not return holds up the client's goroutine, and closing it. The run ends all
// the same, and names it.
func TestHandlerThatNeverReturns(t *testing.T) {
	virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		k.CreateTopic(t, "in", 1)
		hang, in := make(chan struct{}), make(chan struct{})
		c := consumer.New(readerOf(k), consumer.Topics("in"), consumer.OnRebalance(consumer.Handler{
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
		ctl.Stop()
		<-ctl.Done()
		require.Less(t, time.Since(began), time.Minute)
		var stuck *stream.StuckError
		require.ErrorAs(t, ctl.Err(), &stuck)
		require.Contains(t, stuck.Error(), "assigned handler")
		close(hang)
		pass(time.Minute) // what was left behind ends
	})
}

// Small records of a stuck partition keep whole responses alive, with the records of its
// neighbours: they do not hold those up.
func TestSmallRecordsOfAStuckPartition(t *testing.T) {
	withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
		c := consumer.New(readerOf(k, settings.Budget(8<<20, 1_000_000), settings.FetchMinBytes(100<<10)), consumer.Topics("in"))
		sink := newStuckSink()
		ctl := begun(t, stream.Each(c.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
			return src.To(stream.ForEach(sink.take(func(r *strRecord) bool { return r.Partition() == 1 })))
		}))
		cl, err := kgo.NewClient(append(k.ClientOptions(), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic("in"))...)
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
			pass(20 * time.Millisecond)
		}
		pass(time.Minute)
		got := sink.of(0)
		close(sink.open)
		require.Equal(t, sent, got)
		ctl.Stop()
	}, kafkatest.Brokers(1))
}

// refuseCommits refuses commits of some offsets to the desk's group.
func refuseCommits(k *kafkatest.Broker, code *kerr.Error, of func(offset int64) bool) *kfake.FaultHandle {
	return k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: deskGroup, Err: code, Count: -1, When: func(r kmsg.Request) bool {
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
	virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		const early, all = 100, 110
		d := newDesk(t, k, early)
		// the client tries again, in the same turn
		underWay := refuseCommits(k, kerr.CoordinatorLoadInProgress, func(o int64) bool { return o <= early })
		// the client tells at once
		last := refuseCommits(k, kerr.RebalanceInProgress, func(o int64) bool { return o > early })
		eager := settings.Protocol(settings.Eager)
		first := &clerk{d: d}
		// One commit is made when the early records are done, and none at intervals: nobody but the
		// revoke is to have a turn after the end.
		first.handle = consumer.New(d.settings(eager), consumer.Topics(deskTopic), consumer.CommitsElsewhere(settings.MaxInterval(time.Hour), settings.MaxBatch(2*early)))
		first.run(first.handle.CommittableSource().To(stream.ForEach(func(_ context.Context, m deskMessage) error {
			first.note(m)
			m.Offset.Commit()
			return nil
		})), stream.CloseTimeout(20*time.Second))
		d.await("a commit under way", func() bool { return underWay.Hits() > 0 })
		for p := range int32(2) {
			d.write(p, early, all)
		}
		d.await("all", func() bool { return len(first.offsetsOf(0)) == all && len(first.offsetsOf(1)) == all })
		go func() { _ = first.ctl.Drain(context.WithoutCancel(t.Context())) }()
		pass(100 * time.Millisecond) // the end waits for its turn
		second := d.clerk(eager)
		second.run(second.copies(nil))
		pass(2 * time.Second) // the first has heard of it, and the revoke waits for its turn
		underWay.Remove()
		d.await("the commit of the revoke", func() bool { return last.Hits() > 0 })
		pass(5 * time.Second)
		last.Remove()
		<-first.ctl.Done()
		require.ErrorIs(t, first.ctl.Err(), stream.ErrDrained)
		second.awaitPartitions(2)
		pass(3 * time.Second)
		for p := range int32(2) {
			require.EqualValues(t, all, d.committed(p))
			require.Empty(t, second.offsetsOf(p), "done twice")
		}
	})
}

// Who ends while a revoke tries to commit waits for that no longer than for its own last commit,
// and nothing is committed after the end of the run: its process may live on, and others have gone
// on from there.
func TestNothingIsCommittedAfterTheEnd(t *testing.T) {
	for after := time.Duration(0); after <= 800*time.Millisecond; after += 100 * time.Millisecond {
		t.Run(after.String(), func(t *testing.T) {
			virtual(t, func(t *testing.T, k *kafkatest.Broker) {
				const all = 100
				d := newDesk(t, k, all)
				refused := refuseCommits(k, kerr.CoordinatorLoadInProgress, func(int64) bool { return true })
				eager := settings.Protocol(settings.Eager)
				first := &clerk{d: d}
				revoking := make(chan struct{}, 10)
				first.handle = consumer.New(d.settings(eager), consumer.Topics(deskTopic), consumer.CommitsElsewhere(settings.MaxInterval(time.Hour), settings.MaxBatch(1_000_000)),
					consumer.OnRebalance(consumer.Handler{Revoking: func(context.Context, *consumer.Restricted, []consumer.TopicPartition) error {
						revoking <- struct{}{}
						return nil
					}}))
				first.run(first.handle.CommittableSource().To(stream.ForEach(func(ctx context.Context, m deskMessage) error {
					first.note(m)
					if m.Record.Offset() == all-1 {
						if err := idle(ctx, 10*time.Second); err != nil {
							return err
						}
					}
					m.Offset.Commit()
					return nil
				})), stream.CloseTimeout(time.Second))
				d.await("a call", func() bool { return len(first.offsetsOf(0))+len(first.offsetsOf(1)) > all })
				second := d.clerk(eager)
				second.run(second.copies(nil))
				<-revoking
				pass(after)
				began := time.Now()
				first.ctl.Stop()
				<-first.ctl.Done()
				require.LessOrEqual(t, time.Since(began), 4*time.Second)
				var stuck *stream.StuckError
				require.NotErrorAs(t, first.ctl.Err(), &stuck)
				refused.Remove()
				before := d.commitCount()
				pass(30 * time.Second)
				for p := range int32(2) {
					for _, c := range d.commitsOf(p, before) {
						require.Contains(t, d.members(), c.member, "by one who has ended")
					}
				}
				second.drain()
			})
		})
	}
}
