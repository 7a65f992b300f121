package consumer

import (
	"sync"

	"github.com/vicuna-go/vicuna/internal/reader"
	"github.com/vicuna-go/vicuna/settings"
)

// Consumer is a handle: what to read and how, and the run there is. Its methods may be called from
// any goroutine.
type Consumer[K, V any] struct {
	// Written by New.
	cs   settings.Consumer[K, V]
	sub  Subscription
	opts options

	history reader.History // has a lock of its own

	mu  sync.Mutex
	now *reader.Session // nil: no run; under mu
}

// New makes a handle. It never fails and opens nothing: what is wrong with the settings or the
// subscription is told, all at once, when a stream of one of its sources is started.
func New[K, V any](cs settings.Consumer[K, V], sub Subscription, opts ...Option) *Consumer[K, V] {
	return &Consumer[K, V]{cs: cs, sub: sub, opts: optionsOf(opts)}
}

// claim takes the handle for a run.
func (c *Consumer[K, V]) claim(r *reader.Session) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now != nil {
		return false
	}
	c.now = r
	return true
}

func (c *Consumer[K, V]) release(r *reader.Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now == r {
		c.now = nil
	}
}

func (c *Consumer[K, V]) running() (*reader.Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now == nil {
		return nil, ErrNotRunning
	}
	return c.now, nil
}

// Pause stops the delivery of partitions, or with none of all that are assigned now and are not
// being revoked. What a stage with effects has begun is finished; nothing else of the partitions
// begins. What stages had taken ahead is given back, and read again after [Consumer.Resume]; so
// stages that count or remember elements meet those twice. It lasts until then, or until the
// partition is taken away. It may be called within the functions of the stream. Fails with
// ErrNotRunning, and with [ErrNotAssigned] for a partition that is not this consumer's; then
// nothing is paused.
func (c *Consumer[K, V]) Pause(ps ...TopicPartition) error { return c.pause(ps, true) }

// Resume is the end of a Pause; with no partitions of all. What waits in the consumer's queues goes
// to the stream at once, and more is fetched within settings.FetchMaxWait; a stage comes to it
// after what it has taken ahead of other partitions ([stream.Ahead]). Where the pause has given
// something back, reading begins with that, as soon as what had begun before it is finished.
func (c *Consumer[K, V]) Resume(ps ...TopicPartition) error { return c.pause(ps, false) }

func (c *Consumer[K, V]) pause(ps []TopicPartition, paused bool) error {
	r, err := c.running()
	if err != nil {
		return err
	}
	return r.Pause(ps, paused)
}

// Assignment lists the partitions that are assigned now, in order.
func (c *Consumer[K, V]) Assignment() ([]TopicPartition, error) {
	r, err := c.running()
	if err != nil {
		return nil, err
	}
	return r.Assignment(), nil
}

// Metrics reads the run's counters.
func (c *Consumer[K, V]) Metrics() (Metrics, error) {
	r, err := c.running()
	if err != nil {
		return Metrics{}, err
	}
	return Metrics(r.Metrics()), nil
}
