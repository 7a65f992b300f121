//go:build synctests

package consumer_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/internal/testlog"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// assignedTo waits until the consumer has so many partitions.
func assignedTo(w *grouptest.World, c *strConsumer, n int) {
	w.Until(fmt.Sprint(n, " partitions"), func() bool { ps, _ := c.Assignment(); return len(ps) == n })
}

// Outside of a run there is nothing to ask, and no partition that is not assigned can be paused.
func TestHandleOutsideOfARun(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		c := w.Consumer()
		outside := func() {
			require.ErrorIs(t, c.Pause(), consumer.ErrNotRunning)
			require.ErrorIs(t, c.Resume(at(0)), consumer.ErrNotRunning)
			_, err := c.Assignment()
			require.ErrorIs(t, err, consumer.ErrNotRunning)
			_, err = c.Lag(t.Context())
			require.ErrorIs(t, err, consumer.ErrNotRunning)
			_, err = c.Metrics()
			require.ErrorIs(t, err, consumer.ErrNotRunning)
		}
		outside()
		ctl := w.Start(c.PlainSource().To(stream.Ignore[*strRecord]()))
		assignedTo(w, c, 2)
		require.ErrorIs(t, c.Pause(at(0), at(2)), consumer.ErrNotAssigned)
		require.ErrorContains(t, c.Pause(consumer.TopicPartition{Topic: "other"}), "other[0]")
		m, err := c.Metrics()
		require.NoError(t, err)
		require.Zero(t, m.Paused, "nothing is paused where something cannot be")
		ps, err := c.Assignment()
		require.NoError(t, err)
		require.Equal(t, ats(2), ps)
		w.Drain(ctl)
		outside()
	})
}

// Nothing of a paused partition is given out, neither what waits already nor what comes; a resume
// gives it within half a second, whatever else is going on.
func TestPause(t *testing.T) {
	onAllSources(t, 3, func(t *testing.T, w *grouptest.World, graph sourceGraph) {
		c := w.Consumer()
		got := &grouptest.Deliveries{}
		slow := func(_ context.Context, r *strRecord) error {
			<-time.After(time.Millisecond)
			got.Add(r)
			return nil
		}
		ctl := w.Start(graph(c, slow))
		assignedTo(w, c, 3)
		w.Pass(time.Second)
		w.Fill(3, 0, 1000)
		w.Until("some of each", func() bool { return len(got.Values(0)) > 0 && len(got.Values(1)) > 0 && len(got.Values(2)) > 0 })
		require.NoError(t, c.Pause(at(0), at(1)))
		w.Until("what the stream has", func() bool {
			before := len(got.Values(0)) + len(got.Values(1))
			w.Pass(time.Second)
			return len(got.Values(0))+len(got.Values(1)) == before
		})
		held := [2]int{len(got.Values(0)), len(got.Values(1))}
		require.Less(t, held[0], 600, "what waits in the queue is held too")
		w.Fill(3, 1000, 10)
		w.Pass(time.Minute)
		require.Equal(t, held, [2]int{len(got.Values(0)), len(got.Values(1))})
		require.Len(t, got.Values(2), 1010)
		m, err := c.Metrics()
		require.NoError(t, err)
		require.Equal(t, 2, m.Paused)

		require.NoError(t, c.Resume(at(1)))
		took := w.Until("partition 1 goes on", func() bool { return len(got.Values(1)) > held[1] })
		require.LessOrEqual(t, took, 500*time.Millisecond)
		w.Until("the rest of partition 1", func() bool { return len(got.Values(1)) == 1010 })
		require.Len(t, got.Values(0), held[0])
		require.NoError(t, c.Resume())
		w.Until("all", func() bool { return got.Count() >= 3030 })
		got.RequireWhole(t, 3, 1010)
		w.Drain(ctl)
	})
}

// A partition that was paused while nothing was there is fetched again in time, though a fetch of
// the others is being held by the broker.
func TestResumeWhileAnotherIsWaitedFor(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		c := w.Consumer()
		got := &grouptest.Deliveries{}
		ctl := w.Start(c.PlainSource().To(got.Sink()))
		assignedTo(w, c, 2)
		require.NoError(t, c.Pause(at(0)))
		w.Fill(1, 0, 10)
		for shift := range 20 {
			w.Pass(time.Minute + time.Duration(shift)*17*time.Millisecond)
			require.Len(t, got.Values(0), 10*shift)
			require.NoError(t, c.Resume(at(0)))
			took := w.Until("what came meanwhile", func() bool { return len(got.Values(0)) == 10*(shift+1) })
			require.LessOrEqual(t, took, 500*time.Millisecond)
			require.NoError(t, c.Pause())
			w.Fill(1, 10*(shift+1), 10)
			if shift%2 == 0 {
				require.NoError(t, c.Resume(at(1)))
			}
		}
		w.Drain(ctl)
	})
}

