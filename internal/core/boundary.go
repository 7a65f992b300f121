package core

import (
	"runtime"
	"sync/atomic"
)

// DefaultCapacity is the number of elements that an Async boundary holds at most: two chunks.
const DefaultCapacity = 2 * maxChunk

// Boundary joins two islands: a bounded ring with one sender and one receiver.
//
// Goal: an element that is finished is visible to an idle receiver at once, also while the sender
// is inside a slow user function, at the price of a few nanoseconds. So the fill index is published
// per element, and the receiver's parked flag looked at, while the free index is published per
// chunk.
//
// Invariants:
//  1. Only the sender writes tail, vals[tail], toks[tail]; only the receiver writes head and clears
//     what it has taken.
//  2. The receiver parks only after it has raised its flag and then found tail unchanged; the
//     sender looks at the flag after it has published tail. So a wake-up cannot be lost.
//  3. An element is either taken by the receiver or refused to the sender, never neither: a
//     receiver that wants no more publishes the tail that it saw (final) after it has set sealed. A
//     sender that sees sealed after its own store waits for final, and its element was taken if
//     and only if its index is below it.
//
// Rejected: chunks handed over through a channel (an element is visible when its chunk is, which
// makes a linger timer necessary, or a look at the receiver anyhow), and recycling them (a pool,
// poison, ownership).
type Boundary[T any] struct {
	// The ring, fixed when it is built but for capacity, which is set before the run starts. The
	// sender writes a place before tail says so, and the receiver reads it before head gives it
	// back.
	vals     []T
	toks     []Token
	mask     uint64
	capacity uint64

	// bounds what has begun; nil where nothing has, or the user has set the capacity
	ahead *runAhead

	// The two ends, fixed when it is built.
	send     *Island
	sendLink *Link // what the sender's chain is told when the receiver has cancelled
	recv     *Island

	// Written by the sender alone; the receiver reads tail.
	_           [64]byte
	tail        atomic.Uint64
	ltail       uint64 // the sender's
	sendsTokens bool   // the sender's: it has sent a token
	chead       uint64 // the sender's last look at head

	// Written by the receiver alone; the sender reads head, and whoever counts aside.
	_     [64]byte
	head  atomic.Uint64
	lhead uint64 // the receiver's
	ctail uint64 // the receiver's last look at tail
	small bool   // the last chunk was small
	sweep sweep
	aside atomic.Int64 // elements that the receiver has taken and set aside

	// Written once each: tokens and closed by the sender, sealed and final by the receiver.
	_      [64]byte
	tokens atomic.Bool // there has been a token: toks counts
	closed atomic.Bool
	sealed atomic.Bool
	final  atomic.Uint64 // tail at the seal, plus one
}

// NewBoundary joins the sender's chain to a new island. capacity is in elements; at least one.
func NewBoundary[T any](at At, capacity int, recv *Island) *Boundary[T] {
	size := 1
	for size < capacity {
		size *= 2
	}
	b := &Boundary[T]{
		vals: make([]T, size), toks: make([]Token, size), mask: uint64(size - 1), capacity: uint64(max(capacity, 1)),
		send: at.Island, recv: recv, sendLink: &Link{},
	}
	at.Island.outputs = append(at.Island.outputs, b)
	at.KeepsUnbegun()
	return b
}

// Stage is the sender's end.
func (b *Boundary[T]) Stage() Stage[T] {
	return Stage[T]{Push: b.Push, Done: b.Close, Link: b.sendLink}
}

// Len is the number of elements in it, approximately.
func (b *Boundary[T]) Len() int {
	return max(0, int(b.tail.Load())-int(b.head.Load())) + int(b.aside.Load())
}

// Sent is the number of elements that were sent.
func (b *Boundary[T]) Sent() uint64 { return b.tail.Load() }

// Push hands an element over; it waits while the boundary is full.
func (b *Boundary[T]) Push(v T) {
	t := b.ltail
	if (t-b.chead >= b.capacity || b.ahead != nil && t-b.chead >= b.ahead.limit.Load()) && !b.space() {
		if !b.sealed.Load() && b.send.CutOff() {
			b.send.GiveBack()
			return
		}
		b.send.Refuse()
		b.checkCancelled()
		return
	}
	tok := b.send.Out()
	i := t & b.mask
	b.vals[i] = v
	if tok != 0 && !b.sendsTokens {
		b.sendsTokens = true
		b.tokens.Store(true)
	}
	if b.sendsTokens {
		b.toks[i] = tok
	}
	b.ltail = t + 1
	b.tail.Store(t + 1)
	if b.sealed.Load() {
		b.resolve(t, tok)
		return
	}
	if b.recv.parked.Load() != 0 {
		b.recv.Wake()
	}
}

