package settings

import (
	"crypto/tls"
	"log/slog"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"

	"github.com/vicuna-go/vicuna/serde"
)

// Consumer is how records with keys of type K and values of type V are consumed:
// two serdes and a [ConsumerConfig], whose methods are its own too. It is an
// immutable value, to be copied and shared freely between goroutines. The zero
// value is not usable, and its Err says so.
type Consumer[K, V any] struct {
	ConsumerConfig

	key   serde.Serde[K]
	value serde.Serde[V]
}

// NewConsumer makes the settings of a consumer. It never fails: all that is wrong
// is found here and told by Err, which everything that takes a Consumer asks first.
// The one option without a default that is always needed is [Bootstrap]; [Group] is
// needed to subscribe to topics, and to commit.
//
// Java: key and value stand for key.deserializer and value.deserializer.
func NewConsumer[K, V any](key serde.Serde[K], value serde.Serde[V], opts ...ConsumerOption) Consumer[K, V] {
	c := newConsumerConfig().apply(opts)
	if isNil(key) {
		c.problem("key serde", "key.deserializer", "", "is nil; serde.None() is for records without keys")
	}
	if isNil(value) {
		c.problem("value serde", "value.deserializer", "", "is nil; serde.None() is for records without values")
	}
	c.validate()
	return Consumer[K, V]{ConsumerConfig: consumerConfigOf(c), key: key, value: value}
}

// With returns a copy with opts applied on top, checked anew as a whole. An
// option given here replaces the earlier value; [ClientOptions] adds to the
// earlier ones.
func (s Consumer[K, V]) With(opts ...ConsumerOption) Consumer[K, V] {
	if s.get == nil {
		return s
	}
	c := s.get().apply(opts)
	c.validate()
	s.ConsumerConfig = consumerConfigOf(c)
	return s
}

// KeySerde returns the serde for keys.
func (s Consumer[K, V]) KeySerde() serde.Serde[K] { return s.key }

// ValueSerde returns the serde for values.
func (s Consumer[K, V]) ValueSerde() serde.Serde[V] { return s.value }

// ConsumerConfig is a Consumer without its types: read-only, for what does not
// look at keys and values. Its methods are safe for concurrent use and return
// copies where the caller could change something.
type ConsumerConfig struct {
	get func() *consumerConfig // a function for the reason in ProducerConfig
}

// unmadeConsumer is what the zero value's methods read.
func unmadeConsumer() *consumerConfig {
	c := newConsumerConfig()
	c.err = &Problem{Setting: "Consumer", Reason: "is a zero value; make it with NewConsumer"}
	return c
}

func (s ConsumerConfig) config() *consumerConfig {
	if s.get == nil {
		return unmadeConsumer()
	}
	return s.get()
}

func consumerConfigOf(c *consumerConfig) ConsumerConfig {
	return ConsumerConfig{get: func() *consumerConfig { return c }}
}

// Err returns nil, or all problems of the settings joined, each a [*Problem].
func (s ConsumerConfig) Err() error { return s.config().err }

// Given returns whether the option with that name, such as "StartFrom", was given.
func (s ConsumerConfig) Given(option string) bool { return s.config().has(option) }

// Warnings returns what is allowed but doubtful, one sentence each. They are
// logged whenever a client is made from the settings.
func (s ConsumerConfig) Warnings() []string { return slices.Clone(s.config().warnings) }

// Bootstrap returns the addresses given with the option of that name.
func (s ConsumerConfig) Bootstrap() []string { return slices.Clone(s.config().bootstrap) }

// ClientID returns the name that brokers see.
func (s ConsumerConfig) ClientID() string { return s.config().clientID }

// Dialer returns the dial function that was given, else nil.
func (s ConsumerConfig) Dialer() DialFunc { return s.config().dialer }

// DialTimeout returns how long opening a connection may take: 10 seconds, or what
// kgo.DialTimeout among the ClientOptions says.
func (s ConsumerConfig) DialTimeout() time.Duration { return s.config().dialTimeout }

// TLS returns a copy of the TLS configuration, nil where there is none.
func (s ConsumerConfig) TLS() *tls.Config { return s.config().tls.Clone() }

// SASL returns the mechanisms to log in with.
func (s ConsumerConfig) SASL() []sasl.Mechanism { return slices.Clone(s.config().sasl) }

