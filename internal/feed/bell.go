package feed

import (
	"sync"
	"sync/atomic"
)

// bell tells everybody who listens that there is something to look at. It is a level: listen, then look, then wait. Ringing costs one load while nobody
// listens.
type bell struct {
	armed atomic.Bool
	mu    sync.Mutex
	c     chan struct{}
}

// listen returns what is closed by the next ring.
func (b *bell) listen() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c == nil {
		b.c = make(chan struct{})
		b.armed.Store(true)
	}
	return b.c
}

func (b *bell) ring() {
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
