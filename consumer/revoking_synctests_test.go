//go:build synctests

package consumer_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// gatherer keeps records until it is told that their partitions go, and finishes them then: what
// came later it finishes at once.
type gatherer struct {
	mu      sync.Mutex
	held    map[int32][]*strMessage
	going   map[int32]bool
	stored  map[int32][]string
	told    []consumer.TopicPartition
	toldAt  []time.Time
	finally time.Duration // from being told to Revoked or Stopped
	left    time.Duration // of the context's time
}

func newGatherer() *gatherer {
	return &gatherer{held: map[int32][]*strMessage{}, going: map[int32]bool{}, stored: map[int32][]string{}}
}

func (g *gatherer) take(_ context.Context, m *strMessage) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := m.Partition()
	g.held[p] = append(g.held[p], m)
	if g.going[p] {
		g.store(p)
	}
	return nil
}

// store finishes what is held of a partition; the caller holds the lock.
func (g *gatherer) store(p int32) {
	for _, m := range g.held[p] {
		g.stored[p] = append(g.stored[p], m.Value)
		m.Offset.Commit()
	}
	g.held[p] = nil
}

func (g *gatherer) revoking(ctx context.Context, r *consumer.Restricted, ps []consumer.TopicPartition) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	deadline, _ := ctx.Deadline()
	g.left = time.Until(deadline)
	for _, p := range ps {
		g.told = append(g.told, p)
		g.toldAt = append(g.toldAt, time.Now())
		g.going[p.Partition] = true
		g.store(p.Partition)
	}
	return nil
}

func (g *gatherer) done(context.Context, *consumer.Restricted, []consumer.TopicPartition) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.toldAt) > 0 {
		g.finally = time.Since(g.toldAt[len(g.toldAt)-1])
	}
	return nil
}

func (g *gatherer) handler() consumer.Option {
	return consumer.OnRebalance(consumer.Handler{Revoking: g.revoking, Revoked: g.done, Stopped: g.done})
}

func (g *gatherer) holds() (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, ms := range g.held {
		n += len(ms)
	}
	return n
}

// Offsets that are gathered by hand and committed when the handler is told that their partitions
// are about to go: nothing is doubled, and nobody waits.
func TestGatheredUntilTheyGo(t *testing.T) {
	const n = 40
	committing := settings.NewCommitter(settings.MaxInterval(20 * time.Millisecond))
	sources := map[string]func(c *strConsumer, g *gatherer) stream.Graph{
		"one stream": func(c *strConsumer, g *gatherer) stream.Graph {
			return c.CommittableSource().To(stream.Broadcast(stream.ForEachManual(g.take), observing(committing)))
		},
		"behind calls": func(c *strConsumer, g *gatherer) stream.Graph {
			slow := stream.MapAsync(c.CommittableSource(), 4, func(_ context.Context, m *strMessage) (*strMessage, error) {
				<-time.After(10 * time.Millisecond)
				return m, nil
			})
			return slow.To(stream.Broadcast(stream.ForEachManual(g.take), observing(committing)))
		},
		"sub-streams": func(c *strConsumer, g *gatherer) stream.Graph {
			return stream.Each(c.CommittablePartitionedSource(), 0, func(_ consumer.TopicPartition, s stream.Source[*strMessage]) stream.Graph {
				return s.To(stream.Broadcast(stream.ForEachManual(g.take), observing(committing)))
			})
		},
	}
	for name, graph := range sources {
		for _, protocol := range []settings.GroupProtocol{settings.CooperativeSticky, settings.Eager, settings.ConsumerProtocol} {
			t.Run("revoke, "+name+", "+protocol.String(), func(t *testing.T) {
				grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
					w.Fill(2, 0, n)
					g, rest := newGatherer(), &grouptest.Deliveries{}
					c := consumer.New(w.Settings(settings.Protocol(protocol)), consumer.Topics("in"), g.handler())
					first := w.Start(graph(c, g))
					w.Until("all are gathered", func() bool { return g.holds() == 2*n })
					second := w.Start(w.Consumer(settings.Protocol(protocol)).CommittableSource().To(rest.Committing()))
					took := w.Until("told", func() bool { g.mu.Lock(); defer g.mu.Unlock(); return len(g.told) > 0 })
					require.Less(t, took, 10*time.Second)
					w.Pass(30 * time.Second)
					require.Zero(t, rest.Count(), "doubled")
					require.Less(t, g.finally, time.Second, "the rebalance waits")
					require.Positive(t, g.left)
					require.LessOrEqual(t, g.left, 20*time.Second)
					w.Drain(first)
					w.Pass(10 * time.Second)
					require.Zero(t, rest.Count(), "doubled at the end")
					w.Drain(second)
				})
			})
		}
		t.Run("drain, "+name, func(t *testing.T) {
			grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
				w.Fill(2, 0, n)
				g := newGatherer()
				first := w.Start(graph(consumer.New(w.Settings(), consumer.Topics("in"), g.handler()), g))
				w.Until("all are gathered", func() bool { return g.holds() == 2*n })
				began := time.Now()
				w.Drain(first)
				require.Less(t, time.Since(began), time.Second)
				require.Len(t, g.told, 2)
				require.LessOrEqual(t, g.left, stream.DefaultDrainTimeout)
				for p := range int32(2) {
					require.EqualValues(t, n, w.Committed(p))
				}
			})
		})
	}
}

