package streamtest_test

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/bubble"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/stream"
	"github.com/vicuna-go/vicuna/stream/streamtest"
)

// What is behind a retry of a kept partition, and has begun, when others are revoked.

// begun begins every record, so that an end has to finish it, and lets so many wait for what
// follows.
func begun(src stream.Source[*message]) stream.Source[*message] {
	return stream.TryMap(src, func(_ context.Context, m *message) (*message, error) { return m, nil }).Buffer(512)
}

// journal notes which records have come to an end, per partition and in order.
type journal struct {
	mu sync.Mutex
	at map[int32][]int
}

func (j *journal) note(ms ...*message) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.at == nil {
		j.at = map[int32][]int{}
	}
	for _, m := range ms {
		j.at[m.Partition] = append(j.at[m.Partition], m.Value)
	}
}

func (j *journal) of(partition int32) []int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.at[partition])
}

func (j *journal) sink() stream.Sink[*message] {
	return stream.ForEach(func(_ context.Context, m *message) error {
		j.note(m)
		return nil
	})
}

// stumbling fails on the first record of some partitions until it is healed.
type stumbling struct {
	on     []int32
	healed atomic.Bool
	well   [4]atomic.Bool  // so are these partitions
	tries  [4]atomic.Int32 // on first records
}

func (s *stumbling) call(_ context.Context, m *message) (*message, error) {
	if m.Value == 0 {
		s.tries[m.Partition].Add(1)
		if slices.Contains(s.on, m.Partition) && !s.healed.Load() && !s.well[m.Partition].Load() {
			return nil, errFault
		}
	}
	return m, nil
}

var hourly = stream.OnError(stream.Retry(stream.Backoff{First: time.Hour, Max: time.Hour, NoJitter: true}))

func (s *stumbling) flow(src stream.Source[*message]) stream.Source[*message] {
	return stream.TryMap(src, s.call, hourly)
}

// aside bounds what retries set aside.
func aside[T any](src stream.Source[T], n int) stream.Source[T] {
	return stream.Source[T](blueprint.Operator(blueprint.Source[T](src), "aside", func(b *core.Builder, _ string, at core.At, next func(core.At) core.Stage[T]) core.Stage[T] {
		b.Run.Aside = n
		return next(at)
	}))
}

func unbatch(src stream.Source[[]*message]) stream.Source[*message] {
	return stream.FlatMap(src, func(b []*message) iter.Seq[*message] { return slices.Values(b) })
}

