//go:build synctests

package consumer_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// commitsSeen counts the commits that the broker sees.
func commitsSeen(k *kafkatest.Broker) *kfake.FaultHandle {
	return k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Observe: true, Count: -1})
}

// slowly gathers one record each time that so much has passed.
func (g *gathered) slowly(each time.Duration) stream.Sink[*strRecord] {
	return stream.ForEach(func(ctx context.Context, r *strRecord) error {
		g.add(r)
		select {
		case <-time.After(each):
		case <-ctx.Done():
		}
		return nil
	})
}

// One commit is made for many records, as many as the user says; with 1, one for each.
func TestAtMostOnceCommitsAhead(t *testing.T) {
	for _, c := range []struct{ ahead, least, most int }{{1, 600, 600}, {10, 60, 120}, {100, 6, 12}, {100_000, 1, 4}} {
		t.Run(fmt.Sprint(c.ahead), func(t *testing.T) {
			withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
				fillPartitions(t, k, "in", 1, 0, 600)
				seen := commitsSeen(k)
				got := newGathered()
				h := consumer.New(readerOf(k), consumer.Topics("in"), consumer.ToEnd())
				require.NoError(t, h.AtMostOnceSource(c.ahead).To(got.sink()).Run(t.Context()))
				got.requireWhole(t, 1, 600)
				require.GreaterOrEqual(t, seen.Hits(), c.least)
				require.LessOrEqual(t, seen.Hits(), c.most)
				require.EqualValues(t, 600, kafkatest.CommittedOffset(t, k, readGroup, "in", 0))
			})
		})
	}
}

// An offset is committed before its record is given out, and no further ahead than the user says.
func TestAtMostOnceStaysInFront(t *testing.T) {
	withTopic(t, 1, func(t *testing.T, k *kafkatest.Broker) {
		const ahead = 8
		fillPartitions(t, k, "in", 1, 0, 100)
		c := consumer.New(readerOf(k), consumer.Topics("in"))
		got := newGathered()
		ctl := begun(t, c.AtMostOnceSource(ahead).To(got.slowly(time.Second)))
		for n := 1; n < 60; n++ {
			becomes(t, "the next one", func() bool { return got.count() >= n })
			committed := kafkatest.CommittedOffset(t, k, readGroup, "in", 0)
			require.GreaterOrEqual(t, committed, int64(n))
			require.LessOrEqual(t, committed, int64(n+ahead))
		}
		drainedAll(t, ctl)
	})
}

// A crash loses what was committed ahead and what was in flight, and doubles nothing.
func TestAtMostOnceCrash(t *testing.T) {
	const n, ahead = 200, 10
	for _, after := range []int{1, 9, 10, 11, 57} {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			withTopic(t, 1, func(t *testing.T, k *kafkatest.Broker) {
				fillPartitions(t, k, "in", 1, 0, n)
				got := newGathered()
				c := consumer.New(readerOf(k, settings.CommitTimeout(time.Second)), consumer.Topics("in"))
				ctl := begun(t, c.AtMostOnceSource(ahead).To(got.slowly(time.Second)))
				becomes(t, "the crash", func() bool { return got.count() == after })
				reachable := k.Refuse()
				ctl.Stop()
				<-ctl.Done()
				reachable()
				first := got.of(0)
				require.Len(t, first, after)
				next := newGathered()
				ctl = begun(t, c.AtMostOnceSource(ahead).To(next.sink()))
				becomes(t, "the last record", func() bool { v := next.of(0); return len(v) > 0 && v[len(v)-1] == fmt.Sprint("0/", n-1) })
				for _, v := range next.of(0) {
					require.NotContains(t, first, v, "doubled")
				}
				require.LessOrEqual(t, n-after-next.count(), ahead, "lost")
				drainedAll(t, ctl)
			})
		})
	}
}

// A clean end gives nothing up, whenever it comes, and whatever is on its way to the broker then;
// the next run goes on with the first record that was not given out.
func TestAtMostOnceDrain(t *testing.T) {
	const n, ahead = 100, 8
	for _, delay := range []time.Duration{0, 300 * time.Millisecond} { // of the brokers' answers
		for ms := 0; ms <= 2400; ms += 150 {
			t.Run(fmt.Sprint(delay, " ", ms), func(t *testing.T) {
				withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
					fillPartitions(t, k, "in", 2, 0, n)
					got := newGathered()
					c := consumer.New(readerOf(k), consumer.Topics("in"))
					ctl := begun(t, c.AtMostOnceSource(ahead).To(got.slowly(100*time.Millisecond)))
					becomes(t, "the first record", func() bool { return got.count() > 0 })
					k.Delay(delay)
					pass(time.Duration(ms) * time.Millisecond)
					drainedAll(t, ctl)
					k.Delay(0)
					before := got.count()
					require.Positive(t, before)
					require.Less(t, before, 2*n)
					for p := range int32(2) {
						if read := len(got.of(p)); read > 0 {
							require.EqualValues(t, read, kafkatest.CommittedOffset(t, k, readGroup, "in", p))
						}
					}
					ctl = begun(t, c.AtMostOnceSource(ahead).To(got.sink()))
					becomes(t, "all", func() bool { return got.count() >= 2*n })
					got.requireWhole(t, 2, n)
					drainedAll(t, ctl)
				})
			})
		}
	}
}