// observing is a committer that has nothing to finish beside another branch.
func observing(cm settings.Committer) stream.Sink[*strMessage] {
	return stream.NewFlow(func(s stream.Source[*strMessage]) stream.Source[envelope.Committable] {
		none := s.Filter(func(*strMessage) bool { return false })
		return stream.Map(none, func(m *strMessage) envelope.Committable { return m.Offset })
	}).To(consumer.CommitterSink(cm))
}

// A source that has completed tells too, and leaves when what was gathered is finished.
func TestGatheredUntilTheSourceCompletes(t *testing.T) {
	grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Fill(1, 0, 40)
		g := newGatherer()
		c := consumer.New(w.Settings(), consumer.Topics("in"), g.handler())
		src := stream.Concat(c.CommittableSource().Take(10), stream.FromChan(make(chan *strMessage)))
		ctl := w.Start(src.To(stream.Broadcast(stream.ForEachManual(g.take), observing(settings.NewCommitter()))))
		w.Pass(3 * time.Second)
		require.Equal(t, ats(1), g.told)
		require.EqualValues(t, 10, w.Committed(0))
		ps, err := c.Assignment()
		require.NoError(t, err)
		require.Empty(t, ps)
		w.Drain(ctl)
		require.Len(t, g.told, 1, "once")
	})
}

// The handler is told once of each partition, and in turn: about to go, gone.
func TestToldOnce(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		var mu sync.Mutex
		var told []string
		tell := func(what string) func(context.Context, *consumer.Restricted, []consumer.TopicPartition) error {
			return func(_ context.Context, r *consumer.Restricted, ps []consumer.TopicPartition) error {
				mu.Lock()
				defer mu.Unlock()
				for _, p := range ps {
					told = append(told, what+" "+p.String())
				}
				return nil
			}
		}
		c := consumer.New(w.Settings(), consumer.Topics("in"),
			consumer.OnRebalance(consumer.Handler{Revoking: tell("revoking"), Revoked: tell("revoked"), Lost: tell("lost"), Stopped: tell("stopped")}))
		first := w.Start(c.PlainSource().To(stream.Ignore[*strRecord]()))
		w.Pass(2 * time.Second)
		second := w.Start(w.Consumer().PlainSource().To(stream.Ignore[*strRecord]()))
		w.Pass(5 * time.Second)
		w.Drain(first)
		w.Drain(second)
		require.Len(t, told, 4)
		require.Equal(t, "revoking", told[0][:8])
		require.Equal(t, "revoked"+told[0][8:], told[1])
		require.Equal(t, "revoking", told[2][:8])
		require.Equal(t, "stopped"+told[2][8:], told[3])
	})
}

// Pause and Resume without partitions are about those that stay while others are being revoked; so
// is everything else that names none.
func TestAllPartitionsDuringARevoke(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Fill(2, 0, 10)
		hold := make(chan struct{})
		got := &grouptest.Deliveries{}
		c := w.Consumer(settings.RevokeTimeout(10 * time.Second))
		src := stream.MapAsync(c.PlainSource(), 50, func(_ context.Context, r *strRecord) (*strRecord, error) {
			<-hold
			return r, nil
		})
		w.Start(src.To(got.Sink()))
		w.Pass(2 * time.Second)
		w.Start(w.Consumer().PlainSource().To(stream.Ignore[*strRecord]()))
		w.Pass(3 * time.Second) // one goes and waits for its records, the other stays
		require.NoError(t, c.Pause())
		m, err := c.Metrics()
		require.NoError(t, err)
		require.Equal(t, 2, m.Assigned)
		require.Equal(t, 1, m.Paused)
		ps, err := c.Assignment()
		require.NoError(t, err)
		require.Equal(t, ats(2), ps)
		lags, err := c.Lag(t.Context())
		require.NoError(t, err)
		require.Len(t, lags, 2)
		refused := 0
		for _, p := range ps {
			if err := c.Pause(p); err != nil {
				require.ErrorIs(t, err, consumer.ErrNotAssigned)
				refused++
			}
		}
		require.Equal(t, 1, refused, "named, the one that goes is not ours any more")
		require.NoError(t, c.Resume())
		m, err = c.Metrics()
		require.NoError(t, err)
		require.Zero(t, m.Paused)
		close(hold)
		w.Pass(time.Second)
		require.Equal(t, 20, got.Count())
	})
}

