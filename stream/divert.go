package stream

import (
	"context"

	"github.com/vicuna-go/vicuna/internal/core"
)

// Failed is an element on which a stage has failed for good.
type Failed[A any] struct {
	// Value is the element.
	Value A
	// Err is what the last attempt returned; a panic is a [*PanicError].
	Err error
	// Attempts is how often it was tried.
	Attempts int
}

// Divert sends the elements for which when reports true to a sink, and lets the others through. The
// sink is part of the graph: its back-pressure and its drain are the stream's, and a diverted
// element is finished when the sink has finished it. Should the sink want no more elements, the
// stream ends. Behind [MapAsyncUnordered], which has no divert of its own, elements that carry
// their outcome are told apart here.
//
//   - Emits when: when reports false.
//   - Back-pressures when: downstream or the sink does.
//   - Completes when: upstream completes; the sink completes then too.
//   - Fails when: when panics; when the sink fails.
//   - Order: kept, in the stream and in the sink.
//   - Goroutines: none of its own.
func (s Source[T]) Divert(when func(T) bool, to Sink[T]) Source[T] {
	return operator(s, "divert", divert(func(v T) (T, T, bool) { return v, v, when(v) }, to))
}

// TryMapDivert is [TryMap] with a sink for the elements on which f has failed, after the policy's
// retries.
//
//   - Emits when: f has returned without an error.
//   - Back-pressures when: downstream or the sink does, or while f runs or a retry waits.
//   - Completes when: upstream completes.
//   - Fails when: never by f; when the sink does.
//   - Order: kept, in the stream and in the sink.
//   - Goroutines: none of its own; with a retry policy it starts an island.
func TryMapDivert[A, B any](src Source[A], f func(context.Context, A) (B, error), failed Sink[Failed[A]], opts ...Option) Source[B] {
	cfg := configure(opts)
	if cfg.policy.retries() {
		src = src.Async()
	}
	tried := effect(src, "tryMap", &cfg, func(at core.At, info *core.StageInfo, st core.Stage[outcome[A, B]]) core.Stage[A] {
		isl, push, ctx := at.Island, st.Push, at.Island.Run().Context()
		if cfg.policy.retries() {
			isl.Retries()
		}
		return core.Stage[A]{Push: func(a A) {
			isl.In(info)
			var o outcome[A, B]
			tries, ended, err := inPlaceAttempts(at, info, &cfg, func() (err error) {
				o.value, err = f(ctx, a)
				return err
			})
			if ended {
				return
			}
			if err != nil {
				o.failed = &Failed[A]{Value: a, Attempts: tries, Err: err}
			}
			push(o)
		}, Done: st.Done, Link: st.Link}
	})
	return divertFailed(tried, failed)
}

func divertFailed[A, B any](src Source[outcome[A, B]], failed Sink[Failed[A]]) Source[B] {
	return part(src, "divert", divert(func(o outcome[A, B]) (b B, f Failed[A], diverted bool) {
		if o.failed != nil {
			return b, *o.failed, true
		}
		return o.value, f, false
	}, failed))
}

// divert attaches a stage that sends some elements to a sink.
func divert[T, A, D any](split func(T) (A, D, bool), to Sink[D]) func(*core.Builder, string, core.At, func(core.At) core.Stage[A]) core.Stage[T] {
	return func(b *core.Builder, name string, at core.At, next func(core.At) core.Stage[A]) core.Stage[T] {
		st := next(at)
		// a holder in the sink must not take the flag of what follows here
		main := at.Island.TakeExpanding()
		side := to.stage(b, at)
		if main {
			at.Island.Expanding()
		}
		info := at.Island.AddStage(name)
		link := &core.Link{}
		st.Link.Up = link.Cancel
		side.Link.Up = link.Cancel
		if st.Link.Cancelled() || side.Link.Cancelled() {
			link.Cancel()
		}
		return core.Stage[T]{Push: func(v T) {
			at.Island.In(info)
			switch a, d, diverted := split(v); {
			case link.Cancelled():
				at.Island.Refuse()
			case diverted:
				side.Push(d)
			default:
				st.Push(a)
			}
		}, Done: func() {
			st.Done()
			side.Done()
		}, Link: link}
	}
}
