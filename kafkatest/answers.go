package kafkatest

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Answer is what a broker answers to a request, as it is about to be sent.
type Answer struct {
	Node     int32
	Request  kmsg.Request
	Response kmsg.Response
}

// watch is what OnAnswer was given.
type watch struct {
	keys []kmsg.Key
	see  func(Answer) bool
}

// OnAnswer calls see with each answer to a request of one of these kinds, such as
// kmsg.EndTxn, until stop is called; without kinds, to all. What the request asks
// for has been done by then, or refused. Where see returns false the answer is lost:
// the connection is cut instead, as when a broker dies, or its network fails, just
// after the work was done. That is the fault for an outcome that a client cannot
// know; [Broker.Fault] is the one for an outcome that it is told.
//
// see is called on the goroutine that serves the connection, of several connections
// at the same time, and no answer goes out on it meanwhile; what it is given belongs
// to it. Of several watches an answer is lost where one of them says so, and each is
// called. They last across restarts, and end with the test. A request that was read
// before OnAnswer was called is not seen.
func (k *Broker) OnAnswer(see func(Answer) bool, keys ...kmsg.Key) (stop func()) {
	w := &watch{keys: keys, see: see}
	n := k.network
	n.mu.Lock()
	n.watches = append(n.watches, w)
	n.mu.Unlock()
	return sync.OnceFunc(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.watches = slices.DeleteFunc(n.watches, func(o *watch) bool { return o == w })
	})
}

func (w *watch) wants(key kmsg.Key) bool { return len(w.keys) == 0 || slices.Contains(w.keys, key) }

// follows reports whether somebody may want to know the answers to a kind of request.
func (n *network) follows(key kmsg.Key) bool {
	if key == kmsg.Produce {
		return true // for a hold that comes before the answer
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.ContainsFunc(n.watches, func(w *watch) bool { return w.wants(key) })
}

// tell shows an answer to who wants it; false: it is lost.
func (n *network) tell(node int32, request, answer []byte) bool {
	key := kmsg.Key(binary.BigEndian.Uint16(request))
	n.mu.Lock()
	watches := slices.Clone(n.watches)
	n.mu.Unlock()
	watches = slices.DeleteFunc(watches, func(w *watch) bool { return !w.wants(key) })
	if len(watches) == 0 {
		return true // most: a produce request is not parsed for nobody
	}
	req, ok := parseRequest(request)
	if !ok {
		return true // kfake has not understood it either
	}
	kept := true
	for _, w := range watches {
		if resp, ok := parseResponse(req, answer); ok && !w.see(Answer{Node: node, Request: req, Response: resp}) {
			kept = false
		}
	}
	return kept
}

// parseResponse reads the answer to a request from its frame, size and header included.
func parseResponse(req kmsg.Request, frame []byte) (kmsg.Response, bool) {
	reader := kbin.Reader{Src: slices.Clone(frame)}
	reader.Int32() // size
	reader.Int32() // correlation id
	resp := req.ResponseKind()
	if resp.IsFlexible() && kmsg.Key(req.Key()) != kmsg.ApiVersions {
		kmsg.SkipTags(&reader)
	}
	return resp, reader.Ok() && resp.ReadFrom(reader.Src) == nil
}
