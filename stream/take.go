package stream

import "github.com/vicuna-go/vicuna/internal/core"

// Take lets the first n elements through and then completes; its upstream is cancelled. What it
// refuses is not finished: the offsets of n records advance, and not those of the rest that was
// fetched.
//
//   - Emits when: fewer than n have been emitted.
//   - Back-pressures when: downstream does.
//   - Completes when: n elements were emitted, or upstream completes.
//   - Fails when: never.
//   - Order: kept.
//   - Goroutines: none of its own.
func (s Source[T]) Take(n int) Source[T] {
	return fused(s, "take", func(at core.At, info *core.StageInfo, st core.Stage[T]) core.Stage[T] {
		e := newEnding(at, st)
		left := n
		if left <= 0 {
			e.link.Cancel()
		}
		return core.Stage[T]{Push: func(v T) {
			if left <= 0 {
				at.Island.Refuse()
				return
			}
			at.Island.In(info)
			left--
			st.Push(v)
			if left == 0 {
				e.finish()
			}
		}, Done: e.done, Link: e.link}
	})
}

// TakeWhile lets elements through until keep reports false for the first time; that one is left
// out, and the stream completes. The element that ends it is looked at and not finished.
//
//   - Emits when: keep reports true.
//   - Back-pressures when: downstream does.
//   - Completes when: keep reports false, or upstream completes.
//   - Fails when: keep panics.
//   - Order: kept.
//   - Goroutines: none of its own.
func (s Source[T]) TakeWhile(keep func(T) bool) Source[T] {
	return fused(s, "takeWhile", func(at core.At, info *core.StageInfo, st core.Stage[T]) core.Stage[T] {
		e := newEnding(at, st)
		over := false
		return core.Stage[T]{Push: func(v T) {
			at.Island.In(info)
			if !over && keep(v) {
				st.Push(v)
				return
			}
			if !over {
				over = true
				e.finish()
			}
			at.Island.Refuse()
		}, Done: e.done, Link: e.link}
	})
}

// Drop leaves the first n elements out; they are finished.
//
//   - Emits when: n elements were left out.
//   - Back-pressures when: downstream does.
//   - Completes when: upstream completes.
//   - Fails when: never.
//   - Order: kept.
//   - Goroutines: none of its own.
func (s Source[T]) Drop(n int) Source[T] {
	return fused(s, "drop", func(at core.At, info *core.StageInfo, st core.Stage[T]) core.Stage[T] {
		left := n
		return core.Stage[T]{Push: func(v T) {
			at.Island.In(info)
			if left > 0 {
				left--
				return
			}
			st.Push(v)
		}, Done: st.Done, Link: st.Link}
	})
}

// DropWhile leaves elements out until skip reports false for the first time; they are finished.
//
//   - Emits when: skip has reported false.
//   - Back-pressures when: downstream does.
//   - Completes when: upstream completes.
//   - Fails when: skip panics.
//   - Order: kept.
//   - Goroutines: none of its own.
func (s Source[T]) DropWhile(skip func(T) bool) Source[T] {
	return fused(s, "dropWhile", func(at core.At, info *core.StageInfo, st core.Stage[T]) core.Stage[T] {
		over := false
		return core.Stage[T]{Push: func(v T) {
			at.Island.In(info)
			if !over && skip(v) {
				return
			}
			over = true
			st.Push(v)
		}, Done: st.Done, Link: st.Link}
	})
}

// ending is for stages that complete by themselves: downstream is told once, and upstream to stop.
type ending struct {
	at     core.At
	link   *core.Link
	over   bool
	finish func()
	done   func()
}

func newEnding[T any](at core.At, st core.Stage[T]) *ending {
	e := &ending{at: at, link: &core.Link{}}
	e.done = func() {
		if !e.over {
			e.over = true
			st.Done()
		}
	}
	e.finish = func() {
		e.done()
		e.link.Cancel()
	}
	up := st.Link.Up
	st.Link.Up = func() { // downstream wants no more: so do we
		if up != nil {
			up()
		}
		e.link.Cancel()
	}
	if st.Link.Cancelled() {
		e.link.Cancel()
	}
	return e
}
