package streamtest_test

import (
	"context"
	"errors"
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

// transaction is what has entered a transaction, and what was committed.
type transaction[T any] struct {
	src *streamtest.TrackedSource[int]

	mu        sync.Mutex
	inside    []T
	committed []T
	ends      [][]T // the outputs of each transaction that has committed any
	aborts    int
}

func begin[T any](partitions int, opts ...streamtest.TrackedOption) *transaction[T] {
	tx := &transaction[T]{src: streamtest.NewTracked[int](partitions, append(opts, streamtest.Transactional())...)}
	tx.src.OnTransaction(func(committed bool) {
		tx.mu.Lock()
		defer tx.mu.Unlock()
		if committed {
			tx.committed = append(tx.committed, tx.inside...)
			if len(tx.inside) > 0 {
				tx.ends = append(tx.ends, tx.inside)
			}
		} else {
			tx.aborts++
		}
		tx.inside = nil
	})
	return tx
}

// sink is where elements enter, and are finished.
func (tx *transaction[T]) sink() stream.Sink[T] {
	enter := stream.NewFlow(func(src stream.Source[T]) stream.Source[T] { return streamtest.Entering(src) })
	return enter.To(stream.ForEach(func(_ context.Context, v T) error {
		tx.mu.Lock()
		defer tx.mu.Unlock()
		tx.inside = append(tx.inside, v)
		return nil
	}))
}

func (tx *transaction[T]) commit(t *testing.T) {
	t.Helper()
	synctest.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	require.NoError(t, tx.src.Checkpoint(ctx))
}

func (tx *transaction[T]) outputs() []T {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	return append([]T(nil), tx.committed...)
}

func (tx *transaction[T]) start(t *testing.T, g stream.Graph) *stream.Control {
	t.Helper()
	c, err := g.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() {
		c.Stop()
		<-c.Done()
	})
	return c
}

func values(src *streamtest.TrackedSource[int]) stream.Source[int] {
	return stream.Map(src.Source(), func(m *message) int { return m.Value })
}

// The gate is an operator like others while no transaction ends.
func TestEnteringFlow(t *testing.T) {
	streamtest.TestFlow(t, flow(func(s stream.Source[int], _ call) stream.Source[int] {
		return stream.Source[int](blueprint.Operator(blueprint.Source[int](s), "gate", func(_ *core.Builder, name string, at core.At, next func(core.At) core.Stage[int]) core.Stage[int] {
			st := next(at.Begun())
			return core.GateStage(at, at.Island.AddStage(name), st, nil)
		}))
	}, same), streamtest.Ordered())
}

// A batch in the middle, of a number or a time that an epoch does not wait for, neither holds an
// epoch nor is shortened by it; nor does a call that takes long.
func TestEpochLeavesWhatHasNotEntered(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		tx := begin[[]int](1)
		c := tx.start(t, stream.Batch(values(tx.src), 4, time.Hour).To(tx.sink()))
		tx.src.Append(0, 1, 2, 3, 4, 5, 6)
		tx.commit(t)
		require.Equal(t, [][]int{{1, 2, 3, 4}}, tx.outputs())
		require.EqualValues(t, 4, tx.src.Committed(0))
		tx.commit(t)
		tx.src.Append(0, 7, 8)
		tx.commit(t)
		require.Equal(t, [][]int{{1, 2, 3, 4}, {5, 6, 7, 8}}, tx.outputs())
		tx.src.Append(0, 9)
		require.NoError(t, c.Drain(t.Context()))
		require.EqualValues(t, 8, tx.src.Committed(0), "what has not begun is given back")
		require.Zero(t, tx.aborts)
	})
	bubble.Test(t, func(t *testing.T) {
		tx := begin[int](1)
		tx.start(t, stream.MapAsync(values(tx.src), 4, func(ctx context.Context, v int) (int, error) {
			if v == 2 {
				<-time.After(5 * time.Second)
			}
			return v, nil
		}).To(tx.sink()))
		tx.src.Append(0, 1, 2, 3)
		began := time.Now()
		tx.commit(t)
		require.Equal(t, []int{1}, tx.outputs())
		tx.commit(t)
		require.Zero(t, time.Since(began))
		wait(5 * time.Second)
		tx.commit(t)
		require.Equal(t, []int{1, 2, 3}, tx.outputs())
	})
}

