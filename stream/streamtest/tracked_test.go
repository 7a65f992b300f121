package streamtest_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
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

// acks is a sink whose elements the test acknowledges one by one.
type acks[T any] struct {
	mu      sync.Mutex
	pending []pendingAck[T]
}

type pendingAck[T any] struct {
	v        T
	answered bool
	reply    func(ok bool)
}

func (a *acks[T]) sink() stream.Sink[T] {
	return stream.Sink[T](blueprint.NewSink(func(b *core.Builder, at core.At) core.Stage[T] {
		isl, fin, open := at.Island, b.Run.NewFinisher(), 0
		info := isl.AddStage(b.Name("acks"))
		return core.Stage[T]{Push: func(v T) {
			isl.In(info)
			t := isl.Out()
			a.mu.Lock()
			defer a.mu.Unlock()
			open++
			a.pending = append(a.pending, pendingAck[T]{v: v, reply: func(ok bool) {
				if ok {
					fin.Done(t)
				} else {
					fin.Abandon(t)
				}
				open--
				isl.Wake()
			}})
		}, Done: func() {
			isl.Await(func() bool {
				a.mu.Lock()
				defer a.mu.Unlock()
				return open == 0
			})
		}, Link: &core.Link{}}
	}))
}

// got is what has arrived.
func (a *acks[T]) got() (vs []T) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.pending {
		vs = append(vs, p.v)
	}
	return vs
}

func (a *acks[T]) reply(i int, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pending[i].answered = true
	a.pending[i].reply(ok)
}

func (a *acks[T]) ackAll() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.pending {
		if !a.pending[i].answered {
			a.pending[i].answered = true
			a.pending[i].reply(true)
		}
	}
}

func tracked(partitions, records int, opts ...streamtest.TrackedOption) *streamtest.TrackedSource[int] {
	src := streamtest.NewTracked[int](partitions, opts...)
	for p := range partitions {
		src.Append(int32(p), upTo(records)...)
	}
	return src
}

func started(t *testing.T, g stream.Graph) *stream.Control {
	c, err := g.Start(t.Context())
	require.NoError(t, err)
	return c
}

func triple(m *message) iter.Seq[*message] { return slices.Values([]*message{m, m, m}) }

// count is a sink that finishes and counts.
type count struct {
	mu sync.Mutex
	n  int
}

func (c *count) add(n int) {
	c.mu.Lock()
	c.n += n
	c.mu.Unlock()
}

func (c *count) is() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func counting[T any](c *count) stream.Sink[T] {
	return stream.ForEach(func(context.Context, T) error { c.add(1); return nil })
}

// An element of which one part was finished and the other given up is not done, and is delivered
// again.
func TestSplitWithAnAbandonedPart(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, sink := tracked(1, 1), &acks[*message]{}
		c := started(t, stream.FlatMap(src.Source(), func(m *message) iter.Seq[*message] { return slices.Values([]*message{m, m}) }).To(sink.sink()))
		synctest.Wait()
		require.Len(t, sink.got(), 2)
		sink.reply(0, true)
		sink.reply(1, false)
		synctest.Wait()
		require.Zero(t, src.Committed(0))
		require.Len(t, sink.got(), 4, "delivered again")
		sink.ackAll()
		require.EqualValues(t, 1, src.Committed(0))
		require.NoError(t, c.Drain(t.Context()))
	})
}

// A revoke does not wait for a channel that nothing comes from.
func TestRevokeBesideAQuietChannel(t *testing.T) {
	for name, before := range beginnings {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				src, quiet, n := tracked(2, 100), make(chan int), &count{}
				values := stream.Map(before(src.Source()), func(m *message) int { return m.Value })
				batches := stream.Batch(stream.Merge(stream.FromChan(quiet), values), 1000, 0)
				c := started(t, batches.To(stream.ForEach(func(_ context.Context, b []int) error {
					n.add(len(b))
					return nil
				})))
				synctest.Wait()
				require.Zero(t, n.is())
				begin := time.Now()
				require.Equal(t, []streamtest.Revoked{{Partition: 0}}, src.Revoke(time.Minute, 0))
				require.Zero(t, time.Since(begin))
				synctest.Wait()
				if name == "begun" {
					require.EqualValues(t, 100, src.Committed(0))
					require.Equal(t, 200, n.is())
				} else {
					require.Zero(t, src.Committed(0), "nothing of it had begun")
					require.NoError(t, src.Checkpoint(t.Context()))
					require.Equal(t, 100, n.is(), "the kept partition's")
				}
				require.EqualValues(t, 100, src.Committed(1))
				require.NoError(t, c.Drain(t.Context()))
			})
		})
	}
}