// Pauses go with their partition: whoever has it next reads it, and so does this consumer when it
// comes back.
func TestPauseIsForgottenWithThePartition(t *testing.T) {
	for _, protocol := range []settings.GroupProtocol{settings.CooperativeSticky, settings.Eager, settings.ConsumerProtocol} {
		t.Run(protocol.String(), func(t *testing.T) {
			grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
				opts := settings.Protocol(protocol)
				c, other := w.Consumer(opts), w.Consumer(opts)
				one, two := &grouptest.Deliveries{}, &grouptest.Deliveries{}
				first := w.Start(c.PlainSource().To(one.Sink()))
				assignedTo(w, c, 2)
				require.NoError(t, c.Pause())
				second := w.Start(other.PlainSource().To(two.Sink()))
				assignedTo(w, other, 1)
				assignedTo(w, c, 1)
				theirs, err := other.Assignment()
				require.NoError(t, err)
				w.Fill(2, 0, 10)
				w.Until("the other's", func() bool { return two.Count() == 10 })
				w.Pass(time.Minute)
				if protocol == settings.Eager {
					require.Equal(t, 10, one.Count(), "everything is revoked")
				} else {
					require.Zero(t, one.Count(), "it stays, and so does its pause")
				}
				w.Drain(second)
				assignedTo(w, c, 2)
				before := len(one.Values(theirs[0].Partition))
				w.Fill(2, 10, 10)
				w.Until("what comes after that", func() bool { return len(one.Values(theirs[0].Partition)) > before })
				w.Drain(first)
			})
		})
	}
}

// The lag is exact before anything was read, in the middle, and at the end; also without a group.
func TestLag(t *testing.T) {
	grouptest.Calmly(t, 3, func(t *testing.T, w *grouptest.World) {
		w.Fill(2, 0, 100)
		w.CommitAs(w.Group, map[int32]int64{1: 60})
		c := consumer.New(w.Settings(), consumer.Topics("in"), consumer.CommitsElsewhere(settings.MaxInterval(time.Hour)))
		gate := make(chan struct{})
		ctl := w.Start(c.CommittableSource().To(stream.ForEach(func(ctx context.Context, m *strMessage) error {
			if m.Partition() == 0 && m.Record.Offset() == 25 {
				select {
				case <-gate:
				case <-ctx.Done():
				}
			}
			return nil
		})))
		assignedTo(w, c, 3)
		lags, err := c.Lag(t.Context())
		require.NoError(t, err)
		require.Len(t, lags, 3)
		w.Pass(time.Second)
		for _, l := range lags {
			require.Equal(t, l.Behind, l.End-max(0, l.Done), l)
		}
		lags, err = c.Lag(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 25, lags[0].Done)
		require.EqualValues(t, 75, lags[0].Behind)
		unread := consumer.Lag{TopicPartition: at(2), Next: -1, Done: -1}
		require.Equal(t, unread, lags[2])
		close(gate)
		w.Pass(time.Second)
		want := consumer.Lags{
			{TopicPartition: at(0), Next: 100, Done: 100, End: 100},
			{TopicPartition: at(1), Next: 100, Done: 100, End: 100},
			unread,
		}
		lags, err = c.Lag(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, lags)
		require.Zero(t, lags.Behind())
		require.NoError(t, c.Pause())
		w.Fill(3, 100, 7)
		lags, err = c.Lag(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 21, lags.Behind())
		w.Drain(ctl)
	})
}

// Before anything is known of a partition, its lag is from where reading will begin: the committed
// offset, the beginning, or the end.
func TestLagBeforeReading(t *testing.T) {
	for _, c := range []struct {
		start settings.StartPosition
		want  int64
	}{{settings.Earliest, 100 + 40}, {settings.Latest, 0 + 40}} {
		t.Run(c.start.String(), func(t *testing.T) {
			grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
				w.Fill(2, 0, 100)
				w.CommitAs(w.Group, map[int32]int64{1: 60})
				h := w.Consumer(settings.StartFrom(c.start))
				ctl := w.Start(stream.Each(h.PlainPartitionedSource().Filter(func(strSub) bool { return false }), 0,
					func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
						return src.To(stream.Ignore[*strRecord]())
					}))
				assignedTo(w, h, 2)
				w.Pass(time.Second)
				lags, err := h.Lag(t.Context())
				require.NoError(t, err)
				require.EqualValues(t, c.want, lags.Behind(), lags)
				w.Drain(ctl)
			})
		})
	}
}