// ending are the ways in which a run, or its source, ends without a hard stop.
var ending = map[string]struct {
	opts  []consumer.Option
	graph func(c *strConsumer) stream.Graph
	then  func(ctl *stream.Control) // nil: it ends by itself
}{
	"to the end": {
		opts:  []consumer.Option{consumer.ToEnd()},
		graph: func(c *strConsumer) stream.Graph { return c.PlainSource().To(stream.Ignore[*strRecord]()) },
	},
	"to the end, committing": {
		opts: []consumer.Option{consumer.ToEnd()},
		graph: func(c *strConsumer) stream.Graph {
			return c.CommittableSource().To(grouptest.Committing(func(context.Context, *strRecord) error { return nil }))
		},
	},
	"to the end, at most once": {
		opts:  []consumer.Option{consumer.ToEnd()},
		graph: func(c *strConsumer) stream.Graph { return c.AtMostOnceSource(5).To(stream.Ignore[*strRecord]()) },
	},
	"to the end, sub-streams": {
		opts: []consumer.Option{consumer.ToEnd()},
		graph: func(c *strConsumer) stream.Graph {
			return stream.Each(c.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, s stream.Source[*strRecord]) stream.Graph {
				return s.To(stream.Ignore[*strRecord]())
			})
		},
	},
	"take": {
		graph: func(c *strConsumer) stream.Graph { return c.PlainSource().Take(3).To(stream.Ignore[*strRecord]()) },
	},
	"take, and the run goes on": {
		graph: func(c *strConsumer) stream.Graph {
			return stream.Concat(c.PlainSource().Take(3), stream.FromChan(make(chan *strRecord))).To(stream.Ignore[*strRecord]())
		},
		then: func(*stream.Control) {},
	},
	"drain": {
		graph: func(c *strConsumer) stream.Graph { return c.PlainSource().To(stream.Ignore[*strRecord]()) },
		then:  func(ctl *stream.Control) { _ = ctl.Drain(context.Background()) },
	},
}

// Whichever way a run or its source ends, the handler is told that the partitions are about to go,
// once, in time, and while this member still has them.
func TestRevokingIsToldInEveryEnd(t *testing.T) {
	const times = 5
	for name, e := range ending {
		t.Run(name, func(t *testing.T) {
			grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
				var mu sync.Mutex
				var told []string
				for range times {
					w.Fill(2, int(w.Sent()[0]), 10)
					told = nil
					note := func(what string) func(context.Context, *consumer.Restricted, []consumer.TopicPartition) error {
						return func(ctx context.Context, r *consumer.Restricted, ps []consumer.TopicPartition) error {
							mu.Lock()
							defer mu.Unlock()
							told = append(told, what)
							require.NoError(t, ctx.Err())
							require.Equal(t, ats(2), ps)
							require.Equal(t, ats(2), r.Assignment())
							require.Len(t, w.MemberIDs(), 1)
							return nil
						}
					}
					c := w.New(nil, append(e.opts, consumer.OnRebalance(consumer.Handler{Revoking: note("revoking"), Revoked: note("revoked"), Stopped: note("stopped")}))...)
					ctl := w.Start(e.graph(c))
					if e.then != nil {
						w.Pass(3 * time.Second)
						e.then(ctl)
					} else {
						require.NoError(t, w.Outcome(ctl))
					}
					mu.Lock()
					require.Equal(t, []string{"revoking", "stopped"}, told)
					mu.Unlock()
					grouptest.Stop(ctl)
				}
			})
		})
	}
}

// A function that does not return when it is told at the completion of a source is waited for in
// the time that the end has, and named.
func TestRevokingThatDoesNotReturnAtTheEnd(t *testing.T) {
	grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Fill(1, 0, 10)
		gate := grouptest.NewGate(t)
		c := w.New(nil, consumer.ToEnd(), consumer.OnRebalance(consumer.Handler{
			Revoking: func(context.Context, *consumer.Restricted, []consumer.TopicPartition) error { <-gate.C; return nil },
		}))
		ctl := w.Start(c.PlainSource().To(stream.Ignore[*strRecord]()), stream.CloseTimeout(2*time.Second))
		began := time.Now()
		<-ctl.Done()
		took := time.Since(began)
		gate.Open()
		w.Pass(time.Second)
		// twice the close time-out, and the time for the leaving
		require.LessOrEqual(t, took, 8*time.Second)
		var stuck *stream.StuckError
		require.ErrorAs(t, ctl.Err(), &stuck)
		require.ErrorContains(t, ctl.Err(), "revoking handler")
	})
}
