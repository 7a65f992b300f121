package consumer

import (
	"context"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/committing"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// CommitterSink ends a stream of offsets, and is what makes a consumer commit: each element is
// finished when it gets here, and the offsets of what is finished without a gap are committed each
// settings.MaxBatch elements or settings.MaxInterval, whichever comes first, at the end of the
// stream, and when a partition is taken away. The consumers of the stream commit even where no
// element gets here, for what was filtered out. Those of other streams, whose messages came by a
// channel, do from their first offset on.
//
// An offset that came by a channel, from another graph that has handed it over, answers one
// hand-over for each element: a record that was sent twice is done with the second. One that came
// by the stream finishes its part of the record, and no hand-over of another branch.
//
// Anything that implements [envelope.Committable] may come, several consumers' offsets mixed too;
// what is no consumer's has its Commit called.
//
//   - Emits when: it is an end of a stream.
//   - Back-pressures when: never: finishing is marking, and the consumers commit beside it.
//   - Completes when: upstream completes and what was finished is committed (with
//     settings.WaitForAck).
//   - Fails when: a commit is refused; one that may succeed later is tried again.
//   - Order: any.
//   - Goroutines: none of its own.
func CommitterSink(cm settings.Committer) stream.Sink[envelope.Committable] {
	return committerSink(cm, "committerSink", func(c envelope.Committable) any { return c })
}

// CommitterSinkWithOffsetContext is [CommitterSink] for streams with the offset as their elements'
// context; the elements are dropped.
//
//   - Emits when: it is an end of a stream.
//   - Back-pressures when: never.
//   - Completes when: as CommitterSink.
//   - Fails when: as CommitterSink.
//   - Order: any.
//   - Goroutines: none of its own.
func CommitterSinkWithOffsetContext[T any](cm settings.Committer) stream.Sink[stream.Pair[T, envelope.Committable]] {
	return committerSink(cm, "committerSinkWithOffsetContext", func(p stream.Pair[T, envelope.Committable]) any { return p.Context })
}

func committerSink[T any](cm settings.Committer, kind string, offset func(T) any) stream.Sink[T] {
	return stream.Sink[T](blueprint.NewSink(func(b *core.Builder, at core.At) core.Stage[T] {
		isl := at.Island
		info := isl.AddStage(b.Name(kind))
		b.Run.HasCommitter()
		if err := cm.Err(); err != nil {
			b.Fail(err)
			return core.Stage[T]{Link: &core.Link{}}
		}
		stage := committing.NewStage(b.Run, cm)
		finisher := b.Run.NewFinisher()
		return core.Stage[T]{
			Push: func(v T) {
				isl.In(info)
				stage.Observe(isl.Token(), offset(v))
				finisher.Done(isl.Out())
				stage.Count()
			},
			Done: func() {
				finisher.Flush()
				stage.Complete(isl, info)
			},
			Link: &core.Link{},
		}
	}))
}

// Committed is a commit that was made.
type Committed struct {
	// Elements is the number of those that it was made for.
	Elements int
}

// CommitterFlow is [CommitterSink] in the middle of a stream: after each commit it gives on a
// Committed. Its input is finished when it gets there, so that what it gives on has nothing to do
// with records any more, and what follows cannot hold up or lose one. An element whose predecessors
// are not finished is not covered by the commit that follows it; a later one does that.
//
//   - Emits when: a commit was acknowledged (settings.WaitForAck), or asked for
//     (settings.SendAndForget), each settings.MaxBatch elements or settings.MaxInterval.
//   - Back-pressures when: the commit of a batch takes longer than the next one takes to come
//     together, and downstream does.
//   - Completes when: upstream completes and what was finished is committed.
//   - Fails when: a commit is refused.
//   - Order: that of the batches.
//   - Goroutines: two.
func CommitterFlow(cm settings.Committer) stream.Flow[envelope.Committable, Committed] {
	return stream.NewFlow(func(src stream.Source[envelope.Committable]) stream.Source[Committed] {
		return stream.Map(stream.Via(src, CommitterBatchFlow(cm)), func(cs []envelope.Committable) Committed { return Committed{len(cs)} })
	})
}

// CommitterBatchFlow is [CommitterFlow] with the offsets of the batch.
//
//   - Emits when: as CommitterFlow.
//   - Back-pressures when: as CommitterFlow.
//   - Completes when: as CommitterFlow.
//   - Fails when: as CommitterFlow.
//   - Order: that of the batches; within each that of the elements.
//   - Goroutines: two.
func CommitterBatchFlow(cm settings.Committer) stream.Flow[envelope.Committable, []envelope.Committable] {
	return committerFlow(cm, "committerFlow", func(c envelope.Committable) any { return c })
}

// CommitterFlowWithOffsetContext is [CommitterFlow] for streams with the offset as their elements'
// context; the elements are dropped.
//
//   - Emits when: as CommitterFlow.
//   - Back-pressures when: as CommitterFlow.
//   - Completes when: as CommitterFlow.
//   - Fails when: as CommitterFlow.
//   - Order: that of the batches.
//   - Goroutines: two.
func CommitterFlowWithOffsetContext[T any](cm settings.Committer) stream.Flow[stream.Pair[T, envelope.Committable], Committed] {
	return stream.NewFlow(func(src stream.Source[stream.Pair[T, envelope.Committable]]) stream.Source[Committed] {
		batches := stream.Via(src, committerFlow(cm, "committerFlowWithOffsetContext", func(p stream.Pair[T, envelope.Committable]) any { return p.Context }))
		return stream.Map(batches, func(ps []stream.Pair[T, envelope.Committable]) Committed { return Committed{len(ps)} })
	})
}

// observed is an element that is finished, with the stage that has seen it: a blueprint may run
// several times at once.
type observed[T any] struct {
	v     T
	stage *committing.Stage
}

// committerFlow finishes elements, collects them, and commits after each batch.
func committerFlow[T any](cm settings.Committer, kind string, offset func(T) any) stream.Flow[T, []T] {
	finish := func(b *core.Builder, name string, at core.At, next func(core.At) core.Stage[observed[T]]) core.Stage[T] {
		isl := at.Island
		st := next(at)
		expanding := isl.TakeExpanding()
		info := isl.AddStage(name)
		b.Run.HasCommitter()
		if err := cm.Err(); err != nil {
			b.Fail(err)
			return core.Stage[T]{Link: &core.Link{}}
		}
		stage := committing.NewStage(b.Run, cm)
		finisher := b.Run.NewFinisher()
		return core.Stage[T]{Push: func(v T) {
			isl.In(info)
			if !isl.Claim() { // it goes on without its token: nobody could throw it away later
				return
			}
			stage.Observe(isl.Token(), offset(v))
			finisher.Done(isl.Out())
			stage.Count()
			outer := isl.Enter(0, expanding)
			st.Push(observed[T]{v, stage})
			isl.Leave(outer)
		}, Done: func() {
			finisher.Flush()
			st.Done()
		}, Link: st.Link}
	}
	return stream.NewFlow(func(src stream.Source[T]) stream.Source[[]T] {
		finished := stream.Source[observed[T]](blueprint.Operator(blueprint.Source[T](src), kind, finish))
		batches := stream.Batch(finished, cm.MaxBatch(), cm.MaxInterval())
		return stream.MapAsync(batches, 1, func(ctx context.Context, batch []observed[T]) ([]T, error) {
			if cm.WaitsForAck() {
				if err := batch[0].stage.Flush(ctx); err != nil {
					return nil, err
				}
			} else {
				batch[0].stage.Wake()
			}
			vs := make([]T, len(batch))
			for i, o := range batch {
				vs[i] = o.v
			}
			return vs, nil
		}, stream.Ahead(1023)).Named("commit")
	})
}
