package settings

import (
	"crypto/tls"
	"log/slog"
	"reflect"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"

	"github.com/vicuna-go/vicuna/serde"
)

// Producer is how records with keys of type K and values of type V are produced:
// two serdes and a [ProducerConfig], whose methods are its own too. It is an
// immutable value, to be copied and shared freely between goroutines. The zero
// value is not usable, and its Err says so.
type Producer[K, V any] struct {
	ProducerConfig

	key   serde.Serde[K]
	value serde.Serde[V]
}

// NewProducer makes the settings of a producer. It never fails: all that is
// wrong is found here and told by Err, which everything that takes a Producer
// asks first. The one option without a default is [Bootstrap].
//
// Java: key and value stand for key.serializer and value.serializer.
func NewProducer[K, V any](key serde.Serde[K], value serde.Serde[V], opts ...ProducerOption) Producer[K, V] {
	c := newProducerConfig().apply(opts)
	if isNil(key) {
		c.problem("key serde", "key.serializer", "", "is nil; serde.None() is for records without keys")
	}
	if isNil(value) {
		c.problem("value serde", "value.serializer", "", "is nil; serde.None() is for records without values")
	}
	c.validate()
	return Producer[K, V]{ProducerConfig: configOf(c), key: key, value: value}
}

// With returns a copy with opts applied on top, checked anew as a whole. An
// option given here replaces the earlier value; [ClientOptions] adds to the
// earlier ones.
func (p Producer[K, V]) With(opts ...ProducerOption) Producer[K, V] {
	if p.get == nil {
		return p
	}
	c := p.get().apply(opts)
	c.validate()
	p.ProducerConfig = configOf(c)
	return p
}

// KeySerde returns the serde for keys.
func (p Producer[K, V]) KeySerde() serde.Serde[K] { return p.key }

// ValueSerde returns the serde for values.
func (p Producer[K, V]) ValueSerde() serde.Serde[V] { return p.value }

// ProducerConfig is a Producer without its types: read-only, for what does not
// look at keys and values. Its methods are safe for concurrent use and return
// copies where the caller could change something.
type ProducerConfig struct {
	// A function, not the struct or a pointer to it: in somebody's unexported
	// field our String is not asked, and fmt then prints fields, and with a
	// verb that does not fit follows pointers too. Of a function it shows the
	// address.
	get func() *producerConfig
}

// unmade is what the zero value's methods read.
func unmade() *producerConfig {
	c := newProducerConfig()
	c.err = &Problem{Setting: "Producer", Reason: "is a zero value; make it with NewProducer"}
	return c
}

func (p ProducerConfig) config() *producerConfig {
	if p.get == nil {
		return unmade()
	}
	return p.get()
}

func configOf(c *producerConfig) ProducerConfig {
	return ProducerConfig{get: func() *producerConfig { return c }}
}

// Err returns nil, or all problems of the settings joined, each a [*Problem].
func (p ProducerConfig) Err() error { return p.config().err }

// Given returns whether the option with that name, such as "Linger", was given: an
// Element with a client of its own lingers only where it was, and on a shared
// client only what was given can contradict what the client is set to.
func (p ProducerConfig) Given(option string) bool {
	_, given := p.config().chosen[option]
	return given
}

// Warnings returns what is allowed but doubtful, one sentence each. They are
// logged whenever a client is made from the settings.
func (p ProducerConfig) Warnings() []string { return slices.Clone(p.config().warnings) }

// Bootstrap returns the addresses given with the option of that name.
func (p ProducerConfig) Bootstrap() []string { return slices.Clone(p.config().bootstrap) }

// ClientID returns the name that brokers see.
func (p ProducerConfig) ClientID() string { return p.config().clientID }

// Dialer returns the dial function that was given, else nil.
func (p ProducerConfig) Dialer() DialFunc { return p.config().dialer }

// DialTimeout returns how long opening a connection may take: 10 seconds, or what
// kgo.DialTimeout among the ClientOptions says.
func (p ProducerConfig) DialTimeout() time.Duration { return p.config().dialTimeout }

// TLS returns a copy of the TLS configuration, nil where there is none.
func (p ProducerConfig) TLS() *tls.Config { return p.config().tls.Clone() }

// SASL returns the mechanisms to log in with.
func (p ProducerConfig) SASL() []sasl.Mechanism { return slices.Clone(p.config().sasl) }

// Logger returns the logger that was given, else [slog.Default].
func (p ProducerConfig) Logger() *slog.Logger {
	if l := p.config().logger; l != nil {
		return l
	}
	return slog.Default()
}

// ClientOptions returns the options to be handed to the client as they are.
func (p ProducerConfig) ClientOptions() []kgo.Opt { return slices.Clone(p.config().raw) }

// Acks returns who must have a record before it is acknowledged.
func (p ProducerConfig) Acks() AckLevel { return p.config().acks }

// Idempotent returns whether idempotence is on: as given, else where acks are
// AcksAll.
func (p ProducerConfig) Idempotent() bool { return p.config().idempotent() }

// Compression returns the codecs, best liked first.
func (p ProducerConfig) Compression() []kgo.CompressionCodec {
	return slices.Clone(p.config().compression)
}

// Linger returns how long batches wait for more records.
func (p ProducerConfig) Linger() time.Duration { return p.config().linger }

// BatchBytes returns the largest batch, in bytes before compression.
func (p ProducerConfig) BatchBytes() int { return p.config().batchBytes }

// Window returns how many records and bytes may be in flight.
func (p ProducerConfig) Window() (records, bytes int) {
	c := p.config()
	return c.windowRecords, c.windowBytes
}

// CloseTimeout returns how long outcomes are waited for at the end.
func (p ProducerConfig) CloseTimeout() time.Duration { return p.config().closeTimeout }

// DeliveryTimeout returns how long a record may take to its outcome.
func (p ProducerConfig) DeliveryTimeout() time.Duration { return p.config().delivery() }

// RequestTimeout returns how long a broker may take over a produce request.
func (p ProducerConfig) RequestTimeout() time.Duration { return p.config().requestTimeout }

// Partitioner returns who chooses a record's partition: the one that was given,
// or the default, behind [ExplicitFirst].
func (p ProducerConfig) Partitioner() kgo.Partitioner { return p.config().partitioner }

// ClientFactory returns the factory that was given, else nil.
func (p ProducerConfig) ClientFactory() Factory { return p.config().factory }

// isNil also sees a nil pointer, map, function or the like inside an interface:
// its first use would be the panic that Err is there to prevent.
func isNil(v any) bool {
	if v == nil {
		return true
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Func, reflect.Slice, reflect.Chan, reflect.Interface:
		return r.IsNil()
	default:
		return false
	}
}
