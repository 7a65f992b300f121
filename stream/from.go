package stream

import (
	"context"
	"iter"

	"github.com/vicuna-go/vicuna/internal/core"
)

// FromSlice is a source of the elements of a slice, which must not change while it runs. It can run
// many times, also at the same time.
//
//   - Emits when: downstream takes.
//   - Back-pressures when: downstream does.
//   - Completes when: the last element was emitted; a drain stops it between two elements.
//   - Fails when: never.
//   - Order: the slice's.
//   - Goroutines: one for it and what follows.
func FromSlice[T any](elements []T) Source[T] {
	return newSource(func(b *core.Builder, next func(core.At) core.Stage[T]) {
		core.DriveSource(b, "slice", next, func(*core.Island) core.Intake[T] { return &slice[T]{rest: elements} })
	})
}

type slice[T any] struct {
	core.IntakeBase
	rest []T
}

func (s *slice[T]) Next() (core.Chunk[T], core.Status) {
	if len(s.rest) == 0 {
		return core.Chunk[T]{}, core.Complete
	}
	return core.Chunk[T]{Vals: s.rest[:min(len(s.rest), 256)]}, core.Ready
}

func (s *slice[T]) Taken(n int) { s.rest = s.rest[n:] }
func (s *slice[T]) More() bool  { return len(s.rest) > 0 }

// FromChan is a source of what is received from a channel. Runs of it share the channel. What was
// received is processed, also in a drain; at most 16 elements are received ahead.
//
// What was handed over to it by another graph ([ToChan]) has left that one: nothing follows the
// elements here. A record is finished by the committing stage that its offset comes to, or by its
// Commit. One that is left out here (Filter, Drop, Take) stays undone, and one that is expanded
// here (FlatMap, Broadcast) is done with the first of its elements: do both before the channel.
//
//   - Emits when: the channel has an element.
//   - Back-pressures when: downstream does: then nothing is received.
//   - Completes when: the channel is closed and empty; a drain stops receiving.
//   - Fails when: never.
//   - Order: the channel's.
//   - Goroutines: one for it and what follows.
func FromChan[T any](ch <-chan T) Source[T] {
	return newSource(func(b *core.Builder, next func(core.At) core.Stage[T]) {
		core.DriveSource(b, "chan", next, func(*core.Island) core.Intake[T] { return &channel[T]{run: b.Run, ch: ch} })
	})
}

type channel[T any] struct {
	core.IntakeBase
	run    *core.Run
	ch     <-chan T
	buf    [16]T
	first  int // buf[first:n] was received and not taken
	n      int
	closed bool
}

func (c *channel[T]) Next() (core.Chunk[T], core.Status) {
	if c.first == c.n {
		c.first, c.n = 0, 0
		if !c.closed && c.run.Draining() {
			c.closed = true
			c.run.Cut()
		}
		c.receive()
	}
	switch {
	case c.first < c.n:
		return core.Chunk[T]{Vals: c.buf[c.first:c.n]}, core.Ready
	case c.closed:
		return core.Chunk[T]{}, core.Complete
	}
	return core.Chunk[T]{}, core.Empty
}

func (c *channel[T]) receive() {
	for !c.closed && c.n < len(c.buf) {
		select {
		case v, ok := <-c.ch:
			c.got(v, ok)
		default:
			return
		}
	}
}

func (c *channel[T]) got(v T, ok bool) {
	if !ok {
		c.closed = true
		return
	}
	c.buf[c.n] = v
	c.n++
}

// Wait receives one element, or is woken.
func (c *channel[T]) Wait(woken <-chan struct{}) bool {
	c.first, c.n = 0, 0
	select {
	case v, ok := <-c.ch:
		c.got(v, ok)
		return false
	case <-woken:
		return true
	}
}

func (c *channel[T]) Taken(n int) {
	clear(c.buf[c.first : c.first+n])
	c.first += n
}

func (c *channel[T]) Ready() bool { return c.closed || c.first < c.n || len(c.ch) > 0 }

// FromSeq is a source of what an iterator yields. It can run as often as the iterator can.
//
//   - Emits when: the iterator yields.
//   - Back-pressures when: 512 elements wait: then the iterator waits in yield.
//   - Completes when: the iterator returns. In a drain, or when no more is wanted, yield reports
//     false, and the stream goes on to its end without waiting for an iterator that is waiting
//     itself; Run waits for it up to the close time-out.
//   - Fails when: the iterator panics.
//   - Order: the iterator's.
//   - Goroutines: one for the iterator, one for what follows.
func FromSeq[T any](seq iter.Seq[T]) Source[T] {
	return fromUser("seq", func(_ context.Context, emit func(T) bool) error {
		seq(emit)
		return nil
	})
}

// FromFunc is a source of what a function emits. emit waits while downstream back-pressures; it
// reports whether the element was taken, and false means that no more is wanted: produce should
// return. ctx is cancelled then, and when a drain begins. Produce calls emit from its own goroutine
// only.
//
//   - Emits when: produce calls emit.
//   - Back-pressures when: 512 elements wait: then emit waits.
//   - Completes when: produce returns nil, or an error that is its context's end; in a drain, or
//     when no more is wanted, without waiting for it, as FromSeq.
//   - Fails when: produce returns another error, or panics.
//   - Order: produce's.
//   - Goroutines: one for produce, one for what follows.
func FromFunc[T any](produce func(ctx context.Context, emit func(T) bool) error) Source[T] {
	return fromUser("func", func(ctx context.Context, emit func(T) bool) error {
		if err := produce(ctx, emit); err != nil && !cancelledBy(ctx, err) {
			return err
		}
		return nil
	})
}

func fromUser[T any](kind string, produce func(context.Context, func(T) bool) error) Source[T] {
	return newSource(func(b *core.Builder, next func(core.At) core.Stage[T]) {
		core.FromUser(b, b.Name(kind), next, produce)
	})
}
