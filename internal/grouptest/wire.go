package grouptest

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/vicuna-go/vicuna/settings"
)

// Wire is the way from one client to the broker, which can be cut.
type Wire struct {
	dial settings.DialFunc // written by World.Wire

	mu    sync.Mutex
	conns []net.Conn
	cut   bool
}

var errCut = errors.New("the wire is cut")

// Wire makes one.
func (w *World) Wire() *Wire {
	dial := w.Producer().Dialer()
	if dial == nil { // on TCP
		dial = new(net.Dialer).DialContext
	}
	return &Wire{dial: dial}
}

// Option is the wire as a setting: of the world's dialer, the later one counts.
func (c *Wire) Option() settings.Option { return settings.Dialer(c.Dial) }

// Dial makes a connection through it.
func (c *Wire) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c.mu.Lock()
	cut := c.cut
	c.mu.Unlock()
	if cut {
		return nil, errCut
	}
	conn, err := c.dial(ctx, network, addr)
	if err == nil {
		c.mu.Lock()
		c.conns = append(c.conns, conn)
		c.mu.Unlock()
	}
	return conn, err
}

// Cut ends all connections, and lets no others be made.
func (c *Wire) Cut() {
	c.mu.Lock()
	c.cut = true
	conns := c.conns
	c.conns = nil
	c.mu.Unlock()
	for _, conn := range conns {
		_ = conn.Close()
	}
}

// Mend lets connections be made again.
func (c *Wire) Mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = false
}
