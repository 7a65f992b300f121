package main

import (
	"context"

	"github.com/vicuna-go/vicuna/stream"
)

// P9 with the library.

func oursMaps(n int) *side {
	return &side{name: "stream", n: n, run: func(ctx context.Context, t *trial) error {
		in := ints(t.n)
		var c intChain
		err := t.measure(func() error {
			return passes(t.n, func(n int) error {
				return maps(stream.FromSlice(in[:n]), &c).To(stream.Ignore[int]()).Run(ctx)
			})
		})
		if err != nil {
			return err
		}
		return c.check(in, t.n)
	}}
}

func maps(src stream.Source[int], c *intChain) stream.Source[int] {
	return stream.Map(stream.Map(stream.Map(src, c.add), c.mul), c.flip).Filter(c.keep)
}

func oursMapsPtr(n int) *side {
	return &side{name: "stream", n: n, run: func(ctx context.Context, t *trial) error {
		in := items(t.n)
		var c itemChain
		err := t.measure(func() error {
			return passes(t.n, func(n int) error {
				src := stream.FromSlice(in[:n])
				return stream.Map(stream.Map(stream.Map(src, c.first), c.second), c.third).
					Filter(c.keep).To(stream.Ignore[*item]()).Run(ctx)
			})
		})
		if err != nil {
			return err
		}
		return c.check(in, t.n)
	}}
}

func oursBoundary(n int) *side {
	return &side{name: "stream", n: n, run: func(ctx context.Context, t *trial) error {
		in := ints(t.n)
		var c intChain
		got := 0
		err := t.measure(func() error {
			return passes(t.n, func(n int) error {
				count := stream.ForEach(func(context.Context, int) error { got++; return nil })
				return stream.Map(stream.FromSlice(in[:n]), c.add).Async().To(count).Run(ctx)
			})
		})
		if err != nil {
			return err
		}
		return same("elements", got, t.n)
	}}
}

func oursMapAsync(n int, call asyncCall) *side {
	return &side{name: "MapAsync(16)", n: n, run: func(ctx context.Context, t *trial) error {
		in := ints(t.n)
		got := 0
		err := t.measure(func() error {
			return passes(t.n, func(n int) error {
				var check ascending
				take := stream.ForEach(func(_ context.Context, x int) error { return check.take(x) })
				if err := stream.MapAsync(stream.FromSlice(in[:n]), concurrency, call).To(take).Run(ctx); err != nil {
					return err
				}
				got += check.next
				return nil
			})
		})
		if err != nil {
			return err
		}
		return same("elements", got, t.n)
	}}
}
