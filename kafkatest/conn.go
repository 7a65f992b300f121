package kafkatest

import (
	"crypto/tls"
	"encoding/binary"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// conn is the broker's side of a connection. It knows which requests wait for
// their answer, of those kinds whose answers somebody wants to know of, so that an
// answer can be withheld or lost after the work was done, and it delays answers.
//
// It relies on how kfake uses a connection, and nothing else does: a request is
// read with one io.ReadFull for its size and one for the rest, and an answer is
// one Write. The tests of HoldAcks and OnAnswer fail where that changes.
type conn struct {
	// Fixed when it is made; closed is closed once, by who closes the connection.
	net.Conn
	raw     net.Conn // beneath TLS
	network *network
	node    int32
	closed  chan struct{}
	once    sync.Once

	// Of the reading goroutine.
	frame  []byte // the buffer that the current part of a request is read into
	filled int
	body   bool // the part is a request, else its size
	size   int
	opaque bool // this is not how kfake reads: know nothing

	mu       sync.Mutex
	requests []request // unanswered, in order
}

// request is a request that was read. The body is the buffer that kfake parses it
// from, which it keeps as it is.
type request struct {
	correlation int32
	body        []byte
}

// unanswered bounds what is kept of requests that get no answer (acks=0). kfake
// reads one request ahead of the one it handles.
const unanswered = 4

func newConn(l *listener, raw net.Conn) net.Conn {
	c := &conn{Conn: raw, raw: raw, network: l.network, node: l.node, closed: make(chan struct{})}
	if l.network.tls != nil {
		c.Conn = tls.Server(raw, l.network.tls)
	}
	l.network.mu.Lock()
	l.network.conns[c] = struct{}{}
	gone := l.network.stopped || l.inner == nil // killed or refused while this one was accepted
	l.network.mu.Unlock()
	if gone {
		_ = c.Close()
	}
	return c
}

// Close cuts the connection: also beneath TLS, without a good-bye.
func (c *conn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.network.mu.Lock()
		delete(c.network.conns, c)
		c.network.mu.Unlock()
	})
	return c.raw.Close()
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if !c.opaque && n > 0 {
		c.follow(p, n)
	}
	return n, err
}

// follow keeps account of requests without copying them: it holds on to the
// buffer that a request is being read into, and looks at it when it is full.
func (c *conn) follow(p []byte, n int) {
	if c.frame == nil {
		want := 4
		if c.body {
			want = c.size
		}
		if len(p) != want {
			c.opaque = true
			return
		}
		c.frame, c.filled = p, 0
	}
	c.filled += n
	if c.filled < len(c.frame) {
		return
	}
	frame := c.frame
	c.frame = nil
	c.body = !c.body
	if c.body {
		c.size = int(binary.BigEndian.Uint32(frame))
		return
	}
	if len(frame) < 8 || !c.network.follows(kmsg.Key(binary.BigEndian.Uint16(frame))) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.requests) == unanswered {
		c.requests = append([]request(nil), c.requests[1:]...)
	}
	c.requests = append(c.requests, request{
		correlation: int32(binary.BigEndian.Uint32(frame[4:])),
		body:        frame,
	})
}

// answered returns the request that this answer is for, nil where it is of a kind
// that nobody wants to know of.
func (c *conn) answered(answer []byte) []byte {
	if len(answer) < 8 {
		return nil
	}
	correlation := int32(binary.BigEndian.Uint32(answer[4:]))
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, r := range c.requests {
		if r.correlation == correlation {
			c.requests = append([]request(nil), c.requests[i+1:]...)
			return r.body
		}
	}
	return nil
}

// Write sends an answer, when it may go.
func (c *conn) Write(p []byte) (int, error) {
	c.network.mu.Lock()
	delay := c.network.delay
	c.network.mu.Unlock()
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.closed:
			return 0, net.ErrClosed
		}
	}
	if request := c.answered(p); request != nil {
		if !c.network.tell(c.node, request, p) {
			_ = c.Close()
			return 0, net.ErrClosed
		}
		if !c.network.await(request, c.closed) {
			return 0, net.ErrClosed
		}
	}
	return c.Conn.Write(p)
}

// parseRequest reads a request from its frame, header included.
func parseRequest(frame []byte) (kmsg.Request, bool) {
	reader := kbin.Reader{Src: frame}
	req := kmsg.RequestForKey(reader.Int16())
	version := reader.Int16()
	reader.Int32() // correlation id
	reader.NullableString()
	if req == nil {
		return nil, false
	}
	req.SetVersion(version)
	if req.IsFlexible() {
		kmsg.SkipTags(&reader)
	}
	if !reader.Ok() || req.ReadFrom(reader.Src) != nil {
		return nil, false
	}
	return req, true
}
