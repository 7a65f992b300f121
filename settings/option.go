package settings

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
)

// ProducerOption is what [NewProducer] takes. The options of this package are
// the only ones.
type ProducerOption interface {
	applyProducer(*producerConfig)
}

// ConsumerOption is what [NewConsumer] takes.
type ConsumerOption interface {
	applyConsumer(*consumerConfig)
}

// Option is an option that fits a producer and a consumer: where the brokers
// are and how to talk to them.
type Option interface {
	ProducerOption
	ConsumerOption
}

// InstanceOption is an option that fits a consumer and transactions: which of a
// service's instances this is.
type InstanceOption interface {
	ConsumerOption
	TransactionOption
}

// clientOption sets what producers and consumers have in common.
type clientOption func(*clientConfig)

func (o clientOption) applyProducer(c *producerConfig) { o(&c.clientConfig) }
func (o clientOption) applyConsumer(c *consumerConfig) { o(&c.clientConfig) }

type producerOption func(*producerConfig)

func (o producerOption) applyProducer(c *producerConfig) { o(c) }

type consumerOption func(*consumerConfig)

func (o consumerOption) applyConsumer(c *consumerConfig) { o(c) }

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

// RequestTimeout sets how long a broker may take over one request before it is
// tried again: a producer's produce request; of a consumer any request, on top of
// what that lets the broker wait ([FetchMaxWait], a rebalance). The default is 10
// seconds. At least 100 ms; of a consumer at most 15 minutes.
//
// Java: request.timeout.ms (30 s there).
func RequestTimeout(d time.Duration) Option {
	return clientOption(func(c *clientConfig) {
		c.given("RequestTimeout", "request.timeout.ms", d.String())
		c.requestTimeout = d
	})
}

// CloseTimeout sets how long the end may take: of a stream that produces, or of a
// producer that is closed, to wait for the outcomes of what is still in flight, of
// which what has none by then is reported as unknown; of a consumer to commit for
// the last time, and as long again to leave its group, which is given 2 seconds at
// most. The default is 10 seconds. A stream also has a close time-out of its run, 5
// seconds by default (stream.CloseTimeout): the shorter one counts.
func CloseTimeout(d time.Duration) Option {
	return clientOption(func(c *clientConfig) {
		c.given("CloseTimeout", "", d.String())
		c.closeTimeout = d
	})
}

// Factory makes a client from the options it is given; see [ClientFactory].
type Factory = func(opts ...kgo.Opt) (*kgo.Client, error)

// ClientFactory sets who makes the client: f gets all options that these
// settings stand for, and must use them; it may add to them, wrap connections,
// register the client somewhere. What it returns is checked, and it is closed
// together with the stream, producer or consumer it was made for. The default is
// [kgo.NewClient].
func ClientFactory(f Factory) Option {
	return clientOption(func(c *clientConfig) {
		c.given("ClientFactory", "", c.unique("a function"))
		if f == nil {
			c.problem("ClientFactory", "", "", "is nil; leave it out for the default")
			return
		}
		c.factory = f
	})
}