// What has entered is waited for with all that its records have become: in another branch, in a
// batch there, and after a call without order. A batch emits that, and keeps what comes after it.
func TestEpochWaitsForWhatHasEntered(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		tx := begin[[]int](1)
		batches := stream.NewFlow(func(src stream.Source[int]) stream.Source[[]int] { return stream.Batch(src, 3, time.Hour) })
		// one more has come to the second branch than has entered in the first
		singles := stream.NewFlow(func(src stream.Source[int]) stream.Source[[]int] {
			return stream.TryMap(src, func(_ context.Context, v int) ([]int, error) {
				if v == 5 {
					<-time.After(time.Minute)
				}
				return []int{v}, nil
			})
		})
		tx.start(t, values(tx.src).To(stream.Broadcast(singles.To(tx.sink()), batches.To(tx.sink()))))
		tx.src.Append(0, 1, 2, 3, 4, 5)
		tx.commit(t)
		require.ElementsMatch(t, [][]int{{1}, {2}, {3}, {4}, {1, 2, 3}, {4}}, tx.outputs())
		require.EqualValues(t, 4, tx.src.Committed(0))
		wait(time.Minute)
		tx.src.Append(0, 6)
		tx.commit(t)
		require.ElementsMatch(t, [][]int{{1}, {2}, {3}, {4}, {1, 2, 3}, {4}, {5}, {6}, {5, 6}}, tx.outputs())
	})
	bubble.Test(t, func(t *testing.T) {
		tx := begin[int](1)
		tx.start(t, stream.MapAsyncUnordered(values(tx.src), 4, func(ctx context.Context, v int) (int, error) {
			if v == 2 {
				<-time.After(5 * time.Second)
			}
			return v, nil
		}).To(tx.sink()))
		tx.src.Append(0, 1, 2, 3, 4)
		began := time.Now()
		tx.commit(t)
		require.Equal(t, []int{1, 3, 4, 2}, tx.outputs())
		require.Equal(t, 5*time.Second, time.Since(began))
	})
}

// While a transaction ends nothing enters it, and what waits enters the next one, in order; also
// where the stream ends or is drained meanwhile.
func TestWhatComesWhileATransactionEnds(t *testing.T) {
	for name, end := range map[string]func(src *streamtest.TrackedSource[int], c *stream.Control){
		"ends":    func(src *streamtest.TrackedSource[int], _ *stream.Control) { src.End() },
		"drained": func(_ *streamtest.TrackedSource[int], c *stream.Control) { _ = c.Drain(ended()) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				tx := begin[int](1)
				release := make(chan struct{})
				c := tx.start(t, values(tx.src).To(stream.Broadcast(holdingUp(1, release), tx.sink())))
				tx.src.Append(0, 1)
				synctest.Wait()
				answer := make(chan error)
				go func() { answer <- tx.src.Checkpoint(t.Context()) }()
				synctest.Wait()
				tx.src.Append(0, 2, 3)
				synctest.Wait()
				end(tx.src, c)
				synctest.Wait()
				require.Empty(t, tx.outputs())
				close(release)
				require.NoError(t, <-answer)
				<-c.Done()
				require.Equal(t, [][]int{{1}, {2, 3}}, tx.ends)
				require.EqualValues(t, 3, tx.src.Committed(0))
				require.Zero(t, tx.aborts)
			})
		})
	}
}

// ended is a context that has ended.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// holdingUp is a sink of a transaction that an element stays in until it is released.
func holdingUp(which int, released <-chan struct{}) stream.Sink[int] {
	return stream.NewFlow(func(src stream.Source[int]) stream.Source[int] {
		return stream.TryMap(streamtest.Entering(src), func(_ context.Context, v int) (int, error) {
			if v == which {
				<-released
			}
			return v, nil
		})
	}).To(stream.Ignore[int]())
}

