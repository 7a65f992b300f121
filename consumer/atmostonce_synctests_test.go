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
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// commitsSeen counts the commits that the broker sees.
func commitsSeen(w *grouptest.World) *kfake.FaultHandle {
	return w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Observe: true, Count: -1})
}

// takeSlowly is a sink of one record each time that so much has passed.
func takeSlowly(g *grouptest.Deliveries, each time.Duration) stream.Sink[*strRecord] {
	return stream.ForEach(func(ctx context.Context, r *strRecord) error {
		g.Add(r)
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
			grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
				w.Fill(1, 0, 600)
				seen := commitsSeen(w)
				got := &grouptest.Deliveries{}
				h := w.ToEnd()
				require.NoError(t, h.AtMostOnceSource(c.ahead).To(got.Sink()).Run(t.Context()))
				got.RequireWhole(t, 1, 600)
				require.GreaterOrEqual(t, seen.Hits(), c.least)
				require.LessOrEqual(t, seen.Hits(), c.most)
				require.EqualValues(t, 600, w.Committed(0))
			})
		})
	}
}

// An offset is committed before its record is given out, and no further ahead than the user says.
func TestAtMostOnceStaysInFront(t *testing.T) {
	grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
		const ahead = 8
		w.Fill(1, 0, 100)
		c := w.Consumer()
		got := &grouptest.Deliveries{}
		ctl := w.Start(c.AtMostOnceSource(ahead).To(takeSlowly(got, time.Second)))
		for n := 1; n < 60; n++ {
			w.Until("the next one", func() bool { return got.Count() >= n })
			committed := w.Committed(0)
			require.GreaterOrEqual(t, committed, int64(n))
			require.LessOrEqual(t, committed, int64(n+ahead))
		}
		w.Drain(ctl)
	})
}

// A crash loses what was committed ahead and what was in flight, and doubles nothing.
func TestAtMostOnceCrash(t *testing.T) {
	const n, ahead = 200, 10
	for _, after := range []int{1, 9, 10, 11, 57} {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
				w.Fill(1, 0, n)
				got := &grouptest.Deliveries{}
				c := w.Consumer(settings.CommitTimeout(time.Second))
				ctl := w.Start(c.AtMostOnceSource(ahead).To(takeSlowly(got, time.Second)))
				w.Until("the crash", func() bool { return got.Count() == after })
				reachable := w.Refuse()
				grouptest.Stop(ctl)
				reachable()
				first := got.Values(0)
				require.Len(t, first, after)
				next := &grouptest.Deliveries{}
				ctl = w.Start(c.AtMostOnceSource(ahead).To(next.Sink()))
				w.Until("the last record", func() bool { v := next.Values(0); return len(v) > 0 && v[len(v)-1] == fmt.Sprint("0/", n-1) })
				for _, v := range next.Values(0) {
					require.NotContains(t, first, v, "doubled")
				}
				require.LessOrEqual(t, n-after-next.Count(), ahead, "lost")
				w.Drain(ctl)
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
				grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
					w.Fill(2, 0, n)
					got := &grouptest.Deliveries{}
					c := w.Consumer()
					ctl := w.Start(c.AtMostOnceSource(ahead).To(takeSlowly(got, 100*time.Millisecond)))
					w.Until("the first record", func() bool { return got.Count() > 0 })
					w.Delay(delay)
					w.Pass(time.Duration(ms) * time.Millisecond)
					w.Drain(ctl)
					w.Delay(0)
					before := got.Count()
					require.Positive(t, before)
					require.Less(t, before, 2*n)
					for p := range int32(2) {
						if read := len(got.Values(p)); read > 0 {
							require.EqualValues(t, read, w.Committed(p))
						}
					}
					ctl = w.Start(c.AtMostOnceSource(ahead).To(got.Sink()))
					w.Until("all", func() bool { return got.Count() >= 2*n })
					got.RequireWhole(t, 2, n)
					w.Drain(ctl)
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
				grouptest.Calmly(t, 4, func(t *testing.T, w *grouptest.World) {
					w.Fill(4, 0, n)
					opts := []settings.ConsumerOption{settings.Protocol(protocol)}
					one, two := &grouptest.Deliveries{}, &grouptest.Deliveries{}
					first := w.Start(w.Consumer(opts...).AtMostOnceSource(ahead).To(takeSlowly(one, 30*time.Millisecond)))
					w.Until("some", func() bool { return one.Count() >= 100 })
					w.Delay(delay)
					second := w.Start(w.Consumer(opts...).AtMostOnceSource(ahead).To(takeSlowly(two, 30*time.Millisecond)))
					w.Until("all", func() bool { return one.Count()+two.Count() >= 4*n })
					w.Pass(10 * time.Second)
					require.Positive(t, two.Count())
					for p := range int32(4) {
						all := append(one.Values(p), two.Values(p)...)
						slices.Sort(all)
						want := grouptest.Values(p, 0, n)
						slices.Sort(want)
						require.Equal(t, want, all, "partition %d", p)
					}
					w.Drain(first)
					w.Drain(second)
				})
			})
		}
	}
}

