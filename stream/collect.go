package stream

import (
	"context"

	"github.com/vicuna-go/vicuna/internal/core"
)

// Collect runs the stream and returns its elements, in order; with an error, those that came before
// it. Elements are finished on receipt.
func Collect[T any](ctx context.Context, src Source[T], opts ...RunOption) ([]T, error) {
	return Fold(ctx, src, nil, func(all []T, v T) []T { return append(all, v) }, opts...)
}

// Fold runs the stream and combines its elements, in order; with an error, those that came before
// it. Elements are finished on receipt.
func Fold[T, R any](ctx context.Context, src Source[T], init R, f func(R, T) R, opts ...RunOption) (R, error) {
	acc := init
	err := src.To(newSink(func(b *core.Builder, at core.At) core.Stage[T] {
		info := at.Island.AddStage(b.Name("fold"))
		return core.Stage[T]{Push: func(v T) {
			at.Island.In(info)
			if at.Island.Claim() {
				acc = f(acc, v)
			}
		}, Done: func() {}, Link: &core.Link{}}
	})).Run(ctx, opts...)
	return acc, err
}

// First runs the stream up to its first element and returns that; [ErrEmpty] where there is none.
func First[T any](ctx context.Context, src Source[T], opts ...RunOption) (T, error) {
	var none T
	all, err := Collect(ctx, src.Take(1), opts...)
	switch {
	case len(all) == 1:
		return all[0], err
	case err != nil:
		return none, err
	}
	return none, ErrEmpty
}
