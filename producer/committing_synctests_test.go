//go:build synctests

package producer_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
	"github.com/vicuna-go/vicuna/stream/streamtest"
)

// consuming is a tracked source of one partition with a group that tells what is committable.
func consuming(records int) (*streamtest.TrackedSource[string], *group) {
	src := streamtest.NewTracked[string](1)
	for range records {
		src.Append(0, "v")
	}
	return src, &group{now: func() int64 { return src.Committed(0) }}
}

// When the batch is full its offsets are committed, without the interval: after so many envelopes
// of whatever kind, when the last of them is done.
func TestFullBatchWakesTheConsumer(t *testing.T) {
	rec := *envelope.New("out", "k", "v")
	single := func(o committable) offsetEnv { return envelope.Single(rec, o) }
	through := func(o committable) offsetEnv { return envelope.PassThrough[string, string](o) }
	multi := func(n int) func(o committable) offsetEnv {
		return func(o committable) offsetEnv { return envelope.Multi([]record{rec, rec, rec}[:n], o) }
	}
	for name, c := range map[string]struct {
		kinds []func(committable) offsetEnv
		batch int
		wakes []int64
		sent  int
	}{
		"messages":                     {[]func(committable) offsetEnv{single, single, single, single, single}, 2, []int64{2, 4}, 5},
		"less than a batch":            {[]func(committable) offsetEnv{single, single}, 3, nil, 2},
		"a message and a pass-through": {[]func(committable) offsetEnv{single, through}, 2, []int64{2}, 1},
		"pass-throughs":                {[]func(committable) offsetEnv{through, through, through}, 2, []int64{2}, 0},
		"multi-messages":               {[]func(committable) offsetEnv{multi(2), multi(2)}, 2, []int64{2}, 4},
		"empty multi-messages":         {[]func(committable) offsetEnv{multi(0), multi(0)}, 2, []int64{2}, 0},
		"each by itself":               {[]func(committable) offsetEnv{single, multi(3), single}, 1, []int64{1, 2, 3}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
				src, g := consuming(len(c.kinds))
				ctl := grouptest.Start(t, stream.Map(of(g, src.Source()), func(m *consumed) offsetEnv {
					return c.kinds[m.Offset](m)
				}).To(producer.CommittableSink(sets(k, settings.Linger(0)), often(c.batch))))
				rest()
				armed, wakes, ends := g.told()
				require.Equal(t, 1, armed)
				require.Equal(t, c.wakes, wakes)
				require.Empty(t, ends)
				require.Len(t, kafkatest.ReadAll(t, k, "out"), c.sent)
				require.NoError(t, ctl.Drain(t.Context()))
				_, _, ends = g.told()
				require.Equal(t, []int64{int64(len(c.kinds))}, ends)
			}, kafkatest.Topics(1, "out"))
		})
	}
}

// On completion the offsets are committed, and the run waits for that, once: after the last
// acknowledgement.
func TestCompletionFlushesTheConsumer(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		for name, end := range ends(sets(k), often(1000), "out") {
			src, g := consuming(10)
			src.End()
			answer := make(chan struct{})
			g.end = func(context.Context) error {
				<-answer
				return nil
			}
			release := k.HoldAcks("out")
			ctl := grouptest.Start(t, end(of(g, src.Source())))
			rest()
			_, wakes, ends := g.told()
			require.Empty(t, ends, "completed, and not acknowledged: %s", name)
			release()
			rest()
			_, _, ends = g.told()
			require.Equal(t, []int64{10}, ends, name)
			select {
			case <-ctl.Done():
				require.Fail(t, "the run is over, and its offsets are not committed", name)
			default:
			}
			close(answer)
			<-ctl.Done()
			require.NoError(t, ctl.Err())
			require.Empty(t, wakes)
			_, _, ends = g.told()
			require.Len(t, ends, 1)
		}
	}, kafkatest.Topics(1, "out"))
}

// Without acknowledgement of commits nobody waits.
func TestSendAndForget(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		for name, end := range ends(sets(k), often(1000, settings.Delivery(settings.SendAndForget)), "out") {
			src, g := consuming(10)
			src.End()
			require.NoError(t, end(of(g, src.Source())).Run(t.Context()), name)
			_, wakes, ends := g.told()
			require.Equal(t, []int64{10}, wakes)
			require.Empty(t, ends)
		}
	}, kafkatest.Topics(1, "out"))
}

// Without elements there is nothing to commit, and nothing to wait for.
func TestCommittingNothing(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		for name, end := range ends(sets(k), often(1), "out") {
			src, g := consuming(0)
			src.End()
			require.NoError(t, end(of(g, src.Source())).Run(t.Context()), name)
			armed, wakes, ends := g.told()
			require.Equal(t, 1, armed)
			require.Empty(t, wakes)
			require.Equal(t, []int64{0}, ends)
			require.NoError(t, end(stream.FromSlice[*consumed](nil)).Run(t.Context()), "and no consumer")
		}
	}, kafkatest.Topics(1, "out"))
}

