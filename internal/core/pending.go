package core

import (
	"runtime"
	"sync/atomic"
)

// pending coalesces the done tokens of one goroutine: up to 64 positions of one word are marked
// with one call to the assignment instead of one each. The bits are published per token, so that a
// commit loop or a revoke can take them at any time: a slow element does not hide the finished ones
// before it.
//
// One writer, any number of readers. word and bits belong together only while seq is even and
// unchanged (a sequence lock); marks are idempotent, so a reader and the writer may both report the
// same bits.
type pending struct {
	// The published copies, which the writer alone writes.
	seq  atomic.Uint32
	word atomic.Uint64
	bits atomic.Uint64

	// The writer's own copies.
	w Token
	b uint64
}

// done adds a token that is not a composite.
func (p *pending) done(l *Ledger, t Token) {
	if t&^63 != p.w {
		p.goTo(l, t&^63)
	}
	p.b |= 1 << (t & 63)
	// with a full fence, as the look at the hurry needs that follows: who raises one reads the bits
	// after that
	p.bits.Store(p.b)
}

// goTo goes on to another word.
func (p *pending) goTo(l *Ledger, w Token) {
	p.flush(l)
	p.begin(w)
}

func (p *pending) begin(w Token) {
	p.seq.Add(1)
	p.w = w
	p.word.Store(uint64(w))
	p.seq.Add(1)
}

// flush reports what is pending. The bits are cleared after the assignment has seen them: a reader
// in between reports them twice, never not at all.
func (p *pending) flush(l *Ledger) {
	if p.b == 0 {
		return
	}
	l.doneWord(p.w, p.b)
	p.seq.Add(1)
	p.b = 0
	p.bits.Store(0)
	p.seq.Add(1)
}

// collect reports what is pending from another goroutine.
func (p *pending) collect(l *Ledger) {
	for {
		s := p.seq.Load()
		w, b := p.word.Load(), p.bits.Load()
		if s&1 == 0 && p.seq.Load() == s {
			if b != 0 {
				l.doneWord(Token(w), b)
			}
			return
		}
		runtime.Gosched()
	}
}

// Finisher ends tokens on a goroutine that is no island: a client's acknowledgements. One goroutine
// at a time may use it. What it has not reported yet is read with everybody else's by
// CollectPending.
type Finisher struct {
	run     *Run
	pending pending
}

// Done ends a token as done.
func (f *Finisher) Done(t Token) {
	switch {
	case t == 0:
	case t.composite():
		f.run.Ledger.end(span{t, 1}, fine)
	default:
		f.pending.done(f.run.Ledger, t)
		if f.run.word.Load() != 0 {
			f.pending.flush(f.run.Ledger) // somebody may wait for the last token
		}
	}
}

// Abandon ends a token as abandoned.
func (f *Finisher) Abandon(t Token) { f.run.Ledger.end(span{t, 1}, abandoned) }

// Flush reports what is pending.
func (f *Finisher) Flush() { f.pending.flush(f.run.Ledger) }
