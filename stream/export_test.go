package stream

import "github.com/vicuna-go/vicuna/internal/core"

// ConnectForTest builds a source into a run.
func ConnectForTest[T any](src Source[T], b *core.Builder, next func(core.At) core.Stage[T]) {
	src.connect(b, next)
}
