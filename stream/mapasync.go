package stream

import (
	"context"

	"github.com/vicuna-go/vicuna/internal/core"
)

// MapAsync runs f on up to n elements at the same time. ctx is cancelled at a hard stop only.
//
// Beside the n elements in work, up to max(1024, 64 n) are taken in ahead or wait for a slower one before them, so that a slow call holds up
// what follows no longer than it must.
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

// MapAsyncUnordered is [MapAsync] without the order: results go on as they come. Offsets advance over finished records only, whatever the order.
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

// MapAsyncDivert is [MapAsync] with a sink for the elements on which f has failed, behind the policy's retries. A diverted element is finished when the sink
// has finished it; the sink is part of the graph, with its back-pressure and its drain.
//
//   - Emits when: f has returned for an element and for all before it.
//   - Back-pressures when: downstream or the sink does, or max(1024, 64 n) elements were taken in and have not gone on.
//   - Completes when: upstream completes and every call has returned.
//   - Fails when: never by f; when the sink does.
//   - Order: kept, in the stream and in the sink.
//   - Goroutines: as MapAsync.
func MapAsyncDivert[A, B any](src Source[A], n int, f func(context.Context, A) (B, error), failed Sink[Failed[A]], opts ...Option) Source[B] {
	cfg := configure(opts)
	tried := callAsync(src, "mapAsync", n, false, func(r *core.Run, a A, t core.Token, info *core.StageInfo) (o outcome[A, B], how core.Outcome) {
		tries, givenUp, err := onWorkerAttempts(r, t, info, cfg.policy, func() (err error) {
			o.value, err = f(r.Context(), a)
			return err
		})
		if givenUp {
			info.GiveUp(1)
			return o, core.GiveUp
		}
		if err != nil {
			o.failed = &Failed[A]{Value: a, Attempts: tries, Err: err}
		}
		return o, core.Emit
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
	return callAsync(src, kind, n, unordered, func(r *core.Run, a A, t core.Token, info *core.StageInfo) (b B, how core.Outcome) {
		_, givenUp, err := onWorkerAttempts(r, t, info, cfg.policy, func() (err error) {
			b, err = f(r.Context(), a)
			return err
		})
		switch {
		case err == nil:
			return b, core.Emit
		case givenUp:
			info.GiveUp(1)
			return b, core.GiveUp
		case cfg.policy.skip:
			info.Skip()
			return b, core.Finish
		}
		r.FailAt(info, t, err)
		return b, core.GiveUp
	})
}

func callAsync[A, B any](src Source[A], kind string, n int, unordered bool, call func(*core.Run, A, core.Token, *core.StageInfo) (B, core.Outcome)) Source[B] {
	return Source[B]{build: func(b *core.Builder, next func(core.At) core.Stage[B]) {
		name, r := b.Name(kind), b.Run
		m := core.MapAsync[A, B]{
			Name: name, N: max(n, 1), Unordered: unordered,
			Call: func(a A, t core.Token, info *core.StageInfo) (B, core.Outcome) { return call(r, a, t, info) },
		}
		src.connect(b, func(at core.At) core.Stage[A] { return m.Attach(at, next) })
	}}
}