// beginnings are what may be before a stage: an end finishes what has begun, and gives back the
// rest.
var beginnings = map[string]func(stream.Source[*message]) stream.Source[*message]{
	"begun": begun, "not begun": nothing,
}

// A revoke does not wait for a batch's time, nor for its count: what has begun goes on with what is
// kept, and what has not is left out of the batch.
func TestRevokeBeforeABatchIsFull(t *testing.T) {
	for name, before := range beginnings {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				src, j, batches := tracked(2, 100), &journal{}, &count{}
				c := started(t, stream.Batch(before(src.Source()), 1000, 10*time.Second).To(stream.ForEach(func(_ context.Context, b []*message) error {
					batches.add(1)
					j.note(b...)
					return nil
				})))
				synctest.Wait()
				begin := time.Now()
				require.Equal(t, []streamtest.Revoked{{Partition: 1}}, src.Revoke(time.Minute, 1))
				require.Zero(t, time.Since(begin))
				synctest.Wait()
				if name == "begun" {
					require.Equal(t, 1, batches.is())
					require.Equal(t, upTo(100), j.of(0), "the batch goes on as it is, with the kept partition's")
					require.EqualValues(t, 100, src.Committed(1))
					require.Equal(t, upTo(100), j.of(1))
				} else {
					require.Zero(t, src.Committed(1))
					require.Empty(t, j.of(1))
				}
				src.Append(0, 100)
				src.Assign(1)
				wait(11 * time.Second)
				require.Equal(t, upTo(101), j.of(0))
				require.Equal(t, upTo(100), j.of(1), "once")
				require.EqualValues(t, 101, src.Committed(0))
				require.EqualValues(t, 100, src.Committed(1))
				require.NoError(t, c.Drain(t.Context()))
			})
		})
	}
}

// What has not begun is taken back when a revoke begins.
func TestRevokeTakesTheQueueBack(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, gate, n := tracked(1, 1000, streamtest.PollSize(10)), make(chan struct{}), &count{}
		c := started(t, src.Source().To(stream.ForEach(func(context.Context, *message) error {
			<-gate
			n.add(1)
			return nil
		})))
		synctest.Wait()
		require.Equal(t, 1000, src.Outstanding(0))
		time.AfterFunc(time.Second, func() { close(gate) })
		begin := time.Now()
		require.Equal(t, []streamtest.Revoked{{Partition: 0}}, src.Revoke(time.Minute, 0))
		require.Equal(t, time.Second, time.Since(begin))
		require.Equal(t, 1, n.is(), "the one in hand")
		require.EqualValues(t, 1, src.Committed(0))
		src.Assign(0)
		synctest.Wait()
		require.Equal(t, 1000, n.is())
		require.EqualValues(t, 1000, src.Committed(0))
		require.NoError(t, c.Drain(t.Context()))
	})
}

// A source is not assigned before its turn, and never after the start of a drain.
func TestConcatStartsEachAtItsTurn(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		first, second, n := tracked(1, 10), tracked(1, 10), &count{}
		g := stream.Concat(first.Source(), second.Source()).To(counting[*message](n))
		c := started(t, g)
		synctest.Wait()
		require.Equal(t, 10, n.is())
		require.ErrorIs(t, second.Checkpoint(t.Context()), streamtest.ErrNoRun)
		require.NoError(t, c.Drain(t.Context()))
		require.Equal(t, 10, n.is())
		require.Zero(t, second.Committed(0))
		first.End()
		second.End()
		require.NoError(t, g.Run(t.Context()))
		require.Equal(t, 20, n.is())
		require.EqualValues(t, 10, second.Committed(0))
	})
}

// A push that is refused while it waits gives its element up.
func TestRefusedWhileItWaits(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, gate := tracked(1, 100), make(chan struct{})
		pushed := &count{}
		g := src.Source().Tap(func(*message) { pushed.add(1) }).Buffer(1).Take(10).To(stream.ForEach(func(_ context.Context, m *message) error {
			if m.Value == 9 {
				<-gate
			}
			return nil
		}))
		c := started(t, g)
		synctest.Wait()
		require.Equal(t, 11, pushed.is(), "one in work keeps its place in the buffer, one waits")
		close(gate)
		<-c.Done()
		require.NoError(t, c.Err())
		require.EqualValues(t, 10, src.Committed(0))
	})
}

