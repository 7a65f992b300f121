package main

import (
	"context"
	"sync"
)

// P9 by hand.

func loopMaps(_ context.Context, t *trial) error {
	in := ints(t.n)
	return t.measure(func() error {
		return passes(t.n, func(n int) error {
			consumed(intLoop(in[:n]))
			return nil
		})
	})
}

func loopMapsPtr(_ context.Context, t *trial) error {
	in := items(t.n)
	return t.measure(func() error {
		return passes(t.n, func(n int) error {
			consumed(itemLoop(in[:n]))
			return nil
		})
	})
}

// consumed keeps the compiler from leaving out what led to x.
//
//go:noinline
func consumed(int) {}

// loopBoundary hands slices from one goroutine to another and back.
func loopBoundary(_ context.Context, t *trial) error {
	in := ints(t.n)
	got := 0
	err := t.measure(func() error {
		const size = 256
		full, empty := make(chan []int, 4), make(chan []int, 6)
		for range cap(empty) {
			empty <- make([]int, 0, size)
		}
		go func() {
			defer close(full)
			out := <-empty
			_ = passes(t.n, func(n int) error {
				for _, x := range in[:n] {
					if out = append(out, x+1); len(out) == size {
						full <- out
						out = (<-empty)[:0]
					}
				}
				return nil
			})
			full <- out
		}()
		for out := range full {
			for _, x := range out {
				if x > 0 {
					got++
				}
			}
			empty <- out
		}
		return nil
	})
	if err != nil {
		return err
	}
	return same("elements", got, t.n)
}

// idealMapAsync shares the calls out beforehand, a run of them to each goroutine.
func idealMapAsync(call asyncCall) func(ctx context.Context, t *trial) error {
	return func(ctx context.Context, t *trial) error {
		return t.measure(func() error {
			var wg sync.WaitGroup
			for g := range concurrency {
				wg.Go(func() {
					for x := g * t.n / concurrency; x < (g+1)*t.n/concurrency; x++ {
						_, _ = call(ctx, x) // none of them fails
					}
				})
			}
			wg.Wait()
			return nil
		})
	}
}

// A future is one call of poolMapAsync. They go round: its channel is made once.
type future struct {
	x, y int
	err  error
	done chan struct{}
}

// poolMapAsync is the usual pool that keeps order: the calls go to 16 goroutines,
// and their futures, in order, to whoever takes the results.
func poolMapAsync(call asyncCall) func(ctx context.Context, t *trial) error {
	return func(ctx context.Context, t *trial) error {
		var check ascending
		if err := t.measure(func() error { return runPool(ctx, t.n, call, check.take) }); err != nil {
			return err
		}
		return check.complete(t.n)
	}
}

func runPool(ctx context.Context, n int, call asyncCall, take func(int) error) error {
	const size = 256
	idle := make(chan *future, size)
	for range size {
		idle <- &future{done: make(chan struct{}, 1)}
	}
	work, order := make(chan *future, size), make(chan *future, size)
	for range concurrency {
		go func() {
			for f := range work {
				f.y, f.err = call(ctx, f.x)
				f.done <- struct{}{}
			}
		}()
	}
	go func() {
		defer close(order)
		defer close(work)
		for x := range n {
			f := <-idle
			f.x = x
			work <- f
			order <- f
		}
	}()
	var failed error
	for f := range order { // to its end, whatever happens: nobody may stay behind
		<-f.done
		err := f.err
		if err == nil {
			err = take(f.y)
		}
		if failed == nil {
			failed = err
		}
		idle <- f
	}
	return failed
}