// Metrics say what is held where.
func TestMetrics(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Fill(2, 0, 50)
		c := w.Consumer()
		gate := make(chan struct{})
		ctl := w.Start(stream.Map(c.CommittableSource(), func(m *strMessage) envelope.Committable {
			if m.Record.Offset() == 30 {
				<-gate
			}
			return m.Offset
		}).To(consumer.CommitterSink(settings.NewCommitter())))
		w.Pass(2 * time.Second)
		m, err := c.Metrics()
		require.NoError(t, err)
		require.EqualValues(t, 2, m.Assigned)
		require.EqualValues(t, 100, m.Fetched)
		require.Equal(t, 70, m.Outstanding)
		require.LessOrEqual(t, m.Queued, 50)
		require.Greater(t, m.OutstandingBytes, int64(70*160))
		require.GreaterOrEqual(t, m.Oldest, time.Second)
		require.EqualValues(t, 1, m.Commits)
		close(gate)
		w.Pass(2 * time.Second)
		m, err = c.Metrics()
		require.NoError(t, err)
		require.Zero(t, m.Outstanding)
		require.Zero(t, m.Queued)
		require.Zero(t, m.OutstandingBytes)
		require.Zero(t, m.Oldest)
		require.Zero(t, m.FailedCommits)
		require.EqualValues(t, 2, m.Commits)
		w.Drain(ctl)
	})
}

// diary keeps what handlers and events are told.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(what string, ps []consumer.TopicPartition) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprint(what, " ", ps))
}

func (d *diary) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.lines)
}

func (d *diary) handler(more func(what string, ctx context.Context, r *consumer.Restricted, ps []consumer.TopicPartition) error) consumer.Handler {
	on := func(what string) func(context.Context, *consumer.Restricted, []consumer.TopicPartition) error {
		return func(ctx context.Context, r *consumer.Restricted, ps []consumer.TopicPartition) error {
			d.add(what, ps)
			if more == nil {
				return nil
			}
			return more(what, ctx, r, ps)
		}
	}
	return consumer.Handler{Assigned: on("assigned"), Revoked: on("revoked"), Lost: on("lost"), Stopped: on("stopped")}
}

// Handlers are called with what comes and goes, in order, and at the end; events tell the same.
func TestHandlersAndEvents(t *testing.T) {
	for protocol, want := range map[settings.GroupProtocol][]string{
		settings.CooperativeSticky: {"assigned [in[0] in[1]]", "revoked [in[1]]", "assigned [in[1]]", "stopped [in[0] in[1]]"},
		settings.Eager:             {"assigned [in[0] in[1]]", "revoked [in[0] in[1]]", "assigned [in[0]]", "revoked [in[0]]", "assigned [in[0] in[1]]", "stopped [in[0] in[1]]"},
		settings.ConsumerProtocol:  {"assigned [in[0] in[1]]", "revoked [in[1]]", "assigned [in[1]]", "stopped [in[0] in[1]]"},
	} {
		t.Run(protocol.String(), func(t *testing.T) {
			grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
				d, events := &diary{}, &diary{}
				c := consumer.New(w.Settings(settings.Protocol(protocol)), consumer.Topics("in"), consumer.OnRebalance(d.handler(nil)),
					consumer.Events(func(e consumer.Event) {
						<-time.After(100 * time.Millisecond) // nobody waits for it
						events.add(e.Kind.String(), e.Partitions)
					}))
				ctl := w.Start(c.PlainSource().To(stream.Ignore[*strRecord]()))
				assignedTo(w, c, 2)
				other := w.Consumer(settings.Protocol(protocol))
				second := w.Start(other.PlainSource().To(stream.Ignore[*strRecord]()))
				assignedTo(w, other, 1)
				assignedTo(w, c, 1)
				w.Drain(second)
				assignedTo(w, c, 2)
				w.Drain(ctl)
				// which of the two goes is the group's choice
				lines := d.all()
				require.Len(t, lines, len(want), lines)
				for i, w := range want {
					require.Len(t, lines[i], len(w), lines)
					require.Equal(t, w[:8], lines[i][:8], lines)
				}
				told := events.all()
				require.Equal(t, lines, told)
			})
		})
	}
}