// space waits for a free place; false where the receiver has cancelled or the run was stopped.
func (b *Boundary[T]) space() bool {
	if b.hasSpace() {
		return !b.sealed.Load()
	}
	room := false
	b.send.Await(func() bool {
		room = b.hasSpace()
		return room || b.send.CutOff()
	})
	return room && !b.sealed.Load()
}

func (b *Boundary[T]) hasSpace() bool {
	b.chead = b.head.Load()
	n := b.ltail - b.chead
	return n < b.capacity && (b.ahead == nil || b.ahead.room(n, b.recv)) || b.sealed.Load()
}

// leastAhead is how many begun elements may wait in front of a slow stage.
const leastAhead = 2

// Bounded makes the boundary bound how far elements that have begun run ahead, where any have.
func (b *Boundary[T]) Bounded(at At) *Boundary[T] {
	b.send.run.OnStart(func() {
		if at.Line.begun() {
			b.ahead = &runAhead{}
			b.ahead.init(leastAhead, b.capacity)
		}
	})
	return b
}

// resolve finds out whether the element at t was taken before the seal (invariant 3).
func (b *Boundary[T]) resolve(t uint64, tok Token) {
	f := b.final.Load()
	for ; f == 0; f = b.final.Load() {
		runtime.Gosched() // the receiver stands between two stores
	}
	if t >= f-1 {
		var none T
		b.vals[t&b.mask] = none
		b.send.Refused(tok)
	}
	b.sendLink.Cancel()
}

func (b *Boundary[T]) checkCancelled() {
	if b.sealed.Load() {
		b.sendLink.Cancel()
	}
}

// Close says that no more will come.
func (b *Boundary[T]) Close() {
	b.closed.Store(true)
	b.recv.Wake()
}

// Seal lets no more in: what is in it is the rest. The receiver calls it.
func (b *Boundary[T]) Seal() {
	if b.sealed.Load() {
		return
	}
	b.sealed.Store(true)
	b.ctail = b.tail.Load()
	b.final.Store(b.ctail + 1)
	b.send.Wake()
}

// Next implements Intake.
func (b *Boundary[T]) Next() (Chunk[T], Status) {
	if b.lhead == b.ctail {
		if b.sealed.Load() {
			return Chunk[T]{}, Complete
		}
		if b.small {
			b.small = false
			linger(spins)
		}
		over := b.closed.Load() // before tail: what was sent before the close is in it
		b.ctail = b.tail.Load()
		if b.lhead == b.ctail {
			if over {
				return Chunk[T]{}, Complete
			}
			return Chunk[T]{}, Empty
		}
	}
	i := b.lhead & b.mask
	n := min(b.ctail-b.lhead, uint64(len(b.vals))-i, maxChunk)
	b.small = n < smallChunk
	c := Chunk[T]{Vals: b.vals[i : i+n]}
	if b.tokens.Load() { // set before the tail that was read
		c.Toks = b.toks[i : i+n]
	}
	return c, Ready
}

// Taken implements Intake.
func (b *Boundary[T]) Taken(n int) {
	i := b.lhead & b.mask
	clear(b.vals[i : i+uint64(n)])
	b.lhead += uint64(n)
	b.head.Store(b.lhead)
	if b.send.parked.Load() != 0 {
		b.send.Wake()
	}
}

// Ready implements Intake.
func (b *Boundary[T]) Ready() bool {
	return b.tail.Load() != b.lhead || b.closed.Load() || b.sealed.Load()
}

// Cancel implements Intake: the rest is refused.
func (b *Boundary[T]) Cancel() {
	b.Seal()
	for ; b.lhead < b.ctail; b.lhead++ {
		i := b.lhead & b.mask
		b.recv.refuseToken(b.toks[i])
		var none T
		b.vals[i] = none
	}
}

// A receiver that is faster than its sender would fetch the sender's cache line for every few
// elements, and both would wait for that most of the time. Behind a small chunk it lets some tenths
// of a microsecond pass before it looks again.
const (
	smallChunk = 64
	spins      = 800
)

//go:noinline
func linger(n int) {
	for range n {
	}
}
