package settings

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
)

// ProducerOption is what [NewProducer] takes. The options of this package are
// the only ones.
type ProducerOption interface {
	applyProducer(*producerConfig)
}

// ConsumerOption is the same for the settings of a consumer.
type ConsumerOption interface {
	applyConsumer(*consumerConfig)
}

// Option is an option that fits a producer and a consumer: where the brokers
// are and how to talk to them.
type Option interface {
	ProducerOption
	ConsumerOption
}

// clientOption sets what producers and consumers have in common.
type clientOption func(*clientConfig)

func (o clientOption) applyProducer(c *producerConfig) { o(&c.clientConfig) }
func (o clientOption) applyConsumer(c *consumerConfig) { o(&c.clientConfig) }

type producerOption func(*producerConfig)

func (o producerOption) applyProducer(c *producerConfig) { o(c) }

// Bootstrap sets the brokers to ask first, each as host:port (the port is not
// optional, an IPv6 address stands in brackets). An argument may hold several,
// separated by commas, as the Java property does. At least one is needed; there
// is no default. The brokers they name are then found by the client itself.
//
// Java: bootstrap.servers.
func Bootstrap(addrs ...string) Option {
	var list []string
	for _, a := range addrs {
		for one := range strings.SplitSeq(a, ",") {
			list = append(list, strings.TrimSpace(one))
		}
	}
	return clientOption(func(c *clientConfig) {
		c.given("Bootstrap", "bootstrap.servers", redactAddrs(list))
		c.bootstrap = list
	})
}

// ClientID sets the name that brokers show in their logs, metrics and quotas.
// At most 256 bytes; the default is "vicuna".
//
// Java: client.id.
func ClientID(id string) Option {
	return clientOption(func(c *clientConfig) {
		c.given("ClientID", "client.id", quote(id))
		c.clientID = id
	})
}

// DialFunc opens a connection. It has the form of [net.Dialer.DialContext].
type DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// Dialer sets how connections are opened; the default is a [net.Dialer] with a
// time-out of 10 seconds. Together with [TLS], the connection it returns is the
// plain one and TLS is spoken over it. It is called from several goroutines.
func Dialer(dial DialFunc) Option {
	return clientOption(func(c *clientConfig) {
		c.given("Dialer", "", c.unique("a function"))
		if dial == nil {
			c.problem("Dialer", "", "", "is nil; leave it out for the default")
			return
		}
		c.dialer = dial
	})
}

// TLS makes the client speak TLS with cfg, of which a copy is taken. Where
// ServerName is empty, the name in the broker's address is verified. The default
// is no TLS.
//
// Java: security.protocol=SSL or SASL_SSL, and ssl.*.
func TLS(cfg *tls.Config) Option {
	return clientOption(func(c *clientConfig) {
		c.given("TLS", "security.protocol", fmt.Sprintf("a configuration (%p)", cfg))
		if cfg == nil {
			c.problem("TLS", "security.protocol", "", "is nil; &tls.Config{} verifies with the system's certificates")
			return
		}
		c.tls = cfg.Clone()
	})
}

// SASL sets the mechanisms to log in with, in the order in which they are
// offered; the first that the broker knows is used. The default is no login.
// PLAIN without [TLS] is possible and gives a warning, since the password then
// crosses the network as it is.
//
// Java: sasl.mechanism and sasl.jaas.config.
func SASL(mechanisms ...sasl.Mechanism) Option {
	mechanisms = slices.Clone(mechanisms)
	return clientOption(func(c *clientConfig) {
		c.given("SASL", "sasl.mechanism", c.unique("credentials"))
		if len(mechanisms) == 0 {
			c.problem("SASL", "sasl.mechanism", "", "has no mechanism; leave it out for no login")
			return
		}
		for i, m := range mechanisms {
			if m == nil {
				c.problem("SASL", "sasl.mechanism", "", fmt.Sprintf("mechanism %d of %d is nil", i+1, len(mechanisms)))
				return
			}
		}
		c.sasl = mechanisms
	})
}

// Logger sets where warnings go: brokers that cannot be reached, what the client
// warns of, settings that are allowed and doubtful. The default is
// [slog.Default], looked up when a client is made.
func Logger(l *slog.Logger) Option {
	return clientOption(func(c *clientConfig) {
		c.given("Logger", "", fmt.Sprintf("a logger (%p)", l))
		if l == nil {
			c.problem("Logger", "", "", "is nil; slog.New(slog.DiscardHandler) is silent")
			return
		}
		c.logger = l
	})
}

// ClientOptions hands options to the client as they are, for what this package
// has no option for: hooks, retries, back-off, rack, codecs of your own. They
// are applied before the library's, so they cannot undo what it depends on; one
// that sets such a thing to another value than its default is refused by name
// when the settings are made.
//
// Options of several calls add up. With no arguments it changes nothing.
func ClientOptions(opts ...kgo.Opt) Option {
	opts = slices.Clone(opts)
	return clientOption(func(c *clientConfig) {
		for i, o := range opts {
			if o == nil {
				c.problem("ClientOptions", "", "", fmt.Sprintf("option %d of %d is nil", i+1, len(opts)))
				continue
			}
			c.raw = append(c.raw, o)
		}
	})
}
