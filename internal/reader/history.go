package reader

import (
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/vicuna-go/vicuna/internal/topics"
)

// History is what a handle keeps from one of its runs to the next: which partitions its
// subscription began with, and where each partition goes on that nobody has committed an offset of.
type History struct {
	mu        sync.Mutex
	topics    map[string]knownTopic
	positions map[topics.Partition]lastPosition
}

// knownTopic is a topic as the subscription found it.
type knownTopic struct {
	id kadm.TopicID
	// partitions is how many there were: those with higher numbers are newer than the subscription.
	partitions int32
	// since is when the subscription began, where the topic was not there then; else zero.
	since time.Time
}

// lastPosition is where a partition goes on.
type lastPosition struct {
	offset  int64
	ofGroup int64 // what the group had committed when it was read from, -1 where that was nothing
}

// missing notes that a topic is not there. What is found of it later was perhaps written from now
// on.
func (h *History) missing(topic string, since time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.topics[topic]; !ok {
		h.setTopic(topic, knownTopic{since: since, partitions: -1})
	}
}

// found notes a topic that is there, if the subscription has not found it before. One that was made
// anew is another topic.
func (h *History) found(topic string, id kadm.TopicID, partitions int32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	was, known := h.topics[topic]
	if known && was.id != id && was.id != (kadm.TopicID{}) {
		for p := range h.positions {
			if p.Topic == topic {
				delete(h.positions, p)
			}
		}
		was, known = knownTopic{}, false
	}
	if !known || was.partitions < 0 {
		h.setTopic(topic, knownTopic{id: id, partitions: partitions, since: was.since})
	}
}

// setTopic is for those who hold the lock.
func (h *History) setTopic(topic string, t knownTopic) {
	if h.topics == nil {
		h.topics = map[string]knownTopic{}
	}
	h.topics[topic] = t
}

// topic returns what is known of one.
func (h *History) topic(name string) knownTopic {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.topics[name]
}

// save remembers where a partition goes on.
func (h *History) save(p topics.Partition, at lastPosition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.positions == nil {
		h.positions = map[topics.Partition]lastPosition{}
	}
	h.positions[p] = at
}

// forget forgets where a partition goes on: the group says so.
func (h *History) forget(p topics.Partition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.positions, p)
}

// last returns where a partition goes on; false where nothing of it was read.
func (h *History) last(p topics.Partition) (lastPosition, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, ok := h.positions[p]
	return at, ok
}
