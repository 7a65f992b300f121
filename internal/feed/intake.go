package feed

import "github.com/vicuna-go/vicuna/internal/core"

// MaxChunk is the number of elements that the island gets at a time, at most.
const MaxChunk = 256

// intake is the island's side of a feed.
type intake[T any] struct{ f *Feed[T] }

// Intake is where the island takes its elements from; see core.Drive.
func (f *Feed[T]) Intake() core.Intake[T] { return intake[T]{f} }

// Next lends the island a chunk of the partition that comes next in the rota.
func (in intake[T]) Next() (core.Chunk[T], core.Status) {
	f := in.f
	f.mu.Lock()
	defer f.mu.Unlock()
	for range f.rota {
		if f.upNext >= len(f.rota) {
			f.upNext = 0
		}
		a := f.rota[f.upNext]
		f.upNext++
		if a.queued == 0 || a.paused && a.state == live {
			continue
		}
		c := a.queue[0]
		n := min(len(c.Vals), MaxChunk)
		a.lent, f.inHand = n, a
		return core.Chunk[T]{Vals: c.Vals[:n:n], First: c.First}, core.Ready
	}
	if f.complete {
		return core.Chunk[T]{}, core.Complete
	}
	return core.Chunk[T]{}, core.Empty
}

// InHand is the assignment whose elements the island has; the island asks, between Next and Taken.
func (f *Feed[T]) InHand() *Assignment[T] { return f.inHand }

// Taken takes back what was lent and not handled.
func (in intake[T]) Taken(n int) {
	f := in.f
	f.mu.Lock()
	a := f.inHand
	f.inHand = nil
	c := &a.queue[0]
	switch {
	case n < len(c.Vals):
		c.Vals, c.First = c.Vals[n:], c.First+core.Token(n)
	case len(a.queue) == 1:
		*c = core.Chunk[T]{} // the queue's array may live for long
		a.queue = a.queue[:0]
	default:
		*c = core.Chunk[T]{}
		a.queue = a.queue[1:]
	}
	before := a.queued
	a.queued -= n
	a.lent = 0
	if a.state != live {
		a.reclaim()
	}
	half := f.opts.Queue / 2
	low := a.queued == 0 || before > half && a.queued <= half
	f.mu.Unlock()
	if low {
		f.bell.Ring()
	}
}

// Ready reports whether Next has something to say.
func (in intake[T]) Ready() bool {
	f := in.f
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.rota {
		if a.queued > 0 && !(a.paused && a.state == live) {
			return true
		}
	}
	return f.complete
}

// More implements core.Beginning.
func (in intake[T]) More() bool {
	f := in.f
	f.mu.Lock()
	queued := 0
	for _, a := range f.rota {
		queued += a.queued
	}
	f.mu.Unlock()
	return queued > 0 || f.opts.More()
}

// Cancel takes everything back that waits: a drain has begun, or downstream wants no more. Nothing
// is rewound from now on.
func (in intake[T]) Cancel() {
	f := in.f
	f.over.Store(true)
	f.mu.Lock()
	f.cancelled = true
	for _, a := range f.rota {
		a.reclaim()
	}
	f.mu.Unlock()
	f.bell.Ring()
}
