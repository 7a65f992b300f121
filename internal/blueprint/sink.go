package blueprint

import "github.com/vicuna-go/vicuna/internal/core"

// Sink is a blueprint of an end of a stream. The zero Sink ignores what it gets.
type Sink[T any] struct {
	attach func(b *core.Builder, at core.At) core.Stage[T]
}

// NewSink makes a sink. attach makes its stage, at its place.
func NewSink[T any](attach func(b *core.Builder, at core.At) core.Stage[T]) Sink[T] {
	return Sink[T]{attach: attach}
}

// Attach builds the sink.
func (s Sink[T]) Attach(b *core.Builder, at core.At) core.Stage[T] {
	if s.attach == nil {
		isl, info := at.Island, at.Island.AddStage(b.Name("ignore"))
		return core.Stage[T]{Push: func(T) { isl.In(info) }, Done: func() {}, Link: &core.Link{}}
	}
	return s.attach(b, at)
}
