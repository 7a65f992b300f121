package kafkatest

import (
	"encoding/binary"
	"slices"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// hold withholds the answers to produce requests until it is released.
type hold struct {
	topics   map[string]bool   // none: all
	ids      map[[16]byte]bool // the same topics; newer clients name only these
	released chan struct{}
}

// HoldAcks withholds acknowledgements: no produce request with records for one of
// these topics is answered until release is called; without topics, none at all.
// Holds add up, last across restarts, and end with the test. Releasing twice is
// harmless.
//
// The records of a withheld answer have been appended: consumers see them, and a
// client that gives up and sends them again has its duplicates taken out by the
// broker if it is idempotent. As on a Kafka broker, a connection's requests are
// handled one after the other: what the same client sends to the same broker
// behind a withheld answer waits on its produce connection, other topics
// included, and is not appended. All other requests, metadata and fetches and
// other clients, are answered as ever.
//
// The client under test gives up on an answer after its request timeouts (20 s
// with kgo's defaults), cuts the connection, and sends again; that is withheld as
// well. An answer that is on its way already when HoldAcks is called may arrive.
//
// Fails the test where a topic does not exist, as it would never match.
func (k *Broker) HoldAcks(topics ...string) (release func()) {
	k.t.Helper()
	h := &hold{released: make(chan struct{})}
	if len(topics) > 0 {
		h.topics, h.ids = make(map[string]bool), make(map[[16]byte]bool)
		cluster := k.Cluster()
		for _, topic := range topics {
			info := cluster.TopicInfo(topic)
			if info == nil {
				k.t.Fatalf("kafkatest: HoldAcks: there is no topic %q; create it first", topic)
			}
			h.topics[topic], h.ids[info.TopicID] = true, true
		}
	}
	n := k.network
	n.mu.Lock()
	n.holds = append(n.holds, h)
	n.mu.Unlock()
	return sync.OnceFunc(func() {
		n.mu.Lock()
		n.holds = slices.DeleteFunc(n.holds, func(o *hold) bool { return o == h })
		n.mu.Unlock()
		close(h.released)
	})
}

// Held returns how many answers are being withheld right now: at most one for
// each produce connection, of which a client has one to each broker.
func (k *Broker) Held() int {
	k.network.mu.Lock()
	defer k.network.mu.Unlock()
	return k.network.held
}

// AwaitHeld waits until at least n answers are being withheld (see
// [Broker.Held]). In a bubble synctest.Wait tells more: that nothing else goes on
// either.
func (k *Broker) AwaitHeld(t testing.TB, n int) {
	t.Helper()
	ctx, cancel := k.bounded(t)
	defer cancel()
	for {
		k.network.mu.Lock()
		held, changed := k.network.held, k.network.changed
		k.network.mu.Unlock()
		if held >= n {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("kafkatest: %d answers are withheld after %v, not %d", held, k.cfg.patience, n)
		}
	}
}

// await waits until nothing holds the answer to this produce request. False: the
// connection is closed.
func (n *network) await(frame []byte, closed <-chan struct{}) bool {
	for {
		h := n.holding(frame)
		if h == nil {
			return true
		}
		n.countHeld(1)
		select {
		case <-h.released:
			n.countHeld(-1)
		case <-closed:
			n.countHeld(-1)
			return false
		}
	}
}

func (n *network) holding(frame []byte) *hold {
	n.mu.Lock()
	holds := slices.Clone(n.holds)
	n.mu.Unlock()
	for _, h := range holds {
		if h.matches(frame) {
			return h
		}
	}
	return nil
}

func (n *network) countHeld(by int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.held += by
	close(n.changed)
	n.changed = make(chan struct{})
}

func (h *hold) matches(frame []byte) bool {
	if kmsg.Key(binary.BigEndian.Uint16(frame)) != kmsg.Produce {
		return false
	}
	if h.topics == nil {
		return true
	}
	parsed, _ := parseRequest(frame)
	req, ok := parsed.(*kmsg.ProduceRequest)
	if !ok {
		return false // kfake has not understood it either
	}
	for _, t := range req.Topics {
		if h.topics[t.Topic] || h.ids[t.TopicID] {
			return true
		}
	}
	return false
}
