package main

import (
	"context"

	streams "github.com/reugn/go-streams"
	"github.com/reugn/go-streams/extension"
	"github.com/reugn/go-streams/flow"
)

// P9 with github.com/reugn/go-streams.

// goStreamsSource feeds a source from a slice, as its users do.
func goStreamsSource[T any](in []T) *extension.ChanSource {
	ch := make(chan any)
	go func() {
		defer close(ch)
		for _, x := range in {
			ch <- x
		}
	}()
	return extension.NewChanSource(ch)
}

// countSink counts. Its like in the library does not say when it has ended.
type countSink struct {
	in   chan any
	done chan struct{}
	n    int
}

func newCountSink() *countSink {
	s := &countSink{in: make(chan any), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for range s.in {
			s.n++
		}
	}()
	return s
}

func (s *countSink) In() chan<- any   { return s.in }
func (s *countSink) AwaitCompletion() { <-s.done }

var _ streams.Sink = (*countSink)(nil)

func goStreamsMaps(_ context.Context, t *trial) error {
	in := ints(t.n)
	var c intChain
	err := t.measure(func() error {
		return passes(t.n, func(n int) error {
			goStreamsSource(in[:n]).
				Via(flow.NewMap(c.add, 1)).
				Via(flow.NewMap(c.mul, 1)).
				Via(flow.NewMap(c.flip, 1)).
				Via(flow.NewFilter(c.keep, 1)).
				To(newCountSink())
			return nil
		})
	})
	if err != nil {
		return err
	}
	return c.check(in, t.n)
}

func goStreamsMapsPtr(_ context.Context, t *trial) error {
	in := items(t.n)
	var c itemChain
	err := t.measure(func() error {
		return passes(t.n, func(n int) error {
			goStreamsSource(in[:n]).
				Via(flow.NewMap(c.first, 1)).
				Via(flow.NewMap(c.second, 1)).
				Via(flow.NewMap(c.third, 1)).
				Via(flow.NewFilter(c.keep, 1)).
				To(newCountSink())
			return nil
		})
	})
	if err != nil {
		return err
	}
	return c.check(in, t.n)
}

// goStreamsBoundary has no operator more than a map: each of its stages is a
// boundary as it is.
func goStreamsBoundary(_ context.Context, t *trial) error {
	return goStreamsMap(t, 1, func(x int) int { return x + 1 })
}

func goStreamsMapAsync(call asyncCall) func(ctx context.Context, t *trial) error {
	return func(ctx context.Context, t *trial) error {
		return goStreamsMap(t, concurrency, func(x int) int {
			y, _ := call(ctx, x) // none fails, and there is no way to say so
			return y
		})
	}
}

func goStreamsMap(t *trial, parallelism int, f func(int) int) error {
	in := ints(t.n)
	got := 0
	err := t.measure(func() error {
		return passes(t.n, func(n int) error {
			sink := newCountSink()
			goStreamsSource(in[:n]).Via(flow.NewMap(f, parallelism)).To(sink)
			got += sink.n
			return nil
		})
	})
	if err != nil {
		return err
	}
	return same("elements", got, t.n)
}