// Wherever the elements of revoked partitions that have begun are behind a retry, they go on at
// once; what is kept waits, in its order; nothing is done twice.
func TestRevokeGoesAheadOfARetry(t *testing.T) {
	for name, graph := range map[string]func(src stream.Source[*message], s *stumbling, j *journal) stream.Graph{
		"in the ring": func(src stream.Source[*message], s *stumbling, j *journal) stream.Graph {
			return s.flow(src).To(j.sink())
		},
		"in a sink": func(src stream.Source[*message], s *stumbling, j *journal) stream.Graph {
			return src.To(stream.ForEach(func(ctx context.Context, m *message) error {
				if _, err := s.call(ctx, m); err != nil {
					return err
				}
				j.note(m)
				return nil
			}, hourly))
		},
		"handed over": func(src stream.Source[*message], s *stumbling, j *journal) stream.Graph {
			return src.To(stream.ForEachManual(func(ctx context.Context, m *message) error {
				if _, err := s.call(ctx, m); err != nil {
					return err
				}
				j.note(m)
				m.Commit()
				return nil
			}, hourly))
		},
		"diverting": func(src stream.Source[*message], s *stumbling, j *journal) stream.Graph {
			return stream.TryMapDivert(src, s.call, stream.Ignore[stream.Failed[*message]](), hourly).To(j.sink())
		},
		"of the only worker": func(src stream.Source[*message], s *stumbling, j *journal) stream.Graph {
			return stream.MapAsync(src, 1, s.call, hourly).To(j.sink())
		},
		"of the only worker, diverting": func(src stream.Source[*message], s *stumbling, j *journal) stream.Graph {
			return stream.MapAsyncDivert(src, 1, s.call, stream.Ignore[stream.Failed[*message]](), hourly).To(j.sink())
		},
		"further upstream": func(src stream.Source[*message], s *stumbling, j *journal) stream.Graph {
			same := func(_ context.Context, m *message) (*message, error) { return m, nil }
			return s.flow(stream.MapAsync(src.Buffer(1), 2, same).Buffer(3).Tap(func(*message) {}).Async()).To(j.sink())
		},
		"parts": func(src stream.Source[*message], s *stumbling, j *journal) stream.Graph {
			return s.flow(stream.FlatMap(src, func(m *message) iter.Seq[*message] { return slices.Values([]*message{m}) })).To(j.sink())
		},
		"before a batch": func(src stream.Source[*message], s *stumbling, j *journal) stream.Graph {
			return unbatch(stream.Batch(s.flow(src), 10_000, 0)).To(j.sink())
		},
		"before a batch with a time": func(src stream.Source[*message], s *stumbling, j *journal) stream.Graph {
			return unbatch(stream.Batch(s.flow(src), 10_000, 24*time.Hour)).To(j.sink())
		},
		"behind a batch of each partition's": func(src stream.Source[*message], s *stumbling, j *journal) stream.Graph {
			return s.flow(unbatch(stream.Batch(src, 1, 0))).To(j.sink())
		},
		"in a branch": func(src stream.Source[*message], s *stumbling, j *journal) stream.Graph {
			return src.To(stream.Broadcast(stream.Ignore[*message](), stream.NewFlow(s.flow).To(j.sink())))
		},
		"one behind the other": func(src stream.Source[*message], s *stumbling, j *journal) stream.Graph {
			first := stream.TryMap(src, func(_ context.Context, m *message) (*message, error) {
				if m.Partition == 0 && m.Value == 1 && !s.healed.Load() {
					return nil, errFault
				}
				return m, nil
			}, hourly)
			return s.flow(first).To(j.sink())
		},
		"with a slow sink": func(src stream.Source[*message], s *stumbling, j *journal) stream.Graph {
			return s.flow(src).Buffer(1).To(stream.ForEach(func(_ context.Context, m *message) error {
				wait(time.Microsecond)
				j.note(m)
				return nil
			}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				const n = 2000
				src, s, j := tracked(3, n, streamtest.PollSize(10)), &stumbling{on: []int32{0}}, &journal{}
				c := started(t, graph(begun(src.Source()), s, j))
				wait(time.Second)
				require.Empty(t, j.of(0))
				begin := time.Now()
				require.Equal(t, []streamtest.Revoked{{Partition: 1}, {Partition: 2}}, src.Revoke(time.Minute, 1, 2))
				require.Less(t, time.Since(begin), time.Second)
				require.Empty(t, j.of(0), "the retry goes on waiting")
				for _, p := range []int32{1, 2} {
					done := j.of(p)
					require.NotEmpty(t, done)
					require.Equal(t, upTo(len(done)), done)
					require.EqualValues(t, len(done), src.Committed(p))
				}
				src.Assign(1, 2)
				s.healed.Store(true)
				wait(3 * time.Hour)
				require.NoError(t, src.Checkpoint(t.Context()))
				for p := range int32(3) {
					require.Equal(t, upTo(n), j.of(p), "once, and in order")
					require.EqualValues(t, n, src.Committed(p))
				}
				require.NoError(t, c.Drain(t.Context()))
			})
		})
	}
}

// As many elements of a kept partition wait for another attempt as there are workers, so that
// nothing new is called: what of a revoked one has begun before the workers is called all the same,
// as soon as somebody waits for it.
func TestRevokeBesideCrowdedWorkers(t *testing.T) {
	type source = stream.Source[*message]
	type call = func(context.Context, *message) (*message, error)
	for name, workers := range map[string]func(source, int, call) source{
		"ordered":   func(src source, n int, f call) source { return stream.MapAsync(src, n, f, hourly) },
		"unordered": func(src source, n int, f call) source { return stream.MapAsyncUnordered(src, n, f, hourly) },
		"diverting": func(src source, n int, f call) source {
			return stream.MapAsyncDivert(src, n, f, stream.Ignore[stream.Failed[*message]](), hourly)
		},
	} {
		for _, c := range []struct {
			n    int
			slow time.Duration // of the calls that fail: they do after the revoke has begun
		}{{1, 0}, {4, 0}, {64, 0}, {1, 10 * time.Second}, {4, 10 * time.Second}} {
			t.Run(fmt.Sprint(name, "/", c.n, "/", c.slow), func(t *testing.T) {
				bubble.Test(t, func(t *testing.T) {
					n := c.n
					src, j := streamtest.NewTracked[int](2), &journal{}
					src.Append(0, upTo(n)...)
					var healed atomic.Bool
					f := func(_ context.Context, m *message) (*message, error) {
						if m.Partition == 0 && !healed.Load() {
							wait(c.slow)
							return nil, errFault
						}
						return m, nil
					}
					ctl := started(t, workers(begun(src.Source()), n, f).To(j.sink()))
					wait(time.Second)
					src.Append(1, upTo(100)...)
					wait(time.Second)
					require.Empty(t, j.of(1), "all workers' elements wait for another attempt")
					begin := time.Now()
					require.Equal(t, []streamtest.Revoked{{Partition: 1}}, src.Revoke(time.Minute, 1))
					require.Less(t, time.Since(begin), c.slow+time.Second)
					require.Len(t, j.of(1), 100, "all has begun")
					require.EqualValues(t, 100, src.Committed(1))
					require.Empty(t, j.of(0))
					healed.Store(true)
					wait(3 * time.Hour)
					require.Len(t, j.of(0), n)
					require.NoError(t, ctl.Drain(t.Context()))
				})
			})
		}
	}
}

