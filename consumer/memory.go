package consumer

import (
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// history is what a handle keeps from one of its runs to the next: which partitions its subscription
// began with, and where each partition goes on that nobody has committed an offset of.
type history struct {
	mu     sync.Mutex
	topics map[string]knownTopic
	places map[TopicPartition]savedPlace
}

// knownTopic is a topic as the subscription found it.
type knownTopic struct {
	id kadm.TopicID
	// partitions is how many there were: those with higher numbers are newer than the subscription.
	partitions int32
	// since is when the subscription began, where the topic was not there then; else zero.
	since time.Time
}

// savedPlace is where a partition goes on.
type savedPlace struct {
	offset    int64
	committed int64 // what the group had committed when it was read from, -1 where that was nothing
}

// missing notes that a topic is not there. What is found of it later was perhaps written from now
// on.
func (m *history) missing(topic string, since time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.topics[topic]; !ok {
		m.setTopic(topic, knownTopic{since: since, partitions: -1})
	}
}

// found notes a topic that is there, if the subscription has not found it before. One that was made
// anew is another topic.
func (m *history) found(topic string, id kadm.TopicID, partitions int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	was, known := m.topics[topic]
	if known && was.id != id && was.id != (kadm.TopicID{}) {
		for p := range m.places {
			if p.Topic == topic {
				delete(m.places, p)
			}
		}
		was, known = knownTopic{}, false
	}
	if !known || was.partitions < 0 {
		m.setTopic(topic, knownTopic{id: id, partitions: partitions, since: was.since})
	}
}

// setTopic is for those who hold the lock.
func (m *history) setTopic(topic string, t knownTopic) {
	if m.topics == nil {
		m.topics = map[string]knownTopic{}
	}
	m.topics[topic] = t
}

// topic returns what is known of one.
func (m *history) topic(name string) knownTopic {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.topics[name]
}

// save remembers where a partition goes on.
func (m *history) save(p TopicPartition, at savedPlace) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.places == nil {
		m.places = map[TopicPartition]savedPlace{}
	}
	m.places[p] = at
}

// forget forgets where a partition goes on: the group says so.
func (m *history) forget(p TopicPartition) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.places, p)
}

// place returns where a partition goes on; false where nothing of it was read.
func (m *history) place(p TopicPartition) (savedPlace, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.places[p]
	return at, ok
}
