package stream

import (
	"context"
	"time"

	"github.com/vicuna-go/vicuna/internal/core"
)

// MapAsync runs f on up to n elements at the same time; n below 1 is 1. ctx is cancelled at a hard
// stop only.
//
// Up to max(1024, 64 n) elements are taken in, in work and ahead of it, or waiting with their
// results for a slower one before them; see [Ahead]. So a slow call holds up what follows no longer
// than it must. But one that never succeeds, such as a [Retry] without a limit, holds up all that
// comes after it, of every partition: there [MapAsyncUnordered] or [MapAsyncDivert] with a limit
// of attempts goes on.
//
//   - Emits when: f has returned for an element and for all before it.
//   - Back-pressures when: that many elements were taken in and have not gone on.
//   - Completes when: upstream completes and every call has returned.
//   - Fails when: f returns an error or panics, and the policy ([OnError]) does not say otherwise.
//   - Order: kept; the calls overlap.
//   - Goroutines: up to n for calls, started when there is a backlog, and one for what follows.
func MapAsync[A, B any](src Source[A], n int, f func(context.Context, A) (B, error), opts ...Option) Source[B] {
	return mapAsync(src, "mapAsync", n, false, f, configure(opts))
}

// MapAsyncUnordered is [MapAsync] without the order: results go on as they come. Offsets advance
// over finished records only, whatever the order: an element that waits for another attempt holds
// the offset of its own partition. Nothing new begins while n or more of them wait.
//
//   - Emits when: f has returned.
//   - Back-pressures when: max(1024, 64 n) elements were taken in and have not gone on.
//   - Completes when: upstream completes and every call has returned.
//   - Fails when: f returns an error or panics, and the policy ([OnError]) does not say otherwise.
//   - Order: none.
//   - Goroutines: up to n for calls, started when there is a backlog, and one for what follows.
func MapAsyncUnordered[A, B any](src Source[A], n int, f func(context.Context, A) (B, error), opts ...Option) Source[B] {
	return mapAsync(src, "mapAsyncUnordered", n, true, f, configure(opts))
}

// MapAsyncDivert is [MapAsync] with a sink for the elements on which f has failed, after the
// policy's retries. A diverted element is finished when the sink has finished it; the sink is part
// of the graph, with its back-pressure and its drain. Retries without a limit never get there, and
// hold up all that comes after them, as with MapAsync.
//
//   - Emits when: f has returned for an element and for all before it.
//   - Back-pressures when: downstream or the sink does, or max(1024, 64 n) elements were taken in
//     and have not gone on.
//   - Completes when: upstream completes and every call has returned.
//   - Fails when: never by f; when the sink does.
//   - Order: kept, in the stream and in the sink.
//   - Goroutines: as MapAsync.
func MapAsyncDivert[A, B any](src Source[A], n int, f func(context.Context, A) (B, error), failed Sink[Failed[A]], opts ...Option) Source[B] {
	cfg := configure(opts)
	tried := callAsync(src, "mapAsync", n, false, &cfg, func(r *core.Run, a A, c call) (o outcome[A, B], how core.Outcome, until time.Time) {
		err := core.Safely(func() (err error) {
			o.value, err = f(r.Context(), a)
			return err
		})
		if err != nil {
			if how, until = c.failed(r, &cfg, err); how != core.Finish {
				return o, how, until
			}
			o.failed = &Failed[A]{Value: a, Attempts: c.before + 1, Err: err}
		}
		return o, core.Emit, until
	})
	return divertFailed(tried, failed)
}

// outcome is a result, or what f has failed on.
type outcome[A, B any] struct {
	value  B
	failed *Failed[A]
}

// mapAsync builds the stage.
func mapAsync[A, B any](src Source[A], kind string, n int, unordered bool, f func(context.Context, A) (B, error), cfg stageConfig) Source[B] {
	return callAsync(src, kind, n, unordered, &cfg, func(r *core.Run, a A, c call) (b B, how core.Outcome, until time.Time) {
		err := core.Safely(func() (err error) {
			b, err = f(r.Context(), a)
			return err
		})
		if err == nil {
			return b, core.Emit, until
		}
		switch how, until = c.failed(r, &cfg, err); {
		case how != core.Finish:
		case cfg.policy.skip:
			c.info.Skip()
		default:
			r.FailAt(c.info, c.token, err)
			how = core.GiveUp
		}
		return b, how, until
	})
}

// call is one of a stage with workers.
type call struct {
	token  core.Token
	info   *core.StageInfo
	before int // how often it failed before
}

// failed decides what becomes of an element whose call has failed: it is called again after a
// pause, or given up, or (Finish) it is the policy's. After a hard stop it is given up: the context
// of the call has ended, and nothing is skipped or diverted that may have failed for that.
func (c call) failed(r *core.Run, cfg *stageConfig, err error) (how core.Outcome, until time.Time) {
	if r.Stopped() {
		r.FailAt(c.info, c.token, err)
		return core.GiveUp, until
	}
	if !cfg.policy.again(c.before+1, err) {
		return core.Finish, until
	}
	switch what, until := r.Retry(c.token, time.Now().Add(cfg.policy.backoff.pause(c.before+1))); {
	case r.Stopped(), what == core.OutOfTime:
		if !r.Stopped() {
			c.info.GiveUp(r, c.token)
		}
		return core.GiveUp, until
	default: // also where it lies after the cut by now: that is seen before the next call
		c.info.Failed(c.token, c.before+1, err)
		c.info.Retry()
		return core.Again, until
	}
}

func callAsync[A, B any](src Source[A], kind string, n int, unordered bool, cfg *stageConfig, f func(*core.Run, A, call) (B, core.Outcome, time.Time)) Source[B] {
	return operator(src, kind, func(b *core.Builder, name string, at core.At, next func(core.At) core.Stage[B]) core.Stage[A] {
		r := b.Run
		m := core.MapAsync[A, B]{
			Name: name, N: max(n, 1), Unordered: unordered, Ahead: cfg.ahead, Repeatable: cfg.repeatable,
			Call: func(a A, t core.Token, before int, info *core.StageInfo) (B, core.Outcome, time.Time) {
				return f(r, a, call{t, info, before})
			},
		}
		return m.Attach(at, next)
	})
}