// A partition whose elements were set aside goes ahead when its turn to be revoked comes, also
// after the elements of a second pause.
func TestRevokesOneBehindTheOther(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, s, j := tracked(4, 1000, streamtest.PollSize(7)), &stumbling{on: []int32{0, 1}}, &journal{}
		c := started(t, s.flow(begun(src.Source())).To(j.sink()))
		synctest.Wait()
		for _, p := range []int32{3, 2} {
			begin := time.Now()
			require.Equal(t, []streamtest.Revoked{{Partition: p}}, src.Revoke(time.Minute, p))
			require.Zero(t, time.Since(begin))
			require.Equal(t, upTo(int(src.Committed(p))), j.of(p))
			require.NotZero(t, src.Committed(p))
		}
		src.Assign(2)
		synctest.Wait()
		// The element in pause is partition 0's, and it is revoked itself: it is tried until
		// shortly before the deadline. Then it is 1's, from what was set aside.
		begin := time.Now()
		require.Equal(t, []streamtest.Revoked{{Partition: 0}}, src.Revoke(time.Minute, 0))
		requireUntilMargin(t, begin)
		require.Greater(t, s.tries[0].Load(), int32(50))
		require.EqualValues(t, 0, src.Committed(0))
		requireGivenUp(t, c, 0)
		synctest.Wait()
		require.EqualValues(t, 1, s.tries[1].Load())
		begin = time.Now()
		require.Equal(t, []streamtest.Revoked{{Partition: 2}}, src.Revoke(time.Minute, 2))
		require.Zero(t, time.Since(begin))
		require.Equal(t, upTo(int(src.Committed(2))), j.of(2))
		s.healed.Store(true)
		src.Assign(0, 2, 3)
		wait(3 * time.Hour)
		for p := range int32(4) {
			require.EqualValues(t, 1000, src.Committed(p))
			require.Equal(t, upTo(1000), j.of(p), "nothing has overtaken the one that was given up")
		}
		require.NoError(t, c.Drain(t.Context()))
	})
}

// requireUntilMargin checks that a revoke with a minute was used up, but for what is kept for the
// last commit.
func requireUntilMargin(t *testing.T, begin time.Time) {
	t.Helper()
	took := time.Since(begin)
	require.Greater(t, took, 54*time.Second)
	require.LessOrEqual(t, took, 55*time.Second)
}

// requireGivenUp checks that a record each of some partitions was given up, and nothing else.
func requireGivenUp(t *testing.T, c *stream.Control, partitions ...int32) {
	t.Helper()
	var ps []int32
	for _, g := range c.Snapshot().GivenUp {
		require.Equal(t, 1, g.Records)
		ps = append(ps, g.Partition)
	}
	slices.Sort(ps)
	require.Equal(t, partitions, ps)
}

// What goes ahead and fails is tried until it succeeds, or shortly before the deadline of its own
// revoke; what is kept is not tried sooner for that.
func TestRevokedElementFails(t *testing.T) {
	play := func(t *testing.T, heal time.Duration) (*streamtest.TrackedSource[int], *stumbling, *journal, *stream.Control, time.Duration) {
		src, s, j := tracked(2, 100), &stumbling{on: []int32{0, 1}}, &journal{}
		c := started(t, s.flow(begun(src.Source())).To(j.sink()))
		synctest.Wait()
		if heal > 0 {
			time.AfterFunc(heal, func() { s.well[1].Store(true) })
		}
		begin := time.Now()
		require.Equal(t, []streamtest.Revoked{{Partition: 1}}, src.Revoke(time.Minute, 1))
		require.EqualValues(t, 1, s.tries[0].Load())
		require.Empty(t, j.of(0))
		return src, s, j, c, time.Since(begin)
	}
	bubble.Test(t, func(t *testing.T) {
		src, s, j, c, took := play(t, 10500*time.Millisecond)
		require.Equal(t, 11*time.Second, took, "an attempt each second")
		require.EqualValues(t, 12, s.tries[1].Load())
		require.EqualValues(t, 100, src.Committed(1))
		require.Equal(t, upTo(100), j.of(1))
		requireGivenUp(t, c)
		s.healed.Store(true)
		wait(3 * time.Hour)
		require.Equal(t, upTo(100), j.of(0))
		require.NoError(t, c.Drain(t.Context()))
	})
	bubble.Test(t, func(t *testing.T) {
		begin := time.Now()
		src, s, j, c, _ := play(t, 0)
		requireUntilMargin(t, begin)
		require.Zero(t, src.Committed(1))
		require.Empty(t, j.of(1), "nothing overtakes it")
		requireGivenUp(t, c, 1)
		s.healed.Store(true)
		src.Assign(1)
		wait(3 * time.Hour)
		for p := range int32(2) {
			require.Equal(t, upTo(100), j.of(p))
			require.EqualValues(t, 100, src.Committed(p))
		}
		require.NoError(t, c.Drain(t.Context()))
	})
}