// A push that finds its receiver gone gives its element up as well.
func TestRefusedWhenItArrives(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, gate := tracked(1, 100), make(chan struct{})
		c := started(t, src.Source().Tap(func(m *message) {
			if m.Value == 10 {
				<-gate
			}
		}).Async().Take(10).To(stream.Ignore[*message]()))
		synctest.Wait()
		require.EqualValues(t, 10, src.Committed(0))
		close(gate)
		<-c.Done()
		require.NoError(t, c.Err())
		require.EqualValues(t, 10, src.Committed(0))
	})
}

// The same with the refusal falling anywhere: outside of a bubble, on all processors.
func TestRefusedAtAnyMoment(t *testing.T) {
	for i := range 300 {
		src := tracked(1, 50)
		require.NoError(t, src.Source().Buffer(1+i%3).Take(10).To(stream.Ignore[*message]()).Run(t.Context()))
		require.EqualValues(t, 10, src.Committed(0))
	}
}

// A batch that is emitted while a FlatMap gives its elements out belongs to several records.
func TestBatchFlushedInsideAFlatMap(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, sink := tracked(1, 2), &acks[[]*message]{}
		c := started(t, stream.Batch(stream.FlatMap(src.Source(), triple), 2, 0).To(sink.sink()))
		synctest.Wait()
		require.Len(t, sink.got(), 3)
		sink.reply(0, true)
		sink.reply(2, true)
		require.Zero(t, src.Committed(0))
		sink.reply(1, true)
		require.EqualValues(t, 2, src.Committed(0))
		require.NoError(t, c.Drain(t.Context()))
	})
}

// A fault on the second part of an element leaves it undone, whatever became of the first.
func TestFaultInTheSecondPart(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, n, broken := tracked(1, 3), &count{}, true
		src.End()
		boom := errors.New("boom")
		g := stream.TryMap(stream.FlatMap(src.Source(), triple), func(_ context.Context, m *message) (*message, error) {
			if n.is()%3 == 1 && m.Value == 1 && broken {
				return nil, boom
			}
			return m, nil
		}).To(counting[*message](n))
		err := g.Run(t.Context())
		require.ErrorIs(t, err, boom)
		var placed *stream.StageError
		require.ErrorAs(t, err, &placed)
		require.EqualValues(t, 1, placed.Offset)
		require.EqualValues(t, 1, src.Committed(0))
		broken = false
		require.NoError(t, g.Run(t.Context()))
		require.EqualValues(t, 3, src.Committed(0))
	})
}

// What is finished is visible to the commit loop behind a slow element too.
func TestFinishedBeforeASlowOne(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, gate := tracked(1, 256), make(chan struct{})
		c := started(t, src.Source().To(stream.ForEach(func(_ context.Context, m *message) error {
			if m.Value == 200 {
				<-gate
			}
			return nil
		})))
		synctest.Wait()
		require.EqualValues(t, 200, src.Committed(0))
		wait(time.Minute)
		offset, age, ok := src.Oldest(0)
		require.True(t, ok)
		require.EqualValues(t, 200, offset)
		require.Equal(t, time.Minute, age)
		close(gate)
		synctest.Wait()
		require.EqualValues(t, 256, src.Committed(0))
		require.NoError(t, c.Drain(t.Context()))
	})
}

// An answer to what an earlier assignment has delivered marks nothing of the later one.
func TestLateAnswerToAnEarlierAssignment(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, sink := tracked(1, 1), &acks[*message]{}
		c := started(t, src.Source().To(sink.sink()))
		synctest.Wait()
		src.Lose(0)
		src.Assign(0)
		synctest.Wait()
		require.Len(t, sink.got(), 2)
		sink.reply(0, true)
		sink.got()[0].Commit()
		synctest.Wait()
		require.Zero(t, src.Committed(0))
		require.Equal(t, 1, src.Outstanding(0))
		sink.reply(1, true)
		require.EqualValues(t, 1, src.Committed(0))
		require.NoError(t, c.Drain(t.Context()))
	})
}

