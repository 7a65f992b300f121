package stream

import "github.com/vicuna-go/vicuna/internal/core"

// Source is a blueprint of a stream of elements. The zero Source has none and completes at once.
//
// It is a value: operators return new ones and leave it as it is.
type Source[T any] struct {
	build func(b *core.Builder, next func(core.At) core.Stage[T])
}

// Flow is a blueprint that turns a stream of A into a stream of B; see [NewFlow].
type Flow[A, B any] struct {
	apply func(Source[A]) Source[B]
}

// Sink is a blueprint of an end of a stream. The zero Sink ignores what it gets.
type Sink[T any] struct {
	attach func(b *core.Builder, at core.At) core.Stage[T]
}

// Graph is a blueprint that can run: every source has its sink.
type Graph struct {
	build func(b *core.Builder)
}

// NewFlow makes a flow of the operators that f applies to a source. f is called when a graph is
// composed, not when it runs.
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
	return Graph{build: func(b *core.Builder) {
		s.connect(b, func(at core.At) core.Stage[T] { return sink.stage(b, at) })
	}}
}

// To puts the flow in front of a sink: together they are a sink. The flow has to use its input
// once, and at once: one that reads it twice, not at all, or as a later part of a [Concat] ends in
// [ErrFlowInput] when the graph is started.
func (f Flow[A, B]) To(sink Sink[B]) Sink[A] {
	return Sink[A]{attach: func(b *core.Builder, at core.At) core.Stage[A] {
		var st core.Stage[A]
		uses := 0
		here := Source[A]{build: func(inner *core.Builder, next func(core.At) core.Stage[A]) {
			// another builder: Concat's, in a run that has begun
			if uses++; uses > 1 || inner != b {
				inner.Fail(ErrFlowInput)
				return
			}
			st = next(at)
		}}
		f.apply(here).connect(b, func(at core.At) core.Stage[B] { return sink.stage(b, at) })
		if uses != 1 {
			b.Fail(ErrFlowInput)
			return Ignore[A]().stage(b, at)
		}
		return st
	}}
}

// Named gives the last stage of the stream a name, for errors and snapshots; by default that is the
// operator's.
func (s Source[T]) Named(name string) Source[T] {
	return Source[T]{build: func(b *core.Builder, next func(core.At) core.Stage[T]) {
		b.Rename(name)
		s.connect(b, next)
	}}
}

// Named gives the sink a name, for errors and snapshots.
func (s Sink[T]) Named(name string) Sink[T] {
	return Sink[T]{attach: func(b *core.Builder, at core.At) core.Stage[T] {
		b.Rename(name)
		return s.stage(b, at)
	}}
}

func (s Source[T]) connect(b *core.Builder, next func(core.At) core.Stage[T]) {
	if s.build == nil {
		s = FromSlice[T](nil)
	}
	s.build(b, next)
}

func (s Sink[T]) stage(b *core.Builder, at core.At) core.Stage[T] {
	if s.attach == nil {
		s = Ignore[T]()
	}
	return s.attach(b, at)
}

// fused makes a source of another one and an operator that runs in the same goroutine.
func fused[A, B any](src Source[A], kind string, attach func(at core.At, info *core.StageInfo, st core.Stage[B]) core.Stage[A]) Source[B] {
	return Source[B]{build: func(b *core.Builder, next func(core.At) core.Stage[B]) {
		name := b.Name(kind)
		src.connect(b, func(at core.At) core.Stage[A] {
			st := next(at)
			return attach(at, at.Island.AddStage(name), st)
		})
	}}
}

// effect is fused for a stage whose function has effects: elements begin in it.
func effect[A, B any](src Source[A], kind string, cfg *stageConfig, attach func(at core.At, info *core.StageInfo, st core.Stage[B]) core.Stage[A]) Source[B] {
	return Source[B]{build: func(b *core.Builder, next func(core.At) core.Stage[B]) {
		name := b.Name(kind)
		src.connect(b, func(at core.At) core.Stage[A] {
			after := at
			if !cfg.repeatable {
				after = at.Begun()
			}
			st := next(after)
			return attach(at, at.Island.AddStage(name), st)
		})
	}}
}

// BuildSource makes a source of an engine's stage. It is for this module's own packages: others
// cannot name the argument's type, and compose sources from [FromFunc] and operators instead.
func BuildSource[T any](build func(b *core.Builder, next func(core.At) core.Stage[T])) Source[T] {
	return Source[T]{build: build}
}

// BuildSink makes a sink of an engine's stage. It is for this module's own packages; see
// [BuildSource].
func BuildSink[T any](attach func(b *core.Builder, at core.At) core.Stage[T]) Sink[T] {
	return Sink[T]{attach: attach}
}

// BuildFlow makes a flow of an engine's stage. It is for this module's own packages; see
// [BuildSource].
func BuildFlow[A, B any](attach func(b *core.Builder, name string, at core.At, next func(core.At) core.Stage[B]) core.Stage[A], kind string) Flow[A, B] {
	return NewFlow(func(src Source[A]) Source[B] {
		return Source[B]{build: func(b *core.Builder, next func(core.At) core.Stage[B]) {
			name := b.Name(kind)
			src.connect(b, func(at core.At) core.Stage[A] { return attach(b, name, at, next) })
		}}
	})
}

// BuildGraph makes a graph that is no stream itself: what it starts runs beside the run's islands,
// or in child runs ([BuildInto]). It is for this module's own packages; see [BuildSource].
func BuildGraph(build func(b *core.Builder)) Graph { return Graph{build: build} }

// BuildInto builds the graph into a run, which is over if that fails. It is for this module's own
// packages; see [BuildSource].
func BuildInto(g Graph, r *core.Run) error {
	_, err := g.buildInto(r)
	return err
}