// No more than the limit is set aside: after it a revoke has its deadline, and what is set aside
// is kept.
func TestAsideIsFull(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, s, j := streamtest.NewTracked[int](2, streamtest.PollSize(2000), streamtest.QueueLimit(2000)), &stumbling{on: []int32{0}}, &journal{}
		src.Append(0, upTo(2000)...)
		src.Append(1, upTo(2000)...)
		gate := make(chan struct{})
		c := started(t, s.flow(aside(stream.TryMap(src.Source(), waitFor(gate)), 300)).To(j.sink()))
		synctest.Wait()
		close(gate)     // everything is polled: the partitions take turns
		synctest.Wait() // the ring holds 256 of each
		begin := time.Now()
		require.Equal(t, []streamtest.Revoked{{Partition: 1}}, src.Revoke(time.Minute, 1))
		require.Zero(t, time.Since(begin))
		require.Equal(t, upTo(256), j.of(1))
		synctest.Wait()
		require.GreaterOrEqual(t, buffered(c), 255+512)
		require.LessOrEqual(t, buffered(c), 300+512)
		src.Assign(1)
		require.Empty(t, src.Revoke(0)) // nothing: but the island looks around
		s.healed.Store(true)
		wait(2 * time.Hour)
		require.Equal(t, upTo(2000), j.of(0))
		require.Equal(t, upTo(2000), j.of(1))
		require.NoError(t, c.Drain(t.Context()))
	})
	bubble.Test(t, func(t *testing.T) {
		src, s, j := streamtest.NewTracked[int](3, streamtest.PollSize(2000), streamtest.QueueLimit(2000)), &stumbling{on: []int32{0}}, &journal{}
		for p := range int32(3) {
			src.Append(p, upTo(2000)...)
		}
		gate := make(chan struct{})
		c := started(t, s.flow(aside(stream.TryMap(src.Source(), waitFor(gate)).Buffer(512), 300)).To(j.sink()))
		synctest.Wait()
		close(gate)
		synctest.Wait() // 256 of 0 and of 1 are in the ring, and 256 of 2 in the one before
		begin := time.Now()
		require.Equal(t, []streamtest.Revoked{{Partition: 2, Dropped: 256}}, src.Revoke(time.Minute, 2))
		require.Equal(t, time.Minute, time.Since(begin))
		require.Empty(t, j.of(2))
		s.healed.Store(true)
		src.Assign(2)
		wait(2 * time.Hour)
		for p := range int32(3) {
			require.Equal(t, upTo(2000), j.of(p))
		}
		require.NoError(t, c.Drain(t.Context()))
	})
}

// waitFor begins each element and waits for a gate to be opened.
func waitFor(gate <-chan struct{}) func(context.Context, *message) (*message, error) {
	return func(_ context.Context, m *message) (*message, error) {
		<-gate
		return m, nil
	}
}

// blocking revokes a partition behind a retry of partition 0, so that elements of 0 and 2 are set
// aside.
func blocking(t *testing.T, more func(stream.Source[*message]) stream.Source[*message]) (*streamtest.TrackedSource[int], *stumbling, *journal, stream.Graph, *stream.Control) {
	src, s, j := tracked(3, 1000, streamtest.PollSize(10)), &stumbling{on: []int32{0}}, &journal{}
	g := more(s.flow(begun(src.Source()))).To(j.sink())
	c := started(t, g)
	synctest.Wait()
	require.Equal(t, []streamtest.Revoked{{Partition: 1}}, src.Revoke(time.Minute, 1))
	require.Empty(t, j.of(0))
	require.Empty(t, j.of(2))
	synctest.Wait()
	require.Greater(t, buffered(c), 2*512, "what is set aside is counted")
	return src, s, j, g, c
}

// buffered is how much waits between the stages of a run.
func buffered(c *stream.Control) (n int) {
	for _, st := range c.Snapshot().Stages {
		n += st.Buffered
	}
	return n
}

func nothing(src stream.Source[*message]) stream.Source[*message] { return src }

