package stream

import (
	"context"

	"github.com/vicuna-go/vicuna/internal/core"
)

// Map turns each element into another.
//
//   - Emits when: f has returned.
//   - Back-pressures when: downstream does.
//   - Completes when: upstream completes.
//   - Fails when: f panics.
//   - Order: kept.
//   - Goroutines: none of its own; f runs in the island of its upstream.
func Map[A, B any](src Source[A], f func(A) B) Source[B] {
	return fused(src, "map", func(at core.At, info *core.StageInfo, st core.Stage[B]) core.Stage[A] {
		isl, push := at.Island, st.Push
		return core.Stage[A]{Push: func(a A) {
			isl.In(info)
			push(f(a))
		}, Done: st.Done, Link: st.Link}
	})
}

// TryMap turns each element into another with a function that can fail. ctx is cancelled at a hard
// stop only.
//
//   - Emits when: f has returned without an error.
//   - Back-pressures when: downstream does, or while f runs, or while a retry waits.
//   - Completes when: upstream completes.
//   - Fails when: f returns an error or panics, and the policy ([OnError]) does not say otherwise.
//   - Order: kept.
//   - Goroutines: none of its own; with a retry policy it starts an island.
func TryMap[A, B any](src Source[A], f func(context.Context, A) (B, error), opts ...Option) Source[B] {
	cfg := configure(opts)
	if cfg.policy.retries() {
		src = src.Async()
	}
	return effect(src, "tryMap", &cfg, func(at core.At, info *core.StageInfo, st core.Stage[B]) core.Stage[A] {
		isl, push, ctx := at.Island, st.Push, at.Island.Run().Context()
		if cfg.policy.retries() {
			isl.Retries()
		}
		if cfg.policy.plain() {
			return core.Stage[A]{Push: func(a A) {
				isl.In(info)
				if !cfg.begin(isl) {
					return
				}
				b, err := f(ctx, a)
				if err != nil {
					isl.Fail(info, err)
					return
				}
				push(b)
			}, Done: st.Done, Link: st.Link}
		}
		return core.Stage[A]{Push: func(a A) {
			isl.In(info)
			var b B
			if inPlace(at, info, &cfg, func() (err error) { b, err = f(ctx, a); return err }) {
				push(b)
			}
		}, Done: st.Done, Link: st.Link}
	})
}

// Filter lets the elements through for which keep reports true. What it leaves out is finished: its
// offset advances.
//
//   - Emits when: keep reports true.
//   - Back-pressures when: downstream does.
//   - Completes when: upstream completes.
//   - Fails when: keep panics.
//   - Order: kept.
//   - Goroutines: none of its own.
func (s Source[T]) Filter(keep func(T) bool) Source[T] {
	return fused(s, "filter", func(at core.At, info *core.StageInfo, st core.Stage[T]) core.Stage[T] {
		isl, push := at.Island, st.Push
		return core.Stage[T]{Push: func(v T) {
			isl.In(info)
			if keep(v) {
				push(v)
			}
		}, Done: st.Done, Link: st.Link}
	})
}

// FilterMap turns each element into another, or leaves it out: Map and Filter in one.
//
//   - Emits when: f has returned true.
//   - Back-pressures when: downstream does.
//   - Completes when: upstream completes.
//   - Fails when: f panics.
//   - Order: kept.
//   - Goroutines: none of its own.
func FilterMap[A, B any](src Source[A], f func(A) (B, bool)) Source[B] {
	return fused(src, "filterMap", func(at core.At, info *core.StageInfo, st core.Stage[B]) core.Stage[A] {
		isl, push := at.Island, st.Push
		return core.Stage[A]{Push: func(a A) {
			isl.In(info)
			if b, ok := f(a); ok {
				push(b)
			}
		}, Done: st.Done, Link: st.Link}
	})
}

// Tap calls f with each element and lets it through.
//
//   - Emits when: f has returned.
//   - Back-pressures when: downstream does.
//   - Completes when: upstream completes.
//   - Fails when: f panics.
//   - Order: kept.
//   - Goroutines: none of its own.
func (s Source[T]) Tap(f func(T)) Source[T] {
	return fused(s, "tap", func(at core.At, info *core.StageInfo, st core.Stage[T]) core.Stage[T] {
		isl, push := at.Island, st.Push
		return core.Stage[T]{Push: func(v T) {
			isl.In(info)
			f(v)
			push(v)
		}, Done: st.Done, Link: st.Link}
	})
}