// An element that pauses between two attempts does not stand in the way of one that waits in front
// of it, and that a transaction's end waits for.
func TestWhatWaitsBesideARetry(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		tx := begin[int](1)
		released := make(chan struct{})
		first := stream.NewFlow(func(src stream.Source[int]) stream.Source[int] {
			return src.Filter(func(v int) bool { return v != 3 })
		}).To(holdingUp(1, released))
		retries := stream.NewFlow(func(src stream.Source[int]) stream.Source[int] {
			return stream.TryMap(src.Async(), func(_ context.Context, v int) (int, error) {
				if v == 3 {
					return 0, errors.New("not yet")
				}
				return v, nil
			}, stream.OnError(stream.Retry(stream.Backoff{First: time.Hour, Max: time.Hour})))
		})
		tx.start(t, values(tx.src).To(stream.Broadcast(first, retries.To(tx.sink()))))
		tx.src.Append(0, 1)
		synctest.Wait()
		answer := make(chan error)
		go func() { answer <- tx.src.Checkpoint(t.Context()) }()
		synctest.Wait()
		tx.src.Append(0, 2, 3) // 2 waits at the gate, and 3 pauses before it
		synctest.Wait()
		close(released)
		require.NoError(t, <-answer)
		require.Equal(t, []int{1}, tx.outputs())
		began := time.Now()
		tx.commit(t) // 2 has entered in the first branch
		require.Zero(t, time.Since(began))
		require.Equal(t, []int{1, 2}, tx.outputs())
	})
}

// What has no offset is refused: after an abort nobody would deliver it again.
func TestForeignElementEnters(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		tx := begin[int](1)
		tx.src.Append(0, 1)
		err := stream.Merge(values(tx.src), stream.FromSlice([]int{7})).To(tx.sink()).Run(t.Context())
		require.ErrorIs(t, err, streamtest.ErrForeign)
		var at *stream.StageError
		require.ErrorAs(t, err, &at)
		require.Equal(t, "entering", at.Stage)
		require.Empty(t, tx.outputs())
	})
}

// A revoke ends the transaction, with what it has finished; one whose time is over aborts it, and
// so does a loss.
func TestTransactionsAtRebalances(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		tx := begin[int](2)
		c := tx.start(t, values(tx.src).To(tx.sink()))
		tx.src.Append(0, 1, 2)
		tx.src.Append(1, 11)
		synctest.Wait()
		require.Empty(t, tx.outputs())
		tx.src.Revoke(time.Minute, 0)
		require.ElementsMatch(t, []int{1, 2, 11}, tx.outputs())
		require.EqualValues(t, 2, tx.src.Committed(0))
		require.EqualValues(t, 1, tx.src.Committed(1))
		tx.src.Append(1, 12)
		synctest.Wait()
		tx.src.Lose(1)
		<-c.Done()
		require.ErrorIs(t, c.Err(), streamtest.ErrAborted)
		require.Equal(t, 1, tx.aborts)
		require.EqualValues(t, 1, tx.src.Committed(1))
	})
	bubble.Test(t, func(t *testing.T) {
		tx := begin[int](1)
		c := tx.start(t, stream.TryMap(values(tx.src), func(ctx context.Context, v int) (int, error) {
			if v == 2 {
				<-ctx.Done()
			}
			return v, nil
		}).To(tx.sink()))
		tx.src.Append(0, 1, 2)
		synctest.Wait()
		tx.src.Revoke(time.Second, 0)
		<-c.Done()
		require.ErrorIs(t, c.Err(), streamtest.ErrAborted)
		require.Empty(t, tx.outputs())
		require.Zero(t, tx.src.Committed(0))
		require.Equal(t, 1, tx.aborts)
	})
}

// Of a batch that a transaction's end has taken a part of, the rest counts towards its limit.
func TestBytesOfABatchThatWasParted(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		tx := begin[[]int](1)
		singles := stream.NewFlow(func(src stream.Source[int]) stream.Source[[]int] {
			return stream.Map(src.Filter(func(v int) bool { return v < 3 }), func(v int) []int { return []int{v} })
		})
		batches := stream.NewFlow(func(src stream.Source[int]) stream.Source[[]int] {
			return stream.BatchBytes(src, 0, 10, func(v int) int { return v }, time.Hour)
		})
		tx.start(t, values(tx.src).To(stream.Broadcast(singles.To(tx.sink()), batches.To(tx.sink()))))
		tx.src.Append(0, 2, 5)
		tx.commit(t)
		require.ElementsMatch(t, [][]int{{2}, {2}}, tx.outputs())
		tx.src.Append(0, 4, 3)
		synctest.Wait()
		tx.commit(t)
		require.ElementsMatch(t, [][]int{{2}, {2}, {5, 4}}, tx.outputs(), "3 more would be too much")
	})
}