// Commit counts whenever it is called, and finishes nothing of which parts still travel.
func TestCommitBeforeDuringAndBehindTheHandOver(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, ch := tracked(1, 1), make(chan *message)
		parts := stream.FlatMap(src.Source().Tap(func(m *message) { m.Commit() }), triple)
		c := started(t, parts.To(stream.ToChan(ch)))
		for range 3 {
			require.Zero(t, src.Committed(0), "a part has not been handed over yet")
			<-ch
		}
		synctest.Wait()
		require.EqualValues(t, 1, src.Committed(0), "before")
		require.NoError(t, c.Drain(t.Context()))
	})
	bubble.Test(t, func(t *testing.T) {
		src, when := tracked(1, 2), []*message(nil)
		c := started(t, src.Source().To(stream.ForEachManual(func(_ context.Context, m *message) error {
			if m.Value == 0 {
				m.Commit()
			}
			when = append(when, m)
			return nil
		})))
		synctest.Wait()
		require.EqualValues(t, 1, src.Committed(0), "during")
		require.Equal(t, 1, src.Outstanding(0))
		when[1].Commit()
		require.EqualValues(t, 2, src.Committed(0), "after")
		when[1].Commit()
		require.EqualValues(t, 2, src.Committed(0))
		require.Zero(t, src.Outstanding(0), "twice counts once")
		require.NoError(t, c.Drain(t.Context()))
	})
}

// A drain waits for what user code has.
func TestDrainWaitsForACommit(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, ch := tracked(1, 1), make(chan *message, 1)
		c := started(t, src.Source().To(stream.ToChan(ch)))
		m := <-ch
		time.AfterFunc(time.Second, m.Commit)
		require.NoError(t, c.Drain(t.Context()))
		require.EqualValues(t, 1, src.Committed(0))
	})
}

// Where there is no Committable, a hand-over ends the token.
func TestHandOverOfValues(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, ch := tracked(1, 3), make(chan int, 3)
		src.End()
		require.NoError(t, src.Values().To(stream.ToChan(ch)).Run(t.Context()))
		require.EqualValues(t, 3, src.Committed(0))
	})
}

// A part of a batch hands over all its records: each waits for its own Commit, also one that was
// left out on the way.
func TestHandOverOfAPartOfABatch(t *testing.T) {
	graphs := map[string]func(src stream.Source[*message], ch chan *message) stream.Graph{
		"toChan": func(src stream.Source[*message], ch chan *message) stream.Graph { return src.To(stream.ToChan(ch)) },
		"forEachManual": func(src stream.Source[*message], ch chan *message) stream.Graph {
			return src.To(stream.ForEachManual(func(_ context.Context, m *message) error {
				ch <- m
				return nil
			}))
		},
	}
	for name, graph := range graphs {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				src, ch, all := tracked(1, 3), make(chan *message, 3), []*message(nil)
				seen := src.Source().Tap(func(m *message) { all = append(all, m) })
				parts := unbatch(stream.Batch(seen, 3, 0)).Filter(func(m *message) bool { return m.Value == 1 })
				c := started(t, graph(parts, ch))
				(<-ch).Commit()
				synctest.Wait()
				require.Zero(t, src.Committed(0))
				require.Equal(t, 2, src.Outstanding(0))
				all[0].Commit()
				require.EqualValues(t, 2, src.Committed(0))
				all[2].Commit()
				require.EqualValues(t, 3, src.Committed(0))
				require.NoError(t, c.Drain(t.Context()))
			})
		})
	}
}

// What a policy skips was not handed over after all.
func TestHandOverWithdrawn(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, boom := tracked(1, 9), errors.New("boom")
		src.End()
		require.NoError(t, stream.FlatMap(src.Source(), triple).To(stream.ForEachManual(func(_ context.Context, m *message) error {
			if m.Value%2 == 0 {
				return boom
			}
			m.Commit()
			return nil
		}, stream.OnError(stream.Skip()))).Run(t.Context()))
		require.EqualValues(t, 9, src.Committed(0))
	})
}

