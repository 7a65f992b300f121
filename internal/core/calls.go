package core

import (
	"slices"
	"sync"
	"sync/atomic"
)

// calls are those of a stage's workers that run now. Each worker has a place of its own, and writes
// to no other: a counter that all of them write costs more than the rest of a short call.
type calls struct {
	mu     sync.Mutex
	free   []*callPlace
	places atomic.Pointer[[]*callPlace] // all that there are; replaced, never changed
}

// callPlace holds the token of the element whose call runs now, noToken where that has none, else
// 0.
type callPlace struct {
	// written by the worker alone, read by who asks what is at work
	token atomic.Uint64
	_     [56]byte // to the end of the cache line
}

// noToken is no element's token: its composite index would be the last of all.
const noToken = ^uint64(0)

func (p *callPlace) begins(t Token) {
	if t == 0 {
		p.token.Store(noToken)
		return
	}
	p.token.Store(uint64(t))
}

func (p *callPlace) returns() { p.token.Store(0) }

// place gives a place to a worker that starts.
func (c *calls) place() *callPlace {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.free); n > 0 {
		p := c.free[n-1]
		c.free = c.free[:n-1]
		return p
	}
	p := &callPlace{}
	var all []*callPlace
	if old := c.places.Load(); old != nil {
		all = slices.Clone(*old)
	}
	all = append(all, p)
	c.places.Store(&all)
	return p
}

// leave takes back the place of a worker that ends.
func (c *calls) leave(p *callPlace) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.returns()
	c.free = append(c.free, p)
}

// running gives the tokens of the calls that run now. What is read may be over a moment later.
func (c *calls) running(yield func(token uint64) bool) {
	all := c.places.Load()
	if all == nil {
		return
	}
	for _, p := range *all {
		if t := p.token.Load(); t != 0 && !yield(t) {
			return
		}
	}
}

// count is how many calls run now.
func (c *calls) count() (n int64) {
	for range c.running {
		n++
	}
	return n
}

// has reports whether a call for the record runs now.
func (c *calls) has(l *Ledger, topic string, partition int32, offset int64) bool {
	for t := range c.running {
		if t != noToken && l.isAt(Token(t), topic, partition, offset) {
			return true
		}
	}
	return false
}
