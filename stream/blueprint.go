package stream

import (
	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
)

// Source is a blueprint of a stream of elements. The zero Source has none and completes at once.
//
// It is a value: operators return new ones and leave it as it is.
type Source[T any] blueprint.Source[T]

// Flow is a blueprint that turns a stream of A into a stream of B; see [NewFlow].
type Flow[A, B any] struct {
	apply func(Source[A]) Source[B]
}

// Sink is a blueprint of an end of a stream. The zero Sink ignores what it gets.
type Sink[T any] blueprint.Sink[T]

// Graph is a blueprint that can run: every source has its sink.
type Graph blueprint.Graph

// NewFlow makes a flow of the operators that f applies to a source. f is called when a graph is
// composed ([Via]), and not when it runs; but for a flow in front of a sink ([Flow.To]) it is
// called anew for each run, when the graph is built. So it only composes, and keeps nothing that
// two runs must not share.
//
//	paid := stream.NewFlow(func(s stream.Source[Order]) stream.Source[Invoice] {
//		return stream.Map(s.Filter(Order.Paid), toInvoice)
//	})
func NewFlow[A, B any](f func(Source[A]) Source[B]) Flow[A, B] { return Flow[A, B]{apply: f} }

// Via sends a stream through a flow.
func Via[A, B any](src Source[A], flow Flow[A, B]) Source[B] { return flow.apply(src) }

// Join makes one flow of two.
func Join[A, B, C any](first Flow[A, B], second Flow[B, C]) Flow[A, C] {
	return NewFlow(func(s Source[A]) Source[C] { return second.apply(first.apply(s)) })
}

// To ends the stream in a sink.
func (s Source[T]) To(sink Sink[T]) Graph {
	return newGraph(func(b *core.Builder) {
		s.connect(b, func(at core.At) core.Stage[T] { return sink.stage(b, at) })
	})
}

// To puts the flow in front of a sink: together they are a sink. The function of the flow
// ([NewFlow]) is called for each run of a graph with that sink, and not by To. The flow has to use
// its input once, and at once: one that reads it twice, not at all, or as a later part of a
// [Concat] ends in [ErrFlowInput] when the graph is started.
func (f Flow[A, B]) To(sink Sink[B]) Sink[A] {
	return newSink(func(b *core.Builder, at core.At) core.Stage[A] {
		var st core.Stage[A]
		uses := 0
		here := newSource(func(inner *core.Builder, next func(core.At) core.Stage[A]) {
			// another builder: Concat's, in a run that has begun
			if uses++; uses > 1 || inner != b {
				inner.Fail(ErrFlowInput)
				return
			}
			st = next(at)
		})
		f.apply(here).connect(b, func(at core.At) core.Stage[B] { return sink.stage(b, at) })
		if uses != 1 {
			b.Fail(ErrFlowInput)
			return Ignore[A]().stage(b, at)
		}
		return st
	})
}

// Named gives the last stage of the stream a name, for errors and snapshots; by default that is the
// operator's.
func (s Source[T]) Named(name string) Source[T] {
	return newSource(func(b *core.Builder, next func(core.At) core.Stage[T]) {
		b.Rename(name)
		s.connect(b, next)
	})
}

// Named gives the sink a name, for errors and snapshots.
func (s Sink[T]) Named(name string) Sink[T] {
	return newSink(func(b *core.Builder, at core.At) core.Stage[T] {
		b.Rename(name)
		return s.stage(b, at)
	})
}

// newSource, newSink and newGraph make blueprints of what builds them.
func newSource[T any](build func(b *core.Builder, next func(core.At) core.Stage[T])) Source[T] {
	return Source[T](blueprint.NewSource(build))
}

func newSink[T any](attach func(b *core.Builder, at core.At) core.Stage[T]) Sink[T] {
	return Sink[T](blueprint.NewSink(attach))
}

func newGraph(build func(b *core.Builder)) Graph { return Graph(blueprint.NewGraph(build)) }

func (s Source[T]) connect(b *core.Builder, next func(core.At) core.Stage[T]) {
	blueprint.Source[T](s).Connect(b, next)
}

func (s Sink[T]) stage(b *core.Builder, at core.At) core.Stage[T] {
	return blueprint.Sink[T](s).Attach(b, at)
}

// refused is src in a graph that cannot run, for the arguments of an operator.
func refused[T any](src Source[T], why error) Source[T] {
	return newSource(func(b *core.Builder, next func(core.At) core.Stage[T]) {
		b.Fail(why)
		src.connect(b, next)
	})
}

// fused makes a source of another one and an operator that runs in the same goroutine.
func fused[A, B any](src Source[A], kind string, attach func(at core.At, info *core.StageInfo, st core.Stage[B]) core.Stage[A]) Source[B] {
	return fusedAfter(src, kind, func(at core.At) core.At { return at }, attach)
}

// effect is fused for a stage whose function has effects: elements begin in it.
func effect[A, B any](src Source[A], kind string, cfg *stageConfig, attach func(at core.At, info *core.StageInfo, st core.Stage[B]) core.Stage[A]) Source[B] {
	if cfg.repeatable {
		return fused(src, kind, attach)
	}
	return fusedAfter(src, kind, core.At.Begun, attach)
}

// fusedAfter is fused with the place of what follows.
func fusedAfter[A, B any](src Source[A], kind string, after func(core.At) core.At, attach func(at core.At, info *core.StageInfo, st core.Stage[B]) core.Stage[A]) Source[B] {
	return operator(src, kind, func(_ *core.Builder, name string, at core.At, next func(core.At) core.Stage[B]) core.Stage[A] {
		st := next(after(at))
		return attach(at, at.Island.AddStage(name), st)
	})
}

// operator makes a source of another one and a stage after it; see [blueprint.Operator].
func operator[A, B any](src Source[A], kind string, attach func(b *core.Builder, name string, at core.At, next func(core.At) core.Stage[B]) core.Stage[A]) Source[B] {
	return Source[B](blueprint.Operator(blueprint.Source[A](src), kind, attach))
}

// part is operator for a stage that only belongs to the one before it: Named names that one.
func part[A, B any](src Source[A], kind string, attach func(b *core.Builder, name string, at core.At, next func(core.At) core.Stage[B]) core.Stage[A]) Source[B] {
	return Source[B](blueprint.Part(blueprint.Source[A](src), kind, attach))
}
