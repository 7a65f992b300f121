package consumer

import (
	"fmt"
	"reflect"

	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/committing"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// CommitterSinkOf is [CommitterSink] for elements that carry their offsets, so that none has to be
// picked out of them: a message, a batch of messages, a row with its message, a producer's result.
// T is named, or follows from the sink's place.
//
//	rows := stream.Batch(c.CommittableSource(), 500, time.Second)
//	err := stream.TryMap(rows, save).To(consumer.CommitterSinkOf[[]*Msg](cm)).Run(ctx)
//
// Where the offsets lie is decided by the type when the sink is built, and not for each element:
//
//   - an [envelope.Committable] is an offset,
//   - an [envelope.Carrier] says what its offset is, and nothing else of it is looked at,
//   - of a struct all exported and embedded fields count: a [CommittableMessage], a stream.Pair
//     with the offset as context or the message as value, a result with the offset or the message
//     as its pass-through. A struct that embeds a Committable is looked at as a struct,
//   - a pointer, slice or array has what is in it,
//   - an interface that is no Committable and no Carrier has what its Pass method returns, as
//     envelope.Results.
//
// A type that has none of that, or contains itself, is refused with an [*OffsetTypeError] when the
// graph is built. Any other interface is such a type, also where it would hold a message.
//
// All offsets of an element are finished with it, in the stream by its token, so that what is said
// of CommitterSink holds here. Of elements that came by a channel, each offset answers one
// hand-over: one that several fields of a struct show answers once, one that several elements of a
// slice show once for each of them. A nil pointer, a nil Committable and an empty slice carry
// nothing: an element of the stream is finished all the same, and one that came by a channel, of
// which nothing else is known, leaves its record undone.
//
// settings.MaxBatch counts offsets: a batch of 500 is 500. An element without any counts as one.
//
//   - Emits when: it is an end of a stream.
//   - Back-pressures when: never.
//   - Completes when: as CommitterSink.
//   - Fails when: as CommitterSink; when the graph is built, where T carries no offset.
//   - Order: any.
//   - Goroutines: none of its own.
func CommitterSinkOf[T any](cm settings.Committer) stream.Sink[T] {
	return stream.Sink[T](blueprint.NewSink(func(b *core.Builder, at core.At) core.Stage[T] {
		isl := at.Island
		info := isl.AddStage(b.Name("committerSinkOf"))
		b.Run.HasCommitter()
		finder, reason := committing.FinderOf[T]()
		if finder == nil {
			b.Fail(&OffsetTypeError{Type: reflect.TypeFor[T]().String(), Reason: reason})
		}
		if err := cm.Err(); err != nil {
			b.Fail(err)
		}
		if finder == nil || cm.Err() != nil {
			return core.Stage[T]{Link: &core.Link{}}
		}
		stage := committing.NewStage(b.Run, cm)
		finisher := b.Run.NewFinisher()
		return core.Stage[T]{
			Push: func(v T) {
				isl.In(info)
				offsets := finder.Find(v)
				n := max(1, len(offsets))
				stage.ObserveAll(isl.Token(), offsets)
				finder.Forget() // after its token has ended the element may be used again
				finisher.Done(isl.Out())
				stage.CountAll(n)
			},
			Done: func() {
				finisher.Flush()
				stage.Complete(isl, info)
			},
			Link: &core.Link{},
		}
	}))
}

// OffsetTypeError says that a [CommitterSinkOf] was to take elements of a type that carries no
// offset. Its graph was not run.
type OffsetTypeError struct {
	// Type is the elements' type.
	Type string
	// Reason is what stands in the way, where the type all but carries one.
	Reason string
}

func (e *OffsetTypeError) Error() string {
	s := fmt.Sprintf("vicuna: consumer.CommitterSinkOf: elements of type %s carry no offset to commit", e.Type)
	if e.Reason != "" {
		s += " (" + e.Reason + ")"
	}
	return s + ": accepted are an envelope.Committable, an envelope.Carrier, a struct with one of these in an exported field " +
		"(consumer.CommittableMessage, stream.Pair, producer results), and pointers to them, slices and arrays of them"
}
