package streamtest

import (
	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/stream"
)

// hurried is the source, and how to raise the hurry of its run; that returns how to lower it again.
func hurried[T any](src stream.Source[T]) (wrapped stream.Source[T], raise func() (lower func())) {
	var r *core.Run
	look := stream.NewFlow(func(src stream.Source[T]) stream.Source[T] {
		return stream.Source[T](blueprint.Operator(blueprint.Source[T](src), "hurried", func(b *core.Builder, _ string, at core.At, next func(core.At) core.Stage[T]) core.Stage[T] {
			r = b.Run
			return next(at)
		}))
	})
	return stream.Via(src, look), func() (lower func()) {
		return r.Hurry("suite").Release
	}
}
