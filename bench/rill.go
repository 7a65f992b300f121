package main

import (
	"context"

	"github.com/destel/rill"
)

// P9 with github.com/destel/rill.

func rillSource[T any](in []T) <-chan rill.Try[T] {
	return rill.Generate(func(send func(T), _ func(error)) {
		for _, x := range in {
			send(x)
		}
	})
}

// pure gives a function the form that rill wants.
func pure[A, B any](f func(A) B) func(A) (B, error) {
	return func(x A) (B, error) { return f(x), nil }
}

func rillMaps(_ context.Context, t *trial) error {
	in := ints(t.n)
	var c intChain
	err := t.measure(func() error {
		return passes(t.n, func(n int) error {
			out := rill.Map(rillSource(in[:n]), 1, pure(c.add))
			out = rill.Map(out, 1, pure(c.mul))
			out = rill.Map(out, 1, pure(c.flip))
			return rill.Err(rill.Filter(out, 1, pure(c.keep)))
		})
	})
	if err != nil {
		return err
	}
	return c.check(in, t.n)
}

func rillMapsPtr(_ context.Context, t *trial) error {
	in := items(t.n)
	var c itemChain
	err := t.measure(func() error {
		return passes(t.n, func(n int) error {
			out := rill.Map(rillSource(in[:n]), 1, pure(c.first))
			out = rill.Map(out, 1, pure(c.second))
			out = rill.Map(out, 1, pure(c.third))
			return rill.Err(rill.Filter(out, 1, pure(c.keep)))
		})
	})
	if err != nil {
		return err
	}
	return c.check(in, t.n)
}

func rillBoundary(_ context.Context, t *trial) error {
	in := ints(t.n)
	var c intChain
	got := 0
	err := t.measure(func() error {
		return passes(t.n, func(n int) error {
			return rill.ForEach(rill.Map(rillSource(in[:n]), 1, pure(c.add)), 1, func(int) error {
				got++
				return nil
			})
		})
	})
	if err != nil {
		return err
	}
	return same("elements", got, t.n)
}

func rillMapAsync(call asyncCall) func(ctx context.Context, t *trial) error {
	return func(ctx context.Context, t *trial) error {
		in := ints(t.n)
		var check ascending
		err := t.measure(func() error {
			out := rill.OrderedMap(rillSource(in), concurrency, func(x int) (int, error) { return call(ctx, x) })
			return rill.ForEach(out, 1, check.take)
		})
		if err != nil {
			return err
		}
		return check.complete(t.n)
	}
}