// A hard stop gives up what is set aside: the next run gets it.
func TestHardStopWithElementsAside(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, s, j, g, c := blocking(t, nothing)
		c.Stop()
		<-c.Done()
		require.ErrorIs(t, c.Err(), stream.ErrStopped)
		require.Zero(t, src.Committed(0))
		require.Zero(t, src.Committed(2))
		require.Empty(t, j.of(2))
		s.healed.Store(true)
		src.Assign(1)
		src.End()
		require.NoError(t, g.Run(t.Context()))
		for p := range int32(3) {
			require.Equal(t, upTo(1000), j.of(p))
			require.EqualValues(t, 1000, src.Committed(p))
		}
	})
}

// A drain tries the element in its pause until shortly before its time-out, and finishes what is
// set aside behind it.
func TestDrainWithElementsAside(t *testing.T) {
	const timeout = stream.DefaultDrainTimeout
	for name, heals := range map[string]bool{"heals": true, "fails": false} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				src, s, j, g, c := blocking(t, nothing)
				if heals {
					time.AfterFunc(3*time.Second-time.Millisecond, func() { s.healed.Store(true) })
				}
				begin := time.Now()
				err := c.Drain(t.Context())
				done := j.of(2)
				require.NotEmpty(t, done)
				require.Equal(t, upTo(len(done)), done)
				require.EqualValues(t, len(done), src.Committed(2))
				if heals {
					require.NoError(t, err)
					require.Equal(t, 3*time.Second, time.Since(begin), "an attempt each second")
					require.NotEmpty(t, j.of(0))
					require.EqualValues(t, len(j.of(0)), src.Committed(0))
				} else {
					var givenUp *stream.GivenUpError
					require.ErrorAs(t, err, &givenUp)
					require.ErrorIs(t, err, stream.ErrDrainTimeout)
					require.Len(t, givenUp.Records, 1)
					require.EqualValues(t, 0, givenUp.Records[0].Partition)
					require.EqualValues(t, 0, givenUp.Records[0].Offset)
					require.Less(t, time.Since(begin), timeout*3/4+time.Millisecond)
					require.Greater(t, time.Since(begin), timeout*3/4-time.Second)
					require.Zero(t, src.Committed(0))
					require.Empty(t, j.of(0), "nothing overtakes it")
					s.healed.Store(true)
				}
				src.Assign(1)
				src.End()
				require.NoError(t, g.Run(t.Context()))
				for p := range int32(3) {
					require.Equal(t, upTo(1000), j.of(p), "once, and in order")
					require.EqualValues(t, 1000, src.Committed(p))
				}
			})
		})
	}
}

// What is set aside is dropped like what lies in a ring.
func TestLostWhileAside(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, s, j, _, c := blocking(t, nothing)
		src.Lose(2)
		s.healed.Store(true)
		wait(2 * time.Hour)
		require.Equal(t, upTo(1000), j.of(0))
		require.Empty(t, j.of(2), "nobody may see it any more")
		src.Assign(1, 2)
		wait(time.Hour)
		require.Equal(t, upTo(1000), j.of(1))
		require.Equal(t, upTo(1000), j.of(2))
		require.NoError(t, c.Drain(t.Context()))
	})
}

// When those that go ahead are all that downstream wants, the element in its pause is refused, and
// so is what is set aside.
func TestEnoughWentAhead(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, s, j := tracked(2, 1000, streamtest.PollSize(10)), &stumbling{on: []int32{0}}, &journal{}
		c := started(t, s.flow(begun(src.Source())).Take(5).To(j.sink()))
		synctest.Wait()
		begin := time.Now()
		src.Revoke(time.Minute, 1)
		require.Zero(t, time.Since(begin))
		<-c.Done()
		require.Zero(t, time.Since(begin))
		require.NoError(t, c.Err())
		require.Equal(t, upTo(5), j.of(1))
		require.EqualValues(t, 5, src.Committed(1))
		require.Zero(t, src.Committed(0))
		require.EqualValues(t, 1, s.tries[0].Load())
	})
	// In a branch of which another goes on, they are done: it has had its share.
	bubble.Test(t, func(t *testing.T) {
		src, s, j, all := tracked(2, 1000, streamtest.PollSize(10)), &stumbling{on: []int32{0}}, &journal{}, &journal{}
		branch := stream.NewFlow(func(src stream.Source[*message]) stream.Source[*message] { return s.flow(src).Take(5) })
		c := started(t, src.Source().To(stream.Broadcast(branch.To(j.sink()), all.sink())))
		synctest.Wait()
		begin := time.Now()
		src.Revoke(time.Minute, 1)
		require.Zero(t, time.Since(begin))
		synctest.Wait()
		require.Equal(t, upTo(5), j.of(1))
		require.Equal(t, upTo(1000), all.of(0), "delivered once")
		require.EqualValues(t, 1000, src.Committed(0))
		require.NoError(t, c.Drain(t.Context()))
	})
}

