package blueprint

import (
	"errors"
	"sync/atomic"

	"github.com/vicuna-go/vicuna/internal/core"
)

// Source is a blueprint of a stream of elements. The zero Source has none and completes at once.
type Source[T any] struct {
	build func(b *core.Builder, next func(core.At) core.Stage[T])
}

// NewSource makes a source. build makes its stage and its island, and has what follows built by
// next, once.
func NewSource[T any](build func(b *core.Builder, next func(core.At) core.Stage[T])) Source[T] {
	return Source[T]{build: build}
}

// Connect builds the source, with what next builds after it.
func (s Source[T]) Connect(b *core.Builder, next func(core.At) core.Stage[T]) {
	if s.build == nil {
		core.DriveSource(b, "empty", next, func(*core.Island) core.Intake[T] { return nothing[T]{} })
		return
	}
	s.build(b, next)
}

// nothing is the intake of the zero Source.
type nothing[T any] struct{ core.IntakeBase }

func (nothing[T]) Next() (core.Chunk[T], core.Status) { return core.Chunk[T]{}, core.Complete }
func (nothing[T]) Taken(int)                          {}
func (nothing[T]) More() bool                         { return false }

// Operator makes a source of another one and a stage after it. attach makes the stage, at its
// place, and has what follows built by next; name is the user's, or the kind.
func Operator[A, B any](src Source[A], kind string,
	attach func(b *core.Builder, name string, at core.At, next func(core.At) core.Stage[B]) core.Stage[A],
) Source[B] {
	return NewSource(func(b *core.Builder, next func(core.At) core.Stage[B]) {
		name := b.Name(kind) // before what is upstream is built, which would take the name
		src.Connect(b, func(at core.At) core.Stage[A] { return attach(b, name, at, next) })
	})
}

// Part is Operator for a stage that only belongs to the one before it, which takes the user's name.
func Part[A, B any](src Source[A], kind string,
	attach func(b *core.Builder, name string, at core.At, next func(core.At) core.Stage[B]) core.Stage[A],
) Source[B] {
	return NewSource(func(b *core.Builder, next func(core.At) core.Stage[B]) {
		src.Connect(b, func(at core.At) core.Stage[A] { return attach(b, kind, at, next) })
	})
}

// ErrTaken says that a live source was built a second time, or outside its parent. Package stream
// exports it.
var ErrTaken = errors.New("vicuna: a live sub-source can run once, inside its parent")

// Live makes the source of a sub-stream: it is built once, inside parent.
func Live[T any](parent *core.Run, src Source[T]) Source[T] {
	var taken atomic.Bool
	return NewSource(func(b *core.Builder, next func(core.At) core.Stage[T]) {
		if !b.Run.Inside(parent) || taken.Swap(true) {
			b.Fail(ErrTaken)
			return
		}
		src.Connect(b, next)
	})
}