// A branch that ends early has had its share: it holds nobody's frontier, and nothing is delivered
// again for it.
func TestBranchThatEndsEarly(t *testing.T) {
	call := func(_ context.Context, m *message) (*message, error) {
		if m.Value > 2 {
			wait(time.Second)
		}
		return m, nil
	}
	type flow = func(stream.Source[*message]) stream.Source[*message]
	for name, f := range map[string]flow{
		"take": func(s stream.Source[*message]) stream.Source[*message] { return s.Take(2) },
		"calls in flight": func(s stream.Source[*message]) stream.Source[*message] {
			return stream.MapAsync(s, 4, call).Take(2)
		},
		"unordered calls in flight": func(s stream.Source[*message]) stream.Source[*message] {
			return stream.MapAsyncUnordered(s, 4, call).Take(2)
		},
		"a batch": func(s stream.Source[*message]) stream.Source[*message] {
			return stream.FlatMap(stream.Batch(s, 3, 0), func(b []*message) iter.Seq[*message] { return slices.Values(b) }).Take(2)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				src, short, long := tracked(1, 100), &count{}, &count{}
				c := started(t, src.Source().To(stream.Broadcast(stream.NewFlow(f).To(counting[*message](short)), counting[*message](long))))
				wait(time.Minute)
				require.EqualValues(t, 100, src.Committed(0))
				require.Equal(t, 2, short.is())
				require.Equal(t, 100, long.is(), "delivered once")
				require.NoError(t, c.Drain(t.Context()))
			})
		})
	}
}

// A revoke does not shorten the pause of a kept partition's retry, and does not wait for it. A
// retry of the partition itself pauses for a second at most.
func TestRevokeBehindARetry(t *testing.T) {
	for name, before := range beginnings {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				src, tries := tracked(2, 1), [2]count{}
				c := started(t, stream.TryMap(before(src.Source()), func(_ context.Context, m *message) (*message, error) {
					tries[m.Partition].add(1)
					if m.Partition == 0 && tries[0].is() < 4 {
						return nil, errFault
					}
					return m, nil
				}, stream.OnError(stream.Retry(stream.Backoff{First: time.Hour, Max: time.Hour, NoJitter: true}))).To(stream.Ignore[*message]()))
				synctest.Wait()
				begin := time.Now()
				require.Equal(t, []streamtest.Revoked{{Partition: 1}}, src.Revoke(10*time.Second, 1))
				require.Zero(t, time.Since(begin))
				finished := 0
				if name == "begun" {
					finished = 1
				}
				require.EqualValues(t, finished, src.Committed(1))
				require.Equal(t, finished, tries[1].is())
				require.Equal(t, 1, tries[0].is())
				wait(time.Hour)
				synctest.Wait()
				require.Equal(t, 2, tries[0].is())
				begin = time.Now()
				require.Equal(t, []streamtest.Revoked{{Partition: 0}}, src.Revoke(time.Minute, 0))
				require.Equal(t, 2*time.Second, time.Since(begin))
				require.EqualValues(t, 1, src.Committed(0), "the last attempt went well")
				require.Equal(t, 4, tries[0].is())
				require.NoError(t, c.Drain(t.Context()))
			})
		})
	}
}

// A rewind delivers again from the first record that is not done; what is on its way under the old
// index marks nothing.
func TestRewindWithElementsInFlight(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, sink := tracked(1, 10), &acks[*message]{}
		c := started(t, src.Source().To(sink.sink()))
		synctest.Wait()
		for i := range 3 {
			sink.reply(i, true)
		}
		sink.reply(3, false)
		synctest.Wait()
		require.EqualValues(t, 3, src.Committed(0))
		got := sink.got()
		require.Len(t, got, 17)
		require.EqualValues(t, 3, got[10].Offset)
		for i := 4; i < 10; i++ {
			sink.reply(i, true)
		}
		require.EqualValues(t, 3, src.Committed(0))
		require.Equal(t, 7, src.Outstanding(0))
		sink.ackAll()
		require.EqualValues(t, 10, src.Committed(0))
		require.NoError(t, c.Drain(t.Context()))
	})
}

// A rewind waits for what lies before the element that was given up: that is not delivered again.
func TestRewindWaitsForWhatLiesBefore(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, sink := tracked(1, 10), &acks[*message]{}
		c := started(t, begun(src.Source()).To(sink.sink()))
		synctest.Wait()
		sink.reply(5, false)
		wait(time.Minute)
		require.Len(t, sink.got(), 10, "five are on their way")
		require.Equal(t, 5, src.Outstanding(0))
		sink.reply(7, true) // nothing
		for i := range 4 {
			sink.reply(i, true)
		}
		synctest.Wait()
		require.Len(t, sink.got(), 10)
		sink.reply(4, false) // the gap moves down
		synctest.Wait()
		got := sink.got()
		require.Len(t, got, 16)
		require.EqualValues(t, 4, got[10].Offset)
		require.EqualValues(t, 4, src.Committed(0))
		sink.ackAll()
		synctest.Wait()
		require.EqualValues(t, 10, src.Committed(0))
		require.NoError(t, c.Drain(t.Context()))
	})
}

