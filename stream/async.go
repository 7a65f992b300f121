package stream

import "github.com/vicuna-go/vicuna/internal/core"

// Async puts a boundary into the stream: what is before it and what is behind it run at the same
// time, on goroutines of their own. An element is visible behind it at once; there is no waiting
// for a chunk to fill.
//
//   - Emits when: an element is there.
//   - Back-pressures when: 512 elements wait.
//   - Completes when: upstream completes and what waits has gone on.
//   - Fails when: never.
//   - Order: kept.
//   - Goroutines: one for what follows.
func (s Source[T]) Async() Source[T] { return boundary(s, "async", core.DefaultCapacity, true) }

// Buffer is Async with a capacity of n elements (at least one).
//
//   - Emits when: an element is there.
//   - Back-pressures when: n elements wait.
//   - Completes when: upstream completes and what waits has gone on.
//   - Fails when: never.
//   - Order: kept.
//   - Goroutines: one for what follows.
func (s Source[T]) Buffer(n int) Source[T] { return boundary(s, "buffer", n, false) }

func boundary[T any](src Source[T], kind string, capacity int, bounded bool) Source[T] {
	return operator(src, kind, func(b *core.Builder, name string, at core.At, next func(core.At) core.Stage[T]) core.Stage[T] {
		return async(b, at, name, capacity, bounded, next)
	})
}

func async[T any](b *core.Builder, at core.At, name string, capacity int, bounded bool, next func(core.At) core.Stage[T]) core.Stage[T] {
	recv := b.Run.NewIsland()
	st := next(at.On(recv))
	bd := core.NewBoundary[T](at, capacity, recv)
	if bounded {
		bd.Bounded(at)
	}
	info := at.Island.AddStage(name)
	info.Buffers(bd.Len)
	info.Counts(bd.Sent)
	core.Drive(recv, bd, st)
	return bd.Stage()
}
