package grouptest

import (
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/testlog"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
)

// World is a broker with a topic, the group that reads it, and all that was seen of both.
//
// Its methods are safe for concurrent use; those that can fail the test belong on the test's
// goroutine, and so do those that wait.
type World struct {
	*kafkatest.Broker // written by newWorld

	// Topic is what members read.
	Topic string
	// Partitions is how many it has, numbered from 0.
	Partitions int
	// Group is the group of all members.
	Group string
	// Journal is what the broker saw of topic and group.
	Journal *Journal
	// Log is what members and producers have logged. A failed test shows the end of it.
	Log *testlog.Log
	// Handle are options of each handle that is made from now on. It is the test goroutine's.
	Handle []consumer.Option

	// Written by newWorld, but for members.
	t       testing.TB
	cfg     config
	members []*Member // the test goroutine's

	mu   sync.Mutex
	sent map[int32]int64 // the number of the next record of each partition
}

// Option is an option of [Run].
type Option func(*config)

type config struct {
	heartbeats time.Duration
	fetchWait  time.Duration // 0: the client's own
	session    time.Duration // of KIP-848, where the broker says it; 0: Kafka's own
	patience   time.Duration
	durable    bool
	broker     []kafkatest.Option
	members    []settings.ConsumerOption
}

// Calm is for tests in which minutes pass, or that look at how the client fetches: heartbeats are
// four in a second and not ten, as each costs more than the time between two (in real time they are
// twenty, since a rebalance is heard of in one, and waited for), fetches wait at the broker for as
// long as they do by default, dead members are noticed as late as by default, and [World.Until] has
// five minutes.
func Calm() Option {
	return func(c *config) {
		c.heartbeats, c.fetchWait, c.session, c.patience = calmHeartbeats, 0, 0, 5*time.Minute
	}
}

// Heartbeats sets how often members speak with their group, in all protocols. Default 100 ms.
func Heartbeats(every time.Duration) Option { return func(c *config) { c.heartbeats = every } }

// Session sets after how long a silent member is put out, in all protocols. Default: Kafka's own 45
// seconds in the classic ones, 2 seconds in KIP-848's.
func Session(d time.Duration) Option {
	return func(c *config) {
		c.session = d
		c.members = append(c.members, settings.SessionTimeout(d))
	}
}

// Patience sets how long [World.Until] waits. Default: a minute.
func Patience(d time.Duration) Option { return func(c *config) { c.patience = d } }

// Durable keeps the broker's data in files, for tests that restart it: those are written and
// synchronised in real time, which most tests would spend half of theirs on.
func Durable() Option { return func(c *config) { c.durable = true } }

// Broker gives options to the broker.
func Broker(opts ...kafkatest.Option) Option {
	return func(c *config) { c.broker = append(c.broker, opts...) }
}

// Members gives settings to all members.
func Members(opts ...settings.ConsumerOption) Option {
	return func(c *config) { c.members = append(c.members, opts...) }
}

// Run runs a test in a world whose topic has so many partitions; with 0 there is none yet. The
// world is in a bubble, where time costs nothing, if the build has the tag synctests, and on TCP if
// not.
func Run(t *testing.T, partitions int, fn func(t *testing.T, w *World), opts ...Option) {
	t.Helper()
	cfg := config{heartbeats: 100 * time.Millisecond, fetchWait: 50 * time.Millisecond, session: 2 * time.Second, patience: time.Minute}
	for _, opt := range opts {
		opt(&cfg)
	}
	var broker []kafkatest.Option
	if !cfg.durable {
		broker = append(broker, kafkatest.InMemory())
	}
	own := map[string]string{"group.consumer.heartbeat.interval.ms": millis(cfg.heartbeats)}
	if cfg.session > 0 {
		own["group.consumer.session.timeout.ms"] = millis(cfg.session)
	}
	broker = append(append(broker, kafkatest.BrokerConfig(own)), cfg.broker...)
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		t.Helper()
		fn(t, newWorld(t, k, cfg, "in", "readers", partitions))
	}, broker...)
}

// Calmly is [Run] in a world that is [Calm].
func Calmly(t *testing.T, partitions int, fn func(t *testing.T, w *World), opts ...Option) {
	t.Helper()
	Run(t, partitions, fn, append([]Option{Calm()}, opts...)...)
}

// OnBroker runs a test that needs no more of a world than its broker, which keeps its data in
// memory: in a bubble where the build has the tag, on TCP where not.
func OnBroker(t *testing.T, fn func(t *testing.T, k *kafkatest.Broker), opts ...kafkatest.Option) {
	t.Helper()
	onBroker(t, fn, append([]kafkatest.Option{kafkatest.InMemory()}, opts...)...)
}

// shownLines is how much of the log a failed test shows.
const shownLines = 200

func newWorld(t testing.TB, k *kafkatest.Broker, cfg config, topic, group string, partitions int) *World {
	t.Helper()
	w := &World{
		Broker: k, Topic: topic, Partitions: partitions, Group: group, Log: &testlog.Log{}, Journal: newJournal(topic, group),
		t: t, cfg: cfg, sent: map[int32]int64{},
	}
	if partitions > 0 {
		k.CreateTopic(t, topic, partitions)
	}
	w.Journal.keep(k)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the log of group %s:\n%s", group, w.Log.Tail(shownLines))
		}
	})
	return w
}

// Beside returns a world on the same broker with a topic and a group of its own.
func (w *World) Beside(topic, group string, partitions int) *World {
	w.t.Helper()
	return newWorld(w.t, w.Broker, w.cfg, topic, group, partitions)
}

// Restart restarts the broker, which has to be [Durable], and goes on with the journal.
func (w *World) Restart() {
	w.t.Helper()
	w.Broker.Restart(w.t)
	w.Journal.keep(w.Broker)
}

// Sent returns how many records were written to each partition.
func (w *World) Sent() map[int32]int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.sent)
}
