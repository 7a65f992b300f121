package stream

import "context"

// Pair is an element beside a context of the user's.
type Pair[T, C any] struct {
	Value   T
	Context C
}

// SourceWithContext is a stream in which each element carries a context of the user's: a request
// id, an offset. Operators on it see the element, and the context follows. It is a typed view of a
// Source of pairs: the two convert into each other at no cost.
type SourceWithContext[T, C any] struct{ src Source[Pair[T, C]] }

// FlowWithContext is a flow whose results carry their elements' contexts.
type FlowWithContext[A, B, C any] struct {
	apply func(SourceWithContext[A, C]) SourceWithContext[B, C]
}

// WithContext puts a context beside each element; it is a [Map].
func WithContext[T, C any](src Source[T], context func(T) C) SourceWithContext[T, C] {
	return SourceWithContext[T, C]{src: Map(src, func(v T) Pair[T, C] { return Pair[T, C]{v, context(v)} })}
}

// FromPairs is the view of a stream of pairs.
func FromPairs[T, C any](src Source[Pair[T, C]]) SourceWithContext[T, C] {
	return SourceWithContext[T, C]{src: src}
}

// Pairs is the stream behind the view.
func (s SourceWithContext[T, C]) Pairs() Source[Pair[T, C]] { return s.src }

// Filter is [Source.Filter] on the elements; a context goes with its element.
func (s SourceWithContext[T, C]) Filter(keep func(T) bool) SourceWithContext[T, C] {
	return SourceWithContext[T, C]{s.src.Filter(func(p Pair[T, C]) bool { return keep(p.Value) })}
}

// Tap is [Source.Tap] on the elements.
func (s SourceWithContext[T, C]) Tap(f func(T)) SourceWithContext[T, C] {
	return SourceWithContext[T, C]{s.src.Tap(func(p Pair[T, C]) { f(p.Value) })}
}

// Async is [Source.Async].
func (s SourceWithContext[T, C]) Async() SourceWithContext[T, C] {
	return SourceWithContext[T, C]{s.src.Async()}
}

// Named is [Source.Named].
func (s SourceWithContext[T, C]) Named(name string) SourceWithContext[T, C] {
	return SourceWithContext[T, C]{s.src.Named(name)}
}

// To is [Source.To] with a sink of pairs.
func (s SourceWithContext[T, C]) To(sink Sink[Pair[T, C]]) Graph { return s.src.To(sink) }

// MapWithContext is [Map] on the elements.
func MapWithContext[A, B, C any](src SourceWithContext[A, C], f func(A) B) SourceWithContext[B, C] {
	return SourceWithContext[B, C]{Map(src.src, func(p Pair[A, C]) Pair[B, C] { return Pair[B, C]{f(p.Value), p.Context} })}
}

// TryMapWithContext is [TryMap] on the elements.
func TryMapWithContext[A, B, C any](src SourceWithContext[A, C], f func(context.Context, A) (B, error), opts ...Option) SourceWithContext[B, C] {
	return SourceWithContext[B, C]{TryMap(src.src, lift[A, B, C](f), opts...)}
}

// MapAsyncWithContext is [MapAsync] on the elements.
func MapAsyncWithContext[A, B, C any](src SourceWithContext[A, C], n int, f func(context.Context, A) (B, error), opts ...Option) SourceWithContext[B, C] {
	return SourceWithContext[B, C]{MapAsync(src.src, n, lift[A, B, C](f), opts...)}
}

func lift[A, B, C any](f func(context.Context, A) (B, error)) func(context.Context, Pair[A, C]) (Pair[B, C], error) {
	return func(ctx context.Context, p Pair[A, C]) (Pair[B, C], error) {
		b, err := f(ctx, p.Value)
		return Pair[B, C]{b, p.Context}, err
	}
}

// NewFlowWithContext is [NewFlow] for streams with a context.
func NewFlowWithContext[A, B, C any](f func(SourceWithContext[A, C]) SourceWithContext[B, C]) FlowWithContext[A, B, C] {
	return FlowWithContext[A, B, C]{apply: f}
}

// FlowOfPairs makes a flow with context of one of pairs.
func FlowOfPairs[A, B, C any](flow Flow[Pair[A, C], Pair[B, C]]) FlowWithContext[A, B, C] {
	return NewFlowWithContext(func(s SourceWithContext[A, C]) SourceWithContext[B, C] {
		return SourceWithContext[B, C]{Via(s.src, flow)}
	})
}

// ViaWithContext is [Via] for streams with a context.
func ViaWithContext[A, B, C any](src SourceWithContext[A, C], flow FlowWithContext[A, B, C]) SourceWithContext[B, C] {
	return flow.apply(src)
}