// A fault of what goes ahead ends the run, and is told of the stage that it is in.
func TestFaultOfWhatGoesAhead(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, s, j := tracked(2, 1000, streamtest.PollSize(10)), &stumbling{on: []int32{0}}, &journal{}
		c := started(t, s.flow(begun(src.Source())).Tap(func(m *message) {
			j.note(m)
			if m.Value == 200 {
				panic("boom")
			}
		}).Named("breaks").To(stream.Ignore[*message]()))
		synctest.Wait()
		src.Revoke(time.Minute, 1)
		<-c.Done()
		var placed *stream.StageError
		require.ErrorAs(t, c.Err(), &placed)
		require.Equal(t, "breaks", placed.Stage)
		require.EqualValues(t, 1, placed.Partition)
		require.EqualValues(t, 200, placed.Offset)
		require.Equal(t, upTo(201), j.of(1), "nothing more goes ahead")
		require.Zero(t, src.Committed(0))
		require.EqualValues(t, 200, src.Committed(1))
	})
}

// An element made of kept and revoked records is tried until it succeeds, or shortly before the
// revoke's deadline, and nothing of the revoked ones overtakes it.
func TestMixedElementsAreNotOvertaken(t *testing.T) {
	for name, heals := range map[string]bool{"heals": true, "fails": false} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				src, healed, j := tracked(2, 1000, streamtest.PollSize(5)), atomic.Bool{}, &journal{}
				g := stream.TryMap(stream.Batch(begun(src.Source()), 8, 0), func(_ context.Context, b []*message) ([]*message, error) {
					if !healed.Load() && slices.ContainsFunc(b, func(m *message) bool { return m.Partition == 0 && m.Value == 8 }) {
						return nil, errFault
					}
					return b, nil
				}, hourly).To(stream.ForEach(func(_ context.Context, b []*message) error {
					j.note(b...)
					return nil
				}))
				c := started(t, g)
				synctest.Wait()
				if heals {
					time.AfterFunc(3*time.Second-time.Millisecond, func() { healed.Store(true) })
				}
				before := j.of(1)
				begin := time.Now()
				require.Equal(t, []streamtest.Revoked{{Partition: 1}}, src.Revoke(time.Minute, 1))
				require.Equal(t, upTo(len(j.of(1))), j.of(1))
				require.EqualValues(t, len(j.of(1)), src.Committed(1))
				if heals {
					require.Equal(t, 3*time.Second, time.Since(begin))
					require.Greater(t, len(j.of(1)), len(before)+100, "what has begun is finished")
					requireGivenUp(t, c)
				} else {
					requireUntilMargin(t, begin)
					require.Equal(t, before, j.of(1))
					require.NotEmpty(t, c.Snapshot().GivenUp)
				}
				healed.Store(true)
				src.Assign(1)
				wait(2 * time.Hour)
				require.NoError(t, src.Checkpoint(t.Context()))
				for p := range int32(2) {
					require.Equal(t, upTo(1000), j.of(p), "once, and in order")
					require.EqualValues(t, 1000, src.Committed(p))
				}
				require.NoError(t, c.Drain(t.Context()))
			})
		})
	}
}

// An element made of kept records and of some that were lost goes on for the kept ones. Nothing of
// the same partition, which has come back since, overtakes it.
func TestMixedElementsOfAnEarlierAssignment(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, healed, j := tracked(2, 1), atomic.Bool{}, &journal{}
		c := started(t, stream.TryMap(stream.Batch(begun(src.Source()), 2, 0), func(_ context.Context, b []*message) ([]*message, error) {
			if !healed.Load() && slices.ContainsFunc(b, func(m *message) bool { return m.Partition == 0 }) {
				return nil, errFault
			}
			return b, nil
		}, hourly).To(stream.ForEach(func(_ context.Context, b []*message) error {
			j.note(b...)
			return nil
		})))
		synctest.Wait()
		src.Lose(1)
		src.Append(1, 1)
		src.Assign(1)
		synctest.Wait()
		begin := time.Now()
		require.Equal(t, []streamtest.Revoked{{Partition: 1, Dropped: 2}}, src.Revoke(time.Second, 1))
		require.Equal(t, time.Second, time.Since(begin))
		require.Empty(t, j.of(1))
		src.Assign(1)
		healed.Store(true)
		wait(2 * time.Hour)
		require.Equal(t, []int{0, 0, 1}, j.of(1), "the first goes on with what is kept")
		require.Equal(t, []int{0}, j.of(0))
		require.EqualValues(t, 2, src.Committed(1))
		require.NoError(t, c.Drain(t.Context()))
	})
}

