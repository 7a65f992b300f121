package kafkatest

import (
	"crypto/tls"
	"net"
	"slices"
	"sync"
	"time"
)

// network stands between kfake and its clients, on TCP and in memory alike. It
// sees every listener and every connection, which is what a crash, a refused
// connection and a withheld answer need; kfake itself only closes listeners.
//
// Locking: mu guards all fields below it and those of listener. It is never held
// across anything that waits, because a wait for a sync.Mutex stops a bubble's
// clock.
type network struct {
	// Fixed when it is made.
	listen func(network, address string) (net.Listener, error)
	tls    *tls.Config

	mu        sync.Mutex
	stopped   bool
	listeners []*listener // by node id, as kfake asks for them
	conns     map[*conn]struct{}
	holds     []*hold
	watches   []*watch
	held      int           // answers being withheld
	changed   chan struct{} // closed and replaced when held changes
	delay     time.Duration
}

func newNetwork(listen func(network, address string) (net.Listener, error), cfg *tls.Config) *network {
	return &network{
		listen:  listen,
		tls:     cfg,
		conns:   make(map[*conn]struct{}),
		changed: make(chan struct{}),
	}
}

// Listen is what kfake calls for each broker.
func (n *network) Listen(network, address string) (net.Listener, error) {
	inner, err := n.listen(network, address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	l := &listener{
		network: n,
		node:    int32(len(n.listeners)),
		addr:    inner.Addr(),
		proto:   network,
		inner:   inner,
		closed:  make(chan struct{}),
	}
	n.listeners = append(n.listeners, l)
	return l, nil
}

// up forgets the listeners of a cluster that is gone.
func (n *network) up() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stopped, n.listeners = false, nil
}

// down closes all listeners and cuts all connections.
func (n *network) down() {
	n.mu.Lock()
	n.stopped = true
	listeners := slices.Clone(n.listeners)
	n.mu.Unlock()
	for _, l := range listeners {
		_ = l.Close()
	}
	n.cut(nil)
}

// cut closes the connections of these nodes, of all where there are none.
func (n *network) cut(nodes []int32) {
	var cut []*conn
	n.mu.Lock()
	for c := range n.conns {
		if selected(nodes, c.node) {
			cut = append(cut, c)
		}
	}
	n.mu.Unlock()
	for _, c := range cut {
		_ = c.Close()
	}
}

// refuse closes the sockets of these nodes and cuts their connections, without
// kfake's knowledge. The function that it returns opens them again.
func (n *network) refuse(nodes []int32) (allow func() error) {
	var inner []net.Listener
	var refusing []*listener
	n.mu.Lock()
	for _, l := range n.listeners {
		if selected(nodes, l.node) && l.inner != nil {
			inner = append(inner, l.inner)
			refusing = append(refusing, l)
			l.inner, l.open = nil, make(chan struct{})
		}
	}
	n.mu.Unlock()
	for _, in := range inner {
		_ = in.Close()
	}
	n.cut(nodes)
	return sync.OnceValue(func() error {
		for _, l := range refusing {
			if err := l.reopen(); err != nil {
				return err
			}
		}
		return nil
	})
}

func selected(nodes []int32, node int32) bool {
	return len(nodes) == 0 || slices.Contains(nodes, node)
}

// listener is one broker's. Its socket can be closed and opened again beneath
// kfake, which would give up listening at the first error of Accept.
type listener struct {
	network *network
	node    int32
	addr    net.Addr
	proto   string
	closed  chan struct{}

	// Guarded by network.mu.
	inner net.Listener  // nil while connections are refused
	open  chan struct{} // closed when they are taken again
	done  bool
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		l.network.mu.Lock()
		inner, open := l.inner, l.open
		l.network.mu.Unlock()
		if inner == nil {
			select {
			case <-open:
				continue
			case <-l.closed:
				return nil, net.ErrClosed
			}
		}
		raw, err := inner.Accept()
		if err == nil {
			return newConn(l, raw), nil
		}
		l.network.mu.Lock()
		refused := l.inner != inner && !l.done
		l.network.mu.Unlock()
		if !refused {
			return nil, err
		}
	}
}

func (l *listener) reopen() error {
	l.network.mu.Lock()
	done := l.done
	l.network.mu.Unlock()
	if done {
		return nil // killed meanwhile; after a restart the port is another listener's
	}
	inner, err := l.network.listen(l.proto, l.addr.String())
	if err != nil {
		return err
	}
	l.network.mu.Lock()
	defer l.network.mu.Unlock()
	if l.done {
		return inner.Close()
	}
	l.inner = inner
	close(l.open)
	return nil
}

func (l *listener) Close() error {
	l.network.mu.Lock()
	defer l.network.mu.Unlock()
	if l.done {
		return nil
	}
	l.done = true
	close(l.closed)
	if l.inner == nil {
		return nil
	}
	return l.inner.Close()
}

func (l *listener) Addr() net.Addr { return l.addr }