// A member that the group has put out is told what it has lost.
func TestLostIsTold(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Fill(2, 0, 10)
		d, events := &diary{}, &diary{}
		c := consumer.New(w.Settings(settings.SessionTimeout(6*time.Second)), consumer.Topics("in"), consumer.OnRebalance(d.handler(nil)),
			consumer.Events(func(e consumer.Event) { events.add(e.Kind.String(), e.Partitions) }))
		got := &grouptest.Deliveries{}
		ctl := w.Start(c.PlainSource().To(got.Sink()))
		w.Until("all", func() bool { return got.Count() == 20 })
		reachable := w.Refuse()
		w.Pass(time.Minute)
		reachable()
		w.Until("it is back", func() bool { return len(d.all()) >= 3 })
		require.Equal(t, []string{"assigned [in[0] in[1]]", "lost [in[0] in[1]]", "assigned [in[0] in[1]]"}, d.all())
		synctest.Wait()
		require.Equal(t, d.all(), events.all())
		w.Drain(ctl)
	})
}

// What handlers may ask and do.
func TestRestricted(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Fill(2, 0, 50)
		require.NoError(t, w.Cluster().DeleteRecords("in", 0, 5))
		w.CommitAs(w.Group, map[int32]int64{1: 20})
		d := &diary{}
		check := func(what string, ctx context.Context, r *consumer.Restricted, ps []consumer.TopicPartition) error {
			assert.Equal(t, ats(2), ps)
			first, err := r.Beginning(ctx, ps...)
			assert.NoError(t, err)
			assert.Equal(t, offsetMap{at(0): 5, at(1): 0}, first)
			end, err := r.End(ctx, at(1))
			assert.NoError(t, err)
			assert.Equal(t, offsetMap{at(1): 50}, end)
			committed, err := r.Committed(ctx, ps...)
			assert.NoError(t, err)
			if what == "assigned" {
				assert.Equal(t, ats(2), r.Assignment())
				assert.Equal(t, offsetMap{at(1): 20}, committed)
				_, known := r.Position(at(0))
				assert.False(t, known)
				return nil
			}
			assert.Equal(t, offsetMap{at(0): 50, at(1): 50}, committed, "what was finished is committed")
			assert.ErrorIs(t, r.Commit(ctx, offsetMap{at(0): 3, {Topic: "other"}: 1}), consumer.ErrNotAssigned)
			assert.Equal(t, ats(2), r.Assignment())
			next, known := r.Position(at(0))
			assert.True(t, known)
			assert.EqualValues(t, 50, next)
			assert.NoError(t, r.Commit(ctx, offsetMap{at(0): 33}))
			committed, err = r.Committed(ctx, at(0))
			assert.NoError(t, err)
			assert.Equal(t, offsetMap{at(0): 33}, committed)
			return nil
		}
		c := consumer.New(w.Settings(settings.StartFrom(settings.Earliest)), consumer.Topics("in"), consumer.OnRebalance(d.handler(check)))
		got := &grouptest.Deliveries{}
		ctl := w.Start(readAndCommit(c, got.Take))
		w.Until("all", func() bool { return got.Count() == 45+30 })
		w.Drain(ctl)
		require.Equal(t, []string{"assigned [in[0] in[1]]", "stopped [in[0] in[1]]"}, d.all())
	})
}

// A handler that fails, or panics, ends the stream; one that is slow is logged.
func TestHandlersThatMisbehave(t *testing.T) {
	for name, c := range map[string]func() error{
		"error": func() error { return errBad },
		"panic": func() error { panic(errBad) },
	} {
		for _, when := range []string{"assigned", "stopped"} {
			t.Run(name+" "+when, func(t *testing.T) {
				grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
					d := &diary{}
					h := d.handler(func(what string, _ context.Context, _ *consumer.Restricted, _ []consumer.TopicPartition) error {
						if what == when {
							return c()
						}
						return nil
					})
					r := consumer.New(w.Settings(), consumer.Topics("in"), consumer.OnRebalance(h))
					ctl := w.Start(r.PlainSource().To(stream.Ignore[*strRecord]()))
					if when == "stopped" {
						assignedTo(w, r, 1)
						w.Pass(time.Second)
						_ = ctl.Drain(context.Background())
					}
					err := w.Outcome(ctl)
					var user *consumer.UserError
					require.ErrorAs(t, err, &user)
					require.Equal(t, when+" handler", user.What)
					require.Equal(t, ats(1), user.Partitions)
					require.Equal(t, w.Group, user.Group)
					require.NotEmpty(t, user.Source)
					require.ErrorContains(t, err, "failed for in[0] (source "+user.Source+`, group "readers"): `)
				})
			})
		}
	}
	grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
		d, log := &diary{}, &testlog.Log{}
		h := d.handler(func(string, context.Context, *consumer.Restricted, []consumer.TopicPartition) error {
			<-time.After(7 * time.Second)
			return nil
		})
		c := consumer.New(w.Settings().With(log.Option()), consumer.Topics("in"), consumer.OnRebalance(h))
		ctl := w.Start(c.PlainSource().To(stream.Ignore[*strRecord]()))
		w.Until("the warning", func() bool { return log.Count("the assigned handler is slow") == 1 })
		w.Until("the other", func() bool { return log.Count("the assigned handler was slow") == 1 })
		_ = ctl.Drain(context.Background())
		require.NotErrorIs(t, ctl.Err(), errBad)
	})
}