// Elements that are filtered out reach no sink: the consumer commits by its settings all the same.
func TestFilteredOutElementsAreCommitted(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		src, g := consuming(100)
		src.End()
		none := of(g, src.Source()).Filter(func(m *consumed) bool { return m.Offset == 50 })
		require.NoError(t, stream.Map(none, func(m *consumed) offsetEnv {
			return envelope.Single[string, string, committable](*envelope.New("out", "k", "v"), m)
		}).To(producer.CommittableSink(sets(k), often(1000))).Run(t.Context()))
		_, _, ends := g.told()
		require.Equal(t, []int64{100}, ends)
		require.Len(t, kafkatest.ReadAll(t, k, "out"), 1)
	}, kafkatest.Topics(1, "out"))
}

// A fault upstream: what was done is committed, by the consumer at its end, and the fault is what
// the run returns.
func TestUpstreamFailureKeepsWhatWasDone(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		src, g := consuming(10)
		goOn := make(chan struct{})
		failing := stream.TryMap(of(g, src.Source()), func(_ context.Context, m *consumed) (offsetEnv, error) {
			if m.Offset == 7 {
				<-goOn
				return nil, errDownstream
			}
			return envelope.Single[string, string, committable](*envelope.New("out", "k", "v"), m), nil
		})
		ctl := grouptest.Start(t, failing.To(producer.CommittableSink(sets(k), often(1000))))
		rest()
		close(goOn)
		<-ctl.Done()
		requireStage(t, ctl.Err(), "tryMap")
		require.ErrorIs(t, ctl.Err(), errDownstream)
		require.EqualValues(t, 7, src.Committed(0))
		_, wakes, ends := g.told()
		require.Empty(t, wakes)
		require.Empty(t, ends)
	}, kafkatest.Topics(1, "out"))
}

// Offsets that cannot be committed at the end fail the run, whoever tells it first.
func TestFailedCommitAtTheEnd(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		for name, end := range ends(sets(k), often(1000), "out") {
			src, g := consuming(10)
			src.End()
			g.end = func(context.Context) error { return errCommit }
			err := end(of(g, src.Source())).Run(t.Context())
			require.ErrorIs(t, err, errCommit, name)
			var s *stream.StageError
			require.ErrorAs(t, err, &s)
			require.Contains(t, s.Stage, "committableSink")
			require.False(t, s.Located, "it is no record's fault: %v", err)
		}
	}, kafkatest.Topics(1, "out"))
}

// A stop does not wait for a commit that is not answered, and a drain only for so long.
func TestCommitThatIsNotAnswered(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		unanswered := func() *stream.Control {
			src, g := consuming(10)
			src.End()
			g.end = func(ctx context.Context) error {
				<-ctx.Done()
				return context.Cause(ctx)
			}
			ctl := grouptest.Start(t, ends(sets(k), often(1000), "out")["CommittableSink"](of(g, src.Source())))
			rest()
			_, _, ends := g.told()
			require.Equal(t, []int64{10}, ends)
			return ctl
		}
		ctl := unanswered()
		at := time.Now()
		ctl.Stop()
		<-ctl.Done()
		require.Zero(t, time.Since(at))
		require.ErrorIs(t, ctl.Err(), stream.ErrStopped)

		ctl = unanswered()
		at = time.Now()
		require.ErrorIs(t, ctl.Drain(context.Background()), stream.ErrDrainTimeout)
		require.Equal(t, stream.DefaultDrainTimeout, time.Since(at))
	}, kafkatest.Topics(1, "out"))
}

// The sink stands in a child run, as behind a partitioned source, and the consumer's group around
// it.
func TestCommittableSinkInAChild(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		g := &group{}
		subs := []stream.Sub[int, *record]{}
		for i := range 3 {
			subs = append(subs, stream.Sub[int, *record]{Key: i, Source: stream.FromSlice(numbered("out", 10))})
		}
		require.NoError(t, stream.Each(of(g, stream.FromSlice(subs)), 1, func(_ int, s stream.Source[*record]) stream.Graph {
			return stream.Map(s, func(r *record) offsetEnv { return envelope.Single[string, string, committable](*r, nil) }).
				To(producer.CommittableSink(sets(k), often(5)))
		}).Run(t.Context()))
		armed, wakes, ends := g.told()
		require.Equal(t, 3, armed, "by each child's")
		require.Len(t, wakes, 6)
		require.Len(t, ends, 3)
	}, kafkatest.Topics(1, "out"))
}