// A commit that may succeed later is tried again, and nothing is given out meanwhile; one that is
// refused ends the stream.
func TestAtMostOnceCommitFails(t *testing.T) {
	grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Fill(1, 0, 50)
		c := w.Consumer()
		passing := w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.CoordinatorLoadInProgress, Count: -1})
		got := &grouptest.Deliveries{}
		ctl := w.Start(c.AtMostOnceSource(10).To(got.Sink()))
		w.Pass(10 * time.Second)
		require.Positive(t, passing.Hits())
		require.Zero(t, got.Count())
		passing.Remove()
		w.Until("all", func() bool { return got.Count() == 50 })
		w.Drain(ctl)

		w.Fill(1, 50, 50)
		refused := w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.GroupAuthorizationFailed, Count: 1})
		ctl = w.Start(c.AtMostOnceSource(10).To(got.Sink()))
		err := w.Outcome(ctl)
		require.ErrorIs(t, err, kerr.GroupAuthorizationFailed)
		var ce *consumer.CommitError
		require.ErrorAs(t, err, &ce)
		require.Equal(t, w.Group, ce.Group)
		require.EqualValues(t, 60, ce.Offset)
		require.Equal(t, 50, got.Count())
		require.Equal(t, 1, refused.Hits())
	})
}

// A stream that fails loses what was in flight, and nothing that waited.
func TestAtMostOnceFault(t *testing.T) {
	grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Fill(1, 0, 100)
		c := w.Consumer()
		got := &grouptest.Deliveries{}
		ctl := w.Start(c.AtMostOnceSource(20).To(stream.ForEach(func(_ context.Context, r *strRecord) error {
			if r.Offset() == 33 {
				return errBad
			}
			got.Add(r)
			return nil
		})))
		require.ErrorIs(t, w.Outcome(ctl), errBad)
		require.EqualValues(t, 34, w.Committed(0), "the one that failed is gone, the next is not")
	})
}

// Downstream that wants no more gets no more, and loses nothing.
func TestAtMostOnceTake(t *testing.T) {
	grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Fill(1, 0, 100)
		c := w.Consumer()
		got := &grouptest.Deliveries{}
		for range 10 {
			require.NoError(t, w.Outcome(w.Start(c.AtMostOnceSource(6).Take(10).To(got.Sink()))))
		}
		got.RequireWhole(t, 1, 100)
	})
}

// What is paused is neither committed ahead nor given out.
func TestAtMostOncePause(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		c := w.Consumer()
		got := &grouptest.Deliveries{}
		ctl := w.Start(c.AtMostOnceSource(5).To(got.Sink()))
		w.Until("an assignment", func() bool { ps, _ := c.Assignment(); return len(ps) == 2 })
		require.NoError(t, c.Pause(at(0)))
		w.Fill(2, 0, 50)
		w.Pass(time.Minute)
		require.Len(t, got.Values(1), 50)
		require.Empty(t, got.Values(0))
		require.EqualValues(t, -1, w.Committed(0))
		require.NoError(t, c.Resume(at(0)))
		synctest.Wait()
		w.Until("all", func() bool { return got.Count() == 100 })
		w.Drain(ctl)
	})
}

