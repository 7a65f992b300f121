package streamtest

import (
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/stream"
)

// hurried is the source, and how to raise the hurry of its run; that returns how to lower it again.
func hurried[T any](src stream.Source[T]) (wrapped stream.Source[T], raise func() (lower func())) {
	var r *core.Run
	wrapped = stream.BuildSource(func(b *core.Builder, next func(core.At) core.Stage[T]) {
		r = b.Run
		stream.Connect(src, b, next)
	})
	return wrapped, func() (lower func()) {
		r.RaiseHurry()
		return r.LowerHurry
	}
}
