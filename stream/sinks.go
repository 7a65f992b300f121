package stream

import (
	"context"

	"github.com/vicuna-go/vicuna/internal/core"
)

// Ignore is a sink that finishes each element on receipt.
//
//   - Emits when: it is a sink.
//   - Back-pressures when: never.
//   - Completes when: upstream completes.
//   - Fails when: never.
//   - Order: not applicable.
//   - Goroutines: none of its own.
func Ignore[T any]() Sink[T] { return Sink[T]{} }

// ForEach is a sink that calls f with each element and finishes it when f returns nil. ctx is
// cancelled at a hard stop only.
//
//   - Emits when: it is a sink.
//   - Back-pressures when: f runs, or a retry waits.
//   - Completes when: upstream completes.
//   - Fails when: f returns an error or panics, and the policy ([OnError]) does not say otherwise.
//   - Order: kept.
//   - Goroutines: none of its own; with a retry policy it starts an island.
func ForEach[T any](f func(context.Context, T) error, opts ...Option) Sink[T] {
	return forEach("forEach", f, false, configure(opts))
}

// ForEachManual is [ForEach] for a function that takes the element over: not f's return finishes a
// record, but the Commit of its Committable, whenever and wherever that is called, or a committing
// stage of another graph that f gives it to; where the source gives out none, the return does. An
// error still gives the element up.
//
// A call of f is one hand-over, and one committing stage answers it: where f gives an element to
// several graphs, it has to know itself when the last has finished, and call Commit then. Commit
// says that the record is done, and answers all hand-overs of it.
//
// An element that was made of a [Batch], a part of it too, hands over all records of the batch:
// each is finished by the Commit of its own Committable. So Commit has to be called on every one of
// them, also on those that the element does not show; a committing stage of another graph finishes
// only what its elements show, so take a batch apart behind the channel and not before it.
//
//   - Emits when: it is a sink.
//   - Back-pressures when: f runs, or a retry waits.
//   - Completes when: upstream completes.
//   - Fails when: f returns an error or panics, and the policy ([OnError]) does not say otherwise.
//   - Order: kept.
//   - Goroutines: none of its own; with a retry policy it starts an island.
func ForEachManual[T any](f func(context.Context, T) error, opts ...Option) Sink[T] {
	return forEach("forEachManual", f, true, configure(opts))
}

func forEach[T any](kind string, f func(context.Context, T) error, manual bool, cfg stageConfig) Sink[T] {
	attach := func(b *core.Builder, at core.At, name string) core.Stage[T] {
		isl, ctx, info := at.Island, b.Run.Context(), at.Island.AddStage(name)
		if cfg.policy.retries() {
			isl.Retries()
		}
		return core.Stage[T]{Push: func(v T) {
			isl.In(info)
			if manual {
				isl.HandOver()
			}
			if cfg.policy.plain() {
				if !cfg.begin(isl) {
					return
				}
				if err := f(ctx, v); err != nil {
					isl.Fail(info, err)
				}
				return
			}
			if !inPlace(at, info, &cfg, func() error { return f(ctx, v) }) && manual {
				isl.Withdraw() // skipped: nobody is going to call Commit
			}
		}, Done: func() {}, Link: &core.Link{}}
	}
	return newSink(func(b *core.Builder, at core.At) core.Stage[T] {
		name := b.Name(kind)
		if cfg.policy.retries() {
			return async(b, at, "async", core.DefaultCapacity, true, func(at core.At) core.Stage[T] { return attach(b, at, name) })
		}
		return attach(b, at, name)
	})
}

// ToChan is a sink that sends to a channel, and hands each element over with it: a record is
// finished by the Commit of its Committable, or by a committing stage of the graph that takes it
// from the channel; where the source gives out none, by the send. The channel is not closed: it is
// the caller's, and other runs may send to it.
//
// Hand-overs are counted. A committing stage that finishes an element answers one of them, so that
// a record of which two elements were sent, or one by each of two ToChans, is done with the second;
// Commit answers all. An element that the other graph filters out, or expands into several, is none
// or several answers: see [FromChan].
//
// An element that was made of a [Batch], a part of it too, hands over all records of the batch:
// each is finished by the Commit of its own Committable. So Commit has to be called on every one of
// them, also on those that the element does not show; a committing stage of another graph finishes
// only what its elements show, so take a batch apart behind the channel and not before it.
//
//   - Emits when: it is a sink.
//   - Back-pressures when: the channel is full.
//   - Completes when: upstream completes.
//   - Fails when: never; at a hard stop the element that waits is given up.
//   - Order: kept.
//   - Goroutines: none of its own.
func ToChan[T any](ch chan<- T) Sink[T] {
	return newSink(func(b *core.Builder, at core.At) core.Stage[T] {
		isl, info := at.Island, at.Island.AddStage(b.Name("toChan"))
		return core.Stage[T]{Push: func(v T) {
			isl.In(info)
			isl.HandOver() // before the send: the receiver may call Commit at once
			switch core.Send(isl, ch, v) {
			case core.Halted:
				isl.Abandon()
			case core.Withdrawn:
				isl.GiveBack()
			}
		}, Done: func() {}, Link: &core.Link{}}
	})
}