// A commit ahead is carried out, its answer is lost with the connection, and the client's next
// attempt is refused for the moment. A drain sets the offset back, though nothing that is known to
// be committed lies after it.
func TestAnswerOfACommitAheadIsLost(t *testing.T) {
	grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
		const n, ahead = 40, 5
		w.Fill(1, 0, n)
		got := &grouptest.Deliveries{}
		ctl := w.Start(w.Consumer().AtMostOnceSource(ahead).To(takeSlowly(got, 10*time.Second)))
		w.Until("the first", func() bool { return got.Count() == 1 })
		refused := loseAnswer(t, w, 0)
		drained := make(chan error)
		go func() { drained <- ctl.Drain(context.Background()) }()
		<-time.After(time.Millisecond)
		refused.Remove()
		require.NoError(t, <-drained)
		next := &grouptest.Deliveries{}
		ctl = w.Start(w.Consumer().AtMostOnceSource(ahead).To(next.Sink()))
		w.Pass(time.Minute)
		require.Equal(t, n, got.Count()+next.Count())
		w.Drain(ctl)
	})
}

// The same, and a second member takes a partition.
func TestAnswerOfACommitAheadIsLostBeforeARevoke(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		const n, ahead = 40, 5
		w.Fill(2, 0, n)
		got := &grouptest.Deliveries{}
		first := w.Start(w.Consumer().AtMostOnceSource(ahead).To(takeSlowly(got, 5*time.Second)))
		w.Until("both", func() bool { return len(got.Values(0)) > 0 && len(got.Values(1)) > 0 })
		refused := loseAnswer(t, w, 1)
		next := &grouptest.Deliveries{}
		second := w.Start(w.Consumer().AtMostOnceSource(ahead).To(next.Sink()))
		w.Pass(3 * time.Second)
		refused.Remove()
		w.Pass(10 * time.Minute)
		require.Equal(t, 2*n, got.Count()+next.Count())
		w.Drain(first)
		w.Drain(second)
	})
}

// loseAnswer lets the next commit of a partition reach the broker, and its answer be lost; further
// commits are refused until the fault is removed.
func loseAnswer(t *testing.T, w *grouptest.World, p int32) *kfake.FaultHandle {
	t.Helper()
	committed := func() int64 { return w.Cluster().GroupInfo(w.Group).Commits["in"][p].Offset }
	before := committed()
	w.Delay(2 * time.Second)
	w.Until("the next commit", func() bool { return committed() > before })
	refused := w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.RebalanceInProgress, Count: -1})
	w.DropConnections()
	w.Delay(0)
	w.Until("the next attempt", func() bool { return refused.Hits() > 0 })
	return refused
}

// A partition goes, and its offset cannot be set back to the first record that was not delivered:
// the next owner begins after what was committed ahead. The run ends with an error that says from
// which offset on records are lost, and not as if they came again.
func TestAtMostOnceCannotSetBack(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		const n, ahead = 40, 5
		w.Fill(2, 0, n)
		got := &grouptest.Deliveries{}
		c := w.Consumer(settings.CommitTimeout(2 * time.Second))
		ctl := w.Start(c.AtMostOnceSource(ahead).To(takeSlowly(got, 5*time.Second)))
		w.Until("both", func() bool { return len(got.Values(0)) > 0 && len(got.Values(1)) > 0 })
		refused := w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: w.Group, Err: kerr.RebalanceInProgress, Count: -1})
		w.Start(w.Consumer().PlainSource().To(stream.Ignore[*strRecord]()))
		err := w.Outcome(ctl)
		require.Positive(t, refused.Hits())
		var failed *consumer.CommitError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, w.Group, failed.Group)
		require.Equal(t, "in", failed.Topic)
		require.EqualValues(t, len(got.Values(failed.Partition)), failed.Offset, "the first that was not delivered")
		require.Less(t, failed.Offset, w.Committed(failed.Partition))
		require.ErrorContains(t, err, "some are never delivered")
	})
}
