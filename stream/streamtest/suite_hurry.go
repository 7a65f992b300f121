package streamtest

import (
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/stream"
)

// hurried is the source, and how to raise the hurry of its run; that returns how to lower it again.
func hurried[T any](src stream.Source[T]) (wrapped stream.Source[T], raise func() (lower func())) {
	var r *core.Run
	look := stream.BuildFlow(func(b *core.Builder, _ string, at core.At, next func(core.At) core.Stage[T]) core.Stage[T] {
		r = b.Run
		return next(at)
	}, "hurried")
	return stream.Via(src, look), func() (lower func()) {
		return r.Hurry("suite").Release
	}
}