// A partition that goes to another member takes with it what was committed ahead and not given out.
func TestAtMostOnceRevoke(t *testing.T) {
	const n, ahead = 200, 8
	for _, protocol := range []settings.GroupProtocol{settings.CooperativeSticky, settings.Eager, settings.ConsumerProtocol} {
		for _, delay := range []time.Duration{0, 40 * time.Millisecond} {
			t.Run(fmt.Sprint(protocol, " ", delay), func(t *testing.T) {
				withTopic(t, 4, func(t *testing.T, k *kafkatest.Broker) {
					fillPartitions(t, k, "in", 4, 0, n)
					opts := []settings.ConsumerOption{settings.Protocol(protocol)}
					one, two := newGathered(), newGathered()
					first := begun(t, consumer.New(readerOf(k, opts...), consumer.Topics("in")).AtMostOnceSource(ahead).To(one.slowly(30*time.Millisecond)))
					becomes(t, "some", func() bool { return one.count() >= 100 })
					k.Delay(delay)
					second := begun(t, consumer.New(readerOf(k, opts...), consumer.Topics("in")).AtMostOnceSource(ahead).To(two.slowly(30*time.Millisecond)))
					becomes(t, "all", func() bool { return one.count()+two.count() >= 4*n })
					pass(10 * time.Second)
					require.Positive(t, two.count())
					for p := range int32(4) {
						all := append(one.of(p), two.of(p)...)
						slices.Sort(all)
						want := numberedFrom(p, 0, n)
						slices.Sort(want)
						require.Equal(t, want, all, "partition %d", p)
					}
					drainedAll(t, first)
					drainedAll(t, second)
				})
			})
		}
	}
}

// A commit that may succeed later is tried again, and nothing is given out meanwhile; one that is
// refused ends the stream.
func TestAtMostOnceCommitFails(t *testing.T) {
	withTopic(t, 1, func(t *testing.T, k *kafkatest.Broker) {
		fillPartitions(t, k, "in", 1, 0, 50)
		c := consumer.New(readerOf(k), consumer.Topics("in"))
		passing := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.CoordinatorLoadInProgress, Count: -1})
		got := newGathered()
		ctl := begun(t, c.AtMostOnceSource(10).To(got.sink()))
		pass(10 * time.Second)
		require.Positive(t, passing.Hits())
		require.Zero(t, got.count())
		passing.Remove()
		becomes(t, "all", func() bool { return got.count() == 50 })
		drainedAll(t, ctl)

		fillPartitions(t, k, "in", 1, 50, 50)
		refused := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.GroupAuthorizationFailed, Count: 1})
		ctl = begun(t, c.AtMostOnceSource(10).To(got.sink()))
		err := outcome(t, ctl)
		require.ErrorIs(t, err, kerr.GroupAuthorizationFailed)
		var ce *consumer.CommitError
		require.ErrorAs(t, err, &ce)
		require.Equal(t, readGroup, ce.Group)
		require.EqualValues(t, 60, ce.Offset)
		require.Equal(t, 50, got.count())
		require.Equal(t, 1, refused.Hits())
	})
}

// A stream that fails loses what was in flight, and nothing that waited.
func TestAtMostOnceFault(t *testing.T) {
	withTopic(t, 1, func(t *testing.T, k *kafkatest.Broker) {
		fillPartitions(t, k, "in", 1, 0, 100)
		c := consumer.New(readerOf(k), consumer.Topics("in"))
		got := newGathered()
		ctl := begun(t, c.AtMostOnceSource(20).To(stream.ForEach(func(_ context.Context, r *strRecord) error {
			if r.Offset() == 33 {
				return errBad
			}
			got.add(r)
			return nil
		})))
		require.ErrorIs(t, outcome(t, ctl), errBad)
		require.EqualValues(t, 34, kafkatest.CommittedOffset(t, k, readGroup, "in", 0), "the one that failed is gone, the next is not")
	})
}

// Downstream that wants no more gets no more, and loses nothing.
func TestAtMostOnceTake(t *testing.T) {
	withTopic(t, 1, func(t *testing.T, k *kafkatest.Broker) {
		fillPartitions(t, k, "in", 1, 0, 100)
		c := consumer.New(readerOf(k), consumer.Topics("in"))
		got := newGathered()
		for range 10 {
			require.NoError(t, outcome(t, begun(t, c.AtMostOnceSource(6).Take(10).To(got.sink()))))
		}
		got.requireWhole(t, 1, 100)
	})
}

