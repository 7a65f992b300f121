package feed

import (
	"sync"
	"sync/atomic"
)

// Bell tells everybody who listens that there is something to look at. It is a level: listen, then
// look, then wait. Ringing costs one load while nobody listens. The zero Bell is ready.
type Bell struct {
	armed atomic.Bool   // written under mu, with c, and read without
	mu    sync.Mutex    // of c, and of who arms
	c     chan struct{} // under mu
}

// Listen returns what is closed by the next ring.
func (b *Bell) Listen() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c == nil {
		b.c = make(chan struct{})
		b.armed.Store(true)
	}
	return b.c
}

// Ring wakes those who listen.
func (b *Bell) Ring() {
	if !b.armed.Load() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c != nil {
		close(b.c)
		b.c = nil
		b.armed.Store(false)
	}
}