// A consumer in another graph is armed by the first of its offsets, woken and flushed like the own
// one; offsets are finished, not committed.
func TestOffsetsOfAnotherGraph(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		a, b := &group{}, &group{}
		var mu sync.Mutex
		var offsets []*position
		in := make(chan offsetEnv)
		ctl := grouptest.Start(t, stream.FromChan(in).To(producer.CommittableSink(sets(k, settings.Linger(0)), often(4))))
		send := func(g *group, make func(o committable) offsetEnv) {
			p := &position{g: g}
			mu.Lock()
			offsets = append(offsets, p)
			mu.Unlock()
			in <- make(p)
		}
		single := func(o committable) offsetEnv { return envelope.Single(*envelope.New("out", "k", "v"), o) }
		through := func(o committable) offsetEnv { return envelope.PassThrough[string, string](o) }
		rest()
		armed, _, _ := a.told()
		require.Zero(t, armed)
		send(a, single)
		send(a, through)
		send(a, single)
		rest()
		armed, wakes, _ := a.told()
		require.Equal(t, 1, armed)
		require.Empty(t, wakes)
		armed, _, _ = b.told()
		require.Zero(t, armed)
		send(b, through)
		send(b, single)
		rest()
		close(in)
		<-ctl.Done()
		require.NoError(t, ctl.Err())
		for _, g := range []*group{a, b} {
			armed, wakes, ends := g.told()
			require.Equal(t, 1, armed)
			require.Len(t, wakes, 1)
			require.Len(t, ends, 1)
		}
		for i, p := range offsets {
			require.EqualValues(t, 1, p.answered.Load(), "envelope %d", i)
			require.Zero(t, p.commits.Load(), "envelope %d", i)
		}
	}, kafkatest.Topics(1, "out"))
}

// Two sinks of one stream: each asks for what it has finished, and what one has is not done before
// the other has it too.
func TestTwoCommittableSinks(t *testing.T) {
	threeTopics(t, func(t *testing.T, k *kafkatest.Broker) {
		src, g := consuming(10)
		src.End()
		release := k.HoldAcks("b")
		to := func(topic string) stream.Sink[*consumed] {
			return stream.NewFlow(func(s stream.Source[*consumed]) stream.Source[offsetEnv] {
				return stream.Map(s, func(m *consumed) offsetEnv {
					return envelope.Single[string, string, committable](*envelope.New(topic, "k", "v"), m)
				})
			}).To(producer.CommittableSink(sets(k), often(1000)))
		}
		ctl := grouptest.Start(t, of(g, src.Source()).To(stream.Broadcast(to("a"), to("b"))))
		rest()
		require.Zero(t, src.Committed(0))
		release()
		<-ctl.Done()
		require.NoError(t, ctl.Err())
		armed, _, ends := g.told()
		require.Equal(t, 2, armed)
		require.EqualValues(t, 10, ends[len(ends)-1])
		require.EqualValues(t, 10, src.Committed(0))
	})
}

// A source that begins late, after others (Concat), is armed when it does.
func TestGroupOfALateSource(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		first, one := consuming(3)
		second, two := consuming(3)
		first.End()
		ctl := grouptest.Start(t, ends(sets(k), often(1000), "out")["CommittableSink"](stream.Concat(of(one, first.Source()), of(two, second.Source()))))
		rest()
		armed, _, _ := two.told()
		require.Equal(t, 1, armed)
		second.End()
		<-ctl.Done()
		require.NoError(t, ctl.Err())
		for _, g := range []*group{one, two} {
			armed, _, ends := g.told()
			require.Equal(t, 1, armed)
			require.Equal(t, []int64{3}, ends)
		}
	}, kafkatest.Topics(1, "out"))
}

// What comes after a hard stop is collected still, and the sources' last hooks hear of it.
func TestLateAcknowledgementsAreToldBehindAFault(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		release := k.HoldAcks("out")
		g := &group{}
		var run *core.Run
		in := make(chan offsetEnv, 1)
		p := &position{g: g}
		in <- envelope.Single[string, string, committable](*envelope.New("out", "k", "v"), p)
		src := stream.Source[offsetEnv](blueprint.Operator(blueprint.Source[offsetEnv](stream.FromChan(in)), "run", func(b *core.Builder, _ string, at core.At, next func(core.At) core.Stage[offsetEnv]) core.Stage[offsetEnv] {
			run = b.Run
			return next(at)
		}))
		ctl := grouptest.Start(t, src.To(producer.CommittableSink(sets(k), often(1000))))
		rest()
		run.Fail(errDownstream)
		<-time.After(2 * time.Second)
		require.Zero(t, p.answered.Load())
		release()
		<-ctl.Done()
		require.ErrorIs(t, ctl.Err(), errDownstream)
		require.EqualValues(t, 1, p.answered.Load())
	}, kafkatest.Topics(1, "out"))
}