// A rewind while elements are set aside: what is aside of the old assignment is dropped, what comes
// of the new one is in order.
func TestRewindWithElementsAside(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, s, sink := tracked(3, 10), &stumbling{on: []int32{2}}, &acks[*message]{}
		src.Append(0, 10)
		c := started(t, s.flow(begun(src.Source())).To(sink.sink()))
		synctest.Wait()
		var first int // one of partition 0 or 1 that is in the sink
		require.NotEmpty(t, sink.got())
		p := sink.got()[first].Partition
		begin := time.Now()
		go sink.reply(first, false)
		synctest.Wait()
		require.Zero(t, src.Committed(p))
		go func() {
			for range 50 {
				sink.ackAll()
				wait(time.Second)
			}
		}()
		src.Revoke(time.Minute, 1-p)
		require.Less(t, time.Since(begin), 10*time.Second)
		s.healed.Store(true)
		src.Assign(1 - p)
		wait(3 * time.Hour)
		sink.ackAll()
		synctest.Wait()
		sink.ackAll()
		require.EqualValues(t, 10, src.Committed(2))
		require.EqualValues(t, 11, src.Committed(0))
		require.EqualValues(t, 10, src.Committed(1))
		require.NoError(t, c.Drain(t.Context()))
	})
}

// An element without a token, of a channel, may be what pauses, and be among those that are set
// aside. In a drain nothing goes ahead: its pause is waited for, and is a second at most.
func TestRevokeGoesAheadOfAnUntrackedElement(t *testing.T) {
	play := func(t *testing.T) (*streamtest.TrackedSource[int], chan *message, *journal, *stream.Control) {
		src, ch, j := tracked(2, 100), make(chan *message, 2), &journal{}
		first := true
		flow := stream.TryMap(stream.Merge(stream.FromChan(ch), begun(src.Source())), func(_ context.Context, m *message) (*message, error) {
			if m.Partition == 7 && first {
				first = false
				return nil, errFault
			}
			return m, nil
		}, stream.OnError(stream.Retry(stream.Backoff{First: 5 * time.Second, NoJitter: true})))
		ch <- &message{Partition: 7, Value: 0}
		ch <- &message{Partition: 7, Value: 1}
		c := started(t, flow.To(j.sink()))
		wait(time.Millisecond)
		src.Append(1, 100)
		wait(time.Millisecond)
		return src, ch, j, c
	}
	bubble.Test(t, func(t *testing.T) {
		src, _, j, c := play(t)
		begin := time.Now()
		require.Equal(t, []streamtest.Revoked{{Partition: 1}}, src.Revoke(time.Minute, 1))
		require.Zero(t, time.Since(begin))
		require.EqualValues(t, len(j.of(1)), src.Committed(1))
		wait(6 * time.Second)
		require.Equal(t, upTo(2), j.of(7))
		require.Equal(t, upTo(100), j.of(0))
		require.NoError(t, c.Drain(t.Context()))
	})
	bubble.Test(t, func(t *testing.T) {
		src, _, j, c := play(t)
		begin := time.Now()
		go func() { _ = c.Drain(t.Context()) }()
		synctest.Wait()
		src.Revoke(time.Minute, 1) // the end of the run may come before its own
		require.Equal(t, time.Second, time.Since(begin))
		<-c.Done()
		require.Equal(t, time.Second, time.Since(begin))
		require.Equal(t, upTo(2), j.of(7))
		for p := range int32(2) {
			require.NotEmpty(t, j.of(p))
			require.EqualValues(t, len(j.of(p)), src.Committed(p))
		}
	})
}

// A partition that comes back while its earlier assignment is still being revoked keeps its order:
// what is retried of the earlier one is not overtaken when the later one is revoked too.
func TestPartitionThatComesBackKeepsItsOrder(t *testing.T) {
	for name, flow := range map[string]func(src stream.Source[*message], call func(context.Context, *message) (*message, error)) stream.Source[*message]{
		"a retry": func(src stream.Source[*message], call func(context.Context, *message) (*message, error)) stream.Source[*message] {
			return stream.TryMap(begun(src), call, hourly)
		},
		"workers": func(src stream.Source[*message], call func(context.Context, *message) (*message, error)) stream.Source[*message] {
			return stream.MapAsync(begun(src), 512, call, hourly)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				src := tracked(1, 100)
				var first, put atomic.Pointer[message]
				var healed atomic.Bool
				c := started(t, flow(src.Source(), func(_ context.Context, m *message) (*message, error) {
					if m.Value == 0 && (first.CompareAndSwap(nil, m) || first.Load() == m) && !healed.Load() {
						return nil, errFault
					}
					return m, nil
				}).To(stream.ForEach(func(_ context.Context, m *message) error {
					put.CompareAndSwap(nil, m)
					return nil
				})))
				synctest.Wait()
				var both sync.WaitGroup
				both.Go(func() { src.Revoke(time.Hour, 0) })
				synctest.Wait()
				src.Assign(0)
				synctest.Wait()
				both.Go(func() { src.Revoke(time.Hour, 0) })
				synctest.Wait()
				require.Nil(t, put.Load(), "the first record has not come through")
				healed.Store(true)
				both.Wait()
				require.Same(t, first.Load(), put.Load())
				require.NoError(t, c.Drain(t.Context()))
			})
		})
	}
}