// Logger returns the logger that was given, else [slog.Default].
func (s ConsumerConfig) Logger() *slog.Logger {
	if l := s.config().logger; l != nil {
		return l
	}
	return slog.Default()
}

// ClientOptions returns the options to be handed to the client as they are.
func (s ConsumerConfig) ClientOptions() []kgo.Opt { return slices.Clone(s.config().raw) }

// ClientFactory returns the factory that was given, else nil.
func (s ConsumerConfig) ClientFactory() Factory { return s.config().factory }

// RequestTimeout returns how long a broker may take over a request, on top of what
// the request lets it wait.
func (s ConsumerConfig) RequestTimeout() time.Duration { return s.config().requestTimeout }

// CloseTimeout returns how long the end may take.
func (s ConsumerConfig) CloseTimeout() time.Duration { return s.config().closeTimeout }

// Group returns the group's id, "" where there is none.
func (s ConsumerConfig) Group() string { return s.config().group }

// InstanceID returns the id of a static member, "" for a dynamic one.
func (s ConsumerConfig) InstanceID() string { return s.config().instanceID }

// Protocol returns how the group divides its partitions.
func (s ConsumerConfig) Protocol() GroupProtocol { return s.config().protocol }

// Isolation returns which records of transactions are read.
func (s ConsumerConfig) Isolation() IsolationLevel { return s.config().isolation }

// StartFrom returns where a partition without a committed offset begins.
func (s ConsumerConfig) StartFrom() StartPosition { return s.config().start }

// OutOfRange returns what happens where a position is no longer in the log.
func (s ConsumerConfig) OutOfRange() OutOfRangePolicy { return s.config().outOfRange }

// Budget returns how much may be in memory.
func (s ConsumerConfig) Budget() (bytes, records int) {
	c := s.config()
	return c.budgetBytes, c.budgetRecords
}

// RevokeTimeout returns how long a revoke waits for what is in flight.
func (s ConsumerConfig) RevokeTimeout() time.Duration { return s.config().revoke() }

// RebalanceTimeout returns how long the group waits for a member in a rebalance.
func (s ConsumerConfig) RebalanceTimeout() time.Duration { return s.config().rebalanceTimeout }

// SessionTimeout returns how long a member may be silent.
func (s ConsumerConfig) SessionTimeout() time.Duration { return s.config().sessionTimeout }

// HeartbeatInterval returns how often a member says that it lives.
func (s ConsumerConfig) HeartbeatInterval() time.Duration { return s.config().beat() }

// FetchMaxWait returns how long a broker may wait before it answers a fetch.
func (s ConsumerConfig) FetchMaxWait() time.Duration { return s.config().fetchMaxWait }

// FetchMinBytes returns how much a broker should have before it answers a fetch.
func (s ConsumerConfig) FetchMinBytes() int { return s.config().fetchMinBytes }

// FetchMaxBytes returns how much one fetch may bring to begin with, from one
// broker: an eighth of the budget's bytes, from 1 MiB to 50 MiB.
func (s ConsumerConfig) FetchMaxBytes() int { return s.config().fetchMaxBytes() }

// DecompressMaxBytes returns how large a batch may be when it is decompressed: as
// the budget's bytes, from 16 MiB to 1 GiB.
func (s ConsumerConfig) DecompressMaxBytes() int { return s.config().unpackedMaxBytes() }

// CommitTimeout returns how long a commit is tried.
func (s ConsumerConfig) CommitTimeout() time.Duration { return s.config().commitTimeout }

// HandlerWarning returns how long a rebalance handler may take before that is
// logged.
func (s ConsumerConfig) HandlerWarning() time.Duration { return s.config().handlerWarning }

// StartTimeout returns how long a run tries to begin.
func (s ConsumerConfig) StartTimeout() time.Duration { return s.config().startTimeout }

// StuckAfter returns how long a record may be undone before that is logged.
func (s ConsumerConfig) StuckAfter() time.Duration { return s.config().stuckAfter }

// TrackLimit returns how many records of a partition are kept account of.
func (s ConsumerConfig) TrackLimit() int { return s.config().trackLimit }

// Undecodable returns what happens to a record that its serdes refuse.
func (s ConsumerConfig) Undecodable() UndecodablePolicy { return s.config().undecodable }