// A batch that is larger than what may be on its way does not wait for ever. What a drain finds in
// one that was not emitted has not begun, and comes again.
func TestBatchLargerThanTheTracker(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, j := tracked(1, 95, streamtest.TrackLimit(10)), &journal{}
		g := stream.Batch(src.Source(), 1000, 0).To(stream.ForEach(func(_ context.Context, b []*message) error {
			j.note(b...)
			return nil
		}))
		c := started(t, g)
		synctest.Wait()
		done := len(j.of(0))
		require.GreaterOrEqual(t, done, 85)
		require.Less(t, done, 95)
		require.EqualValues(t, done, src.Committed(0))
		require.NoError(t, c.Drain(t.Context()))
		require.ErrorIs(t, c.Err(), stream.ErrDrained)
		require.EqualValues(t, 95-done, c.Snapshot().GivenBack)
		require.EqualValues(t, done, src.Committed(0))
		require.Len(t, j.of(0), done)
		src.End()
		require.NoError(t, g.Run(t.Context()))
		require.Equal(t, upTo(95), j.of(0), "once, and in order")
	})
}

// What is lost is thrown away at every boundary, before user code sees it.
func TestLostElementsAreDropped(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, gate, n := tracked(2, 100), make(chan struct{}), [2]count{}
		c := started(t, stream.MapAsync(src.Source(), 2, func(_ context.Context, m *message) (*message, error) { return m, nil }).To(
			stream.ForEach(func(_ context.Context, m *message) error {
				n[m.Partition].add(1)
				<-gate
				return nil
			})))
		synctest.Wait()
		src.Lose(0)
		close(gate)
		synctest.Wait()
		require.LessOrEqual(t, n[0].is(), 1, "the one that was in work")
		require.Equal(t, 100, n[1].is())
		require.Zero(t, src.Committed(0))
		require.EqualValues(t, 100, src.Committed(1))
		require.NotZero(t, c.Snapshot().Dropped)
		require.NoError(t, c.Drain(t.Context()))
	})
}

// An abort commits nothing of what came since the last checkpoint, and runs again from there.
func TestAbortRunsAgain(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src, n := tracked(1, 10, streamtest.Transactional()), &count{}
		done := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { done <- src.Run(ctx, stream.Batch(src.Source(), 7, 0).To(counting[[]*message](n))) }()
		synctest.Wait()
		require.Zero(t, src.Committed(0))
		src.Abort()
		synctest.Wait()
		require.Equal(t, 2, n.is())
		require.NoError(t, src.Checkpoint(t.Context()))
		require.Equal(t, 2, n.is(), "the rest of the second run's waits for more")
		require.EqualValues(t, 7, src.Committed(0))
		src.Append(0, upTo(4)...)
		synctest.Wait()
		require.Equal(t, 3, n.is())
		require.EqualValues(t, 7, src.Committed(0))
		cancel()
		require.ErrorIs(t, <-done, stream.ErrDrained)
		require.EqualValues(t, 14, src.Committed(0), "the end of a run ends the transaction")
	})
}

func TestTrackedSourceRunsOnce(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src := tracked(1, 10)
		g := src.Source().To(stream.Ignore[*message]())
		c := started(t, g)
		require.ErrorIs(t, g.Run(t.Context()), streamtest.ErrTracked)
		synctest.Wait()
		require.NoError(t, c.Drain(t.Context()))
		require.EqualValues(t, 10, src.Committed(0))
	})
}

// Offsets have gaps.
func TestGapsInOffsets(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		src := tracked(1, 3)
		src.Skip(0, 10)
		src.Append(0, 3, 4)
		src.End()
		sink := &acks[*message]{}
		c := started(t, src.Source().To(sink.sink()))
		synctest.Wait()
		require.EqualValues(t, 13, sink.got()[3].Offset)
		sink.reply(4, true)
		require.Zero(t, src.Committed(0))
		for i := range 3 {
			sink.reply(i, true)
		}
		require.EqualValues(t, 3, src.Committed(0))
		sink.reply(3, true)
		<-c.Done()
		require.NoError(t, c.Err())
		require.EqualValues(t, 15, src.Committed(0))
	})
}