// A revoke that begins while elements of another go ahead is not missed.
func TestRevokeWhileOthersGoAhead(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, s, j := tracked(3, 100), &stumbling{on: []int32{0}}, &journal{}
		began, gate := make(chan struct{}, 10), make(chan struct{})
		c := started(t, stream.Batch(s.flow(begun(src.Source())), 10_000, 0).To(stream.ForEach(func(_ context.Context, b []*message) error {
			began <- struct{}{}
			<-gate
			j.note(b...)
			return nil
		})))
		synctest.Wait()
		begin := time.Now()
		var both sync.WaitGroup
		for _, p := range []int32{1, 2} {
			both.Go(func() { require.Equal(t, []streamtest.Revoked{{Partition: p}}, src.Revoke(time.Minute, p)) })
			synctest.Wait()
		}
		require.Len(t, began, 1, "a batch of the first is in work, inside the pause")
		<-began
		close(gate)
		both.Wait()
		require.Zero(t, time.Since(begin))
		require.Equal(t, upTo(100), j.of(1))
		require.Equal(t, upTo(100), j.of(2))
		s.healed.Store(true)
		require.NoError(t, c.Drain(t.Context()))
	})
}

// What was set aside and is lost meanwhile does not go ahead.
func TestLostDoesNotGoAhead(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, s, sink := tracked(4, 100), &stumbling{on: []int32{0}}, &acks[*message]{}
		c := started(t, s.flow(begun(src.Source())).To(sink.sink()))
		synctest.Wait()
		var both sync.WaitGroup
		both.Go(func() { src.Revoke(time.Minute, 1) })
		synctest.Wait()
		require.Len(t, sink.got(), 100)
		src.Lose(2)
		both.Go(func() { src.Revoke(time.Minute, 3) })
		synctest.Wait()
		for _, m := range sink.got() {
			require.Contains(t, []int32{1, 3}, m.Partition)
		}
		require.Len(t, sink.got(), 200)
		sink.ackAll()
		both.Wait()
		require.EqualValues(t, 100, src.Committed(3))
		s.healed.Store(true)
		wait(2 * time.Hour)
		sink.ackAll()
		require.Len(t, sink.got(), 300)
		require.EqualValues(t, 100, src.Committed(0))
		require.NoError(t, c.Drain(t.Context()))
	})
}

// After a pause in which others went ahead, what breaks is the stage that paused.
func TestStageOfAPause(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, calls := tracked(2, 100), 0
		c := started(t, stream.TryMap(begun(src.Source()), func(_ context.Context, m *message) (*message, error) {
			if m.Partition == 0 {
				return nil, errFault
			}
			return m, nil
		}, stream.OnError(stream.Retry(stream.Backoff{First: time.Hour, NoJitter: true, Max: time.Hour, If: func(error) bool {
			if calls++; calls == 2 {
				panic("boom")
			}
			return true
		}}))).Named("tries").Tap(func(*message) {}).Named("follows").To(stream.Ignore[*message]()))
		synctest.Wait()
		src.Revoke(time.Minute, 1)
		require.EqualValues(t, 100, src.Committed(1))
		<-c.Done()
		var placed *stream.StageError
		require.ErrorAs(t, c.Err(), &placed)
		require.Equal(t, "tries", placed.Stage)
		require.Zero(t, placed.Partition)
	})
}

// The same with the revoke falling anywhere: outside of a bubble, on all processors.
func TestRevokeGoesAheadAtAnyMoment(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 50
	}
	for i := range rounds {
		src, s, j := tracked(3, 200, streamtest.PollSize(1+i%7)), &stumbling{on: []int32{0}}, &journal{}
		first := make(chan struct{})
		flow := s.flow(stream.TryMap(src.Source().Buffer(1+i%3), func(_ context.Context, m *message) (*message, error) {
			if m.Partition == 0 && m.Value == 0 {
				close(first)
			}
			return m, nil
		}).Buffer(1))
		c := started(t, flow.To(j.sink()))
		<-first
		// How many follow it is bounded by what may run ahead, so the moment is not one of theirs.
		for range i % 50 {
			runtime.Gosched()
		}
		for _, p := range []int32{1, 2} {
			begin := time.Now()
			require.Equal(t, []streamtest.Revoked{{Partition: p}}, src.Revoke(time.Minute, p), "in round %d", i)
			require.Less(t, time.Since(begin), 30*time.Second)
			require.EqualValues(t, len(j.of(p)), src.Committed(p))
			require.True(t, slices.Equal(upTo(len(j.of(p))), j.of(p)))
		}
		c.Stop()
		<-c.Done()
		require.Empty(t, j.of(0))
	}
}