// A panic in the function for events ends the stream.
func TestEventsPanic(t *testing.T) {
	grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
		c := consumer.New(w.Settings(), consumer.Topics("in"), consumer.Events(func(consumer.Event) { panic("oh") }))
		err := w.Outcome(w.Start(c.PlainSource().To(stream.Ignore[*strRecord]())))
		var p *stream.PanicError
		require.ErrorAs(t, err, &p)
		var user *consumer.UserError
		require.ErrorAs(t, err, &user)
	})
}

// Where a plain source goes on is known to whoever has ended its partition: a run that ends while a
// revoke is still in the user's function does not set the handle's place to what had been fetched.
func TestEndWithinARevokeKeepsThePlace(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		const n = 300
		w.Fill(2, 0, n)
		revoked := make(chan struct{}, 1)
		c := consumer.New(w.Settings(), consumer.Topics("in"), consumer.OnRebalance(consumer.Handler{
			Revoked: func(context.Context, *consumer.Restricted, []consumer.TopicPartition) error {
				select {
				case revoked <- struct{}{}:
				default:
				}
				<-time.After(time.Second)
				return nil
			},
		}))
		got := &grouptest.Deliveries{}
		slow := stream.ForEach(func(_ context.Context, r *strRecord) error {
			<-time.After(10 * time.Millisecond)
			got.Add(r)
			return nil
		})
		ctl := w.Start(c.PlainSource().To(slow))
		w.Until("some of each", func() bool { return len(got.Values(0)) > 0 && len(got.Values(1)) > 0 })

		other := w.Consumer()
		otherCtl := w.Start(other.PlainSource().To(stream.Ignore[*strRecord]()))
		<-revoked
		ctl.Drain(t.Context())
		require.Less(t, got.Count(), 2*n)
		w.Drain(otherCtl)

		ctl = w.Start(c.PlainSource().To(got.Sink()))
		w.Until("all", func() bool { return got.Count() >= 2*n })
		w.Drain(ctl)
		got.RequireWhole(t, 2, n)
	})
}

// The same of a sub-stream, which has ended by then and knows less than the revoke.
func TestEndWithinARevokeKeepsThePlaceOfASubStream(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		const n = 300
		w.Fill(2, 0, n)
		revoked, open := make(chan consumer.TopicPartition, 1), make(chan struct{})
		c := consumer.New(w.Settings(), consumer.Topics("in"), consumer.OnRebalance(consumer.Handler{
			Revoked: func(_ context.Context, _ *consumer.Restricted, ps []consumer.TopicPartition) error {
				revoked <- ps[0]
				<-open
				return nil
			},
		}))
		got := &grouptest.Deliveries{}
		graph := func() stream.Graph {
			return stream.Each(c.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strRecord]) stream.Graph {
				return src.To(takeSlowly(got, 100*time.Millisecond))
			})
		}
		first := w.Start(graph())
		w.Until("some", func() bool { return got.Count() >= 20 })
		second := w.Start(w.Consumer().PlainSource().To(stream.Ignore[*strRecord]()))
		p := <-revoked
		w.Pass(time.Second)
		drained := make(chan error)
		go func() { drained <- first.Drain(context.Background()) }()
		w.Pass(time.Second)
		close(open)
		require.NoError(t, <-drained)
		w.Drain(second)
		first = w.Start(graph())
		w.Pass(2 * time.Minute)
		require.Len(t, got.Values(p.Partition), n)
		w.Drain(first)
	})
}