// What is paused is neither committed ahead nor given out.
func TestAtMostOncePause(t *testing.T) {
	withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
		c := consumer.New(readerOf(k), consumer.Topics("in"))
		got := newGathered()
		ctl := begun(t, c.AtMostOnceSource(5).To(got.sink()))
		becomes(t, "an assignment", func() bool { ps, _ := c.Assignment(); return len(ps) == 2 })
		require.NoError(t, c.Pause(at(0)))
		fillPartitions(t, k, "in", 2, 0, 50)
		pass(time.Minute)
		require.Len(t, got.of(1), 50)
		require.Empty(t, got.of(0))
		require.EqualValues(t, -1, kafkatest.CommittedOffset(t, k, readGroup, "in", 0))
		require.NoError(t, c.Resume(at(0)))
		synctest.Wait()
		becomes(t, "all", func() bool { return got.count() == 100 })
		drainedAll(t, ctl)
	})
}

// A commit ahead is carried out, its answer is lost with the connection, and the client's next
// attempt is refused for the moment. A drain sets the offset back, though nothing that is known to
// be committed lies after it.
func TestAnswerOfACommitAheadIsLost(t *testing.T) {
	withTopic(t, 1, func(t *testing.T, k *kafkatest.Broker) {
		const n, ahead = 40, 5
		fillPartitions(t, k, "in", 1, 0, n)
		got := newGathered()
		ctl := begun(t, consumer.New(readerOf(k), consumer.Topics("in")).AtMostOnceSource(ahead).To(got.slowly(10*time.Second)))
		becomes(t, "the first", func() bool { return got.count() == 1 })
		refused := loseAnswer(t, k, 0)
		drained := make(chan error)
		go func() { drained <- ctl.Drain(context.Background()) }()
		<-time.After(time.Millisecond)
		refused.Remove()
		require.NoError(t, <-drained)
		next := newGathered()
		ctl = begun(t, consumer.New(readerOf(k), consumer.Topics("in")).AtMostOnceSource(ahead).To(next.sink()))
		pass(time.Minute)
		require.Equal(t, n, got.count()+next.count())
		drainedAll(t, ctl)
	})
}

// The same, and a second member takes a partition.
func TestAnswerOfACommitAheadIsLostBeforeARevoke(t *testing.T) {
	withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
		const n, ahead = 40, 5
		fillPartitions(t, k, "in", 2, 0, n)
		got := newGathered()
		first := begun(t, consumer.New(readerOf(k), consumer.Topics("in")).AtMostOnceSource(ahead).To(got.slowly(5*time.Second)))
		becomes(t, "both", func() bool { return len(got.of(0)) > 0 && len(got.of(1)) > 0 })
		refused := loseAnswer(t, k, 1)
		next := newGathered()
		second := begun(t, consumer.New(readerOf(k), consumer.Topics("in")).AtMostOnceSource(ahead).To(next.sink()))
		pass(3 * time.Second)
		refused.Remove()
		pass(10 * time.Minute)
		require.Equal(t, 2*n, got.count()+next.count())
		drainedAll(t, first)
		drainedAll(t, second)
	})
}

// loseAnswer lets the next commit of a partition reach the broker, and its answer be lost; further
// commits are refused until the fault is removed.
func loseAnswer(t *testing.T, k *kafkatest.Broker, p int32) *kfake.FaultHandle {
	t.Helper()
	committed := func() int64 { return k.Cluster().GroupInfo(readGroup).Commits["in"][p].Offset }
	before := committed()
	k.Delay(2 * time.Second)
	becomes(t, "the next commit", func() bool { return committed() > before })
	refused := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.RebalanceInProgress, Count: -1})
	k.DropConnections()
	k.Delay(0)
	becomes(t, "the next attempt", func() bool { return refused.Hits() > 0 })
	return refused
}

// A partition goes, and its offset cannot be set back to the first record that was not delivered:
// the next owner begins after what was committed ahead. The run ends with an error that says from
// which offset on records are lost, and not as if they came again.
func TestAtMostOnceCannotSetBack(t *testing.T) {
	withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
		const n, ahead = 40, 5
		fillPartitions(t, k, "in", 2, 0, n)
		got := newGathered()
		c := consumer.New(readerOf(k, settings.CommitTimeout(2*time.Second)), consumer.Topics("in"))
		ctl := begun(t, c.AtMostOnceSource(ahead).To(got.slowly(5*time.Second)))
		becomes(t, "both", func() bool { return len(got.of(0)) > 0 && len(got.of(1)) > 0 })
		refused := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: readGroup, Err: kerr.RebalanceInProgress, Count: -1})
		begun(t, consumer.New(readerOf(k), consumer.Topics("in")).PlainSource().To(stream.Ignore[*strRecord]()))
		err := outcome(t, ctl)
		require.Positive(t, refused.Hits())
		var failed *consumer.CommitError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, readGroup, failed.Group)
		require.Equal(t, "in", failed.Topic)
		require.EqualValues(t, len(got.of(failed.Partition)), failed.Offset, "the first that was not delivered")
		require.Less(t, failed.Offset, kafkatest.CommittedOffset(t, k, readGroup, "in", failed.Partition))
		require.ErrorContains(t, err, "some are never delivered")
	})
}
