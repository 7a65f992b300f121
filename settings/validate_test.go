package settings

import (
	"context"
	"crypto/tls"
	"errors"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/vicuna-go/vicuna/serde"
)

func dialNothing(context.Context, string, string) (net.Conn, error) { return nil, errors.New("none") }

func TestRules(t *testing.T) {
	type rule struct {
		name    string
		opts    []ProducerOption
		setting string // "": no problem
		java    string
		says    string
	}
	of := func(opts ...ProducerOption) []ProducerOption { return opts }
	for _, r := range []rule{
		{"faultless", of(), "", "", ""},
		{"bootstrap list", of(Linger(0)), "", "", ""},
		{"empty address", of(Bootstrap("")), "Bootstrap", "bootstrap.servers", "is empty"},
		{"no port", of(Bootstrap("localhost")), "Bootstrap", "bootstrap.servers", "missing port"},
		{"no host", of(Bootstrap(":9092")), "Bootstrap", "bootstrap.servers", "no host"},
		{"port in words", of(Bootstrap("a:kafka")), "Bootstrap", "bootstrap.servers", "no valid port"},
		{"port zero", of(Bootstrap("a:0")), "Bootstrap", "bootstrap.servers", "no valid port"},
		{"port too large", of(Bootstrap("a:65536")), "Bootstrap", "bootstrap.servers", "no valid port"},
		{"bare IPv6", of(Bootstrap("::1")), "Bootstrap", "bootstrap.servers", "too many colons"},
		{"IPv6", of(Bootstrap("[::1]:9092")), "", "", ""},
		{"URL", of(Bootstrap("kafka://a:9092")), "Bootstrap", "bootstrap.servers", "URL"},
		{"space within", of(Bootstrap("a b:9092")), "Bootstrap", "bootstrap.servers", "white space"},
		{"no bootstrap addresses", of(Bootstrap()), "Bootstrap", "bootstrap.servers", "is missing"},
		{"several in one argument", of(Bootstrap("a:1, b:2")), "", "", ""},

		{"empty client id", of(ClientID("")), "ClientID", "client.id", "empty"},
		{"long client id", of(ClientID(strings.Repeat("x", 257))), "ClientID", "client.id", "257 bytes"},
		{"nil dialer", of(Dialer(nil)), "Dialer", "", "nil"},
		{"nil TLS", of(TLS(nil)), "TLS", "security.protocol", "nil"},
		{"no mechanism", of(SASL()), "SASL", "sasl.mechanism", "no mechanism"},
		{"nil mechanism", of(SASL(plain.Auth{}.AsMechanism(), nil)), "SASL", "sasl.mechanism", "mechanism 2 of 2 is nil"},
		{"nil logger", of(Logger(nil)), "Logger", "", "nil"},
		{"nil factory", of(ClientFactory(nil)), "ClientFactory", "", "nil"},
		{"nil partitioner", of(Partitioner(nil)), "Partitioner", "partitioner.class", "nil"},
		{"nil option", of(nil), "options", "", "option 2 of 2 is nil"},
		{"dialer with TLS", of(Dialer(dialNothing), TLS(&tls.Config{})), "", "", ""},

		{"unknown acks", of(Acks(7)), "Acks", "acks", "none of"},
		{"idempotence without acks all", of(Acks(AcksLeader), Idempotence(true)), "Idempotence", "enable.idempotence", "contradicts acks = 1"},
		{"idempotence without any acks", of(Idempotence(true), Acks(AcksNone)), "Idempotence", "enable.idempotence", "contradicts acks = 0"},
		{"leader", of(Acks(AcksLeader)), "", "", ""},
		{"leader without idempotence", of(Acks(AcksLeader), Idempotence(false)), "", "", ""},
		{"all without idempotence", of(Idempotence(false)), "", "", ""},

		{"no codec", of(Compression()), "Compression", "compression.type", "no codec"},
		{"codec twice", of(Compression(kgo.GzipCompression(), kgo.GzipCompression().WithLevel(3))), "Compression", "compression.type", "gzip twice"},
		{"codec", of(Compression(kgo.ZstdCompression().WithLevel(3), kgo.NoCompression())), "", "", ""},

		{"negative linger", of(Linger(-1)), "Linger", "linger.ms", "negative"},
		{"no linger", of(Linger(0)), "", "", ""},
		{"longest linger", of(Linger(time.Minute)), "", "", ""},
		{"long linger", of(Linger(time.Minute + 1)), "Linger", "linger.ms", "longer than 1m0s"},
		{"linger above delivery time-out", of(Linger(30*time.Second), DeliveryTimeout(20*time.Second)), "Linger", "linger.ms", "longer than the delivery time-out"},

		{"small batch", of(BatchBytes(511)), "BatchBytes", "batch.size", "from 512"},
		{"negative batch", of(BatchBytes(-1)), "BatchBytes", "batch.size", "from 512"},
		{"large batch", of(BatchBytes(1<<30 + 1)), "BatchBytes", "batch.size", "from 512"},
		{"batch above the largest request", of(BatchBytes(100<<20 + 1)), "BatchBytes", "batch.size", "largest request"},
		{"batch with a larger request", of(BatchBytes(100<<20+1), ClientOptions(kgo.BrokerMaxWriteBytes(1<<30))), "", "", ""},
		{"batch above a smaller request", of(BatchBytes(3<<20), ClientOptions(kgo.BrokerMaxWriteBytes(2<<20))), "BatchBytes", "batch.size", "2097152"},

		{"no records", of(Window(0, 1)), "Window", "", "records"},
		{"negative records", of(Window(-1, 1)), "Window", "", "records"},
		{"too many records", of(Window(math.MaxInt, 1)), "Window", "", "records"},
		{"no bytes", of(Window(1, 0)), "Window", "buffer.memory", "bytes"},
		{"window", of(Window(1, 1)), "", "", ""},
		{"window above the client's default buffer", of(Window(1_000_000, math.MaxInt)), "", "", ""},

		{"no close time-out", of(CloseTimeout(0)), "CloseTimeout", "", "above 0"},
		{"negative close time-out", of(CloseTimeout(-1)), "CloseTimeout", "", "above 0"},

		{"no delivery time-out", of(DeliveryTimeout(0)), "DeliveryTimeout", "delivery.timeout.ms", "from 1s"},
		{"delivery below linger and request", of(DeliveryTimeout(10 * time.Second)), "DeliveryTimeout", "delivery.timeout.ms", "at least 10.005s"},
		{"delivery at linger and request", of(DeliveryTimeout(10*time.Second + 5*time.Millisecond)), "", "", ""},
		{"delivery with a shorter request", of(DeliveryTimeout(time.Second), RequestTimeout(500*time.Millisecond)), "", "", ""},
		{"short request time-out", of(RequestTimeout(time.Millisecond)), "RequestTimeout", "request.timeout.ms", "from 100ms"},
		{"long request time-out", of(RequestTimeout(1000 * time.Hour)), "RequestTimeout", "request.timeout.ms", "576h"},

		{"twice, differing", of(Linger(1), Linger(2)), "Linger", "linger.ms", "given twice, as 1ns and as 2ns"},
		{"twice, the same", of(Linger(1), Linger(1)), "", "", ""},
		{"two dialers", of(Dialer(dialNothing), Dialer(dialNothing)), "Dialer", "", "given twice"},
	} {
		t.Run(r.name, func(t *testing.T) {
			opts := append([]ProducerOption{Bootstrap("localhost:9092")}, r.opts...)
			if strings.Contains(r.java, "bootstrap") || r.name == "IPv6" || strings.HasPrefix(r.name, "several") {
				opts = r.opts
			}
			err := NewProducer(serde.String(), serde.String(), opts...).Err()
			if r.setting == "" {
				require.NoError(t, err)
				return
			}
			require.Len(t, problems(t, err), 1, "one fault, one problem: %v", err)
			p := problem(t, err, r.setting)
			require.Equal(t, r.java, p.Java)
			require.Contains(t, p.Reason, r.says)
			require.Contains(t, err.Error(), "vicuna: settings: "+r.setting)
		})
	}
}

func TestAllProblemsAreToldAtOnce(t *testing.T) {
	err := NewProducer[string, string](nil, (*nilSerde)(nil),
		Linger(-1), BatchBytes(1), Window(0, 0), CloseTimeout(0), ClientOptions(kgo.ManualFlushing()),
	).Err()
	for _, setting := range []string{"Bootstrap", "key serde", "value serde", "Linger", "BatchBytes", "Window", "CloseTimeout", "kgo.ManualFlushing"} {
		problem(t, err, setting)
	}
	require.Len(t, problems(t, err), 9, "the window has two")

	var p *Problem
	require.ErrorAs(t, err, &p)
	require.ErrorContains(t, problem(t, err, "Linger"), "vicuna: settings: Linger (linger.ms) = -1ns: must not be negative")
}

type nilSerde struct{ serde.Serde[string] }

func TestZeroValueIsNoSettings(t *testing.T) {
	var ps Producer[string, string]
	require.ErrorContains(t, ps.Err(), "NewProducer")
	require.ErrorContains(t, ps.With(Bootstrap("a:1")).Err(), "NewProducer")
	require.NotEmpty(t, ps.String())
	require.NotNil(t, ps.Logger())
	require.Error(t, ProducerConfig{}.Err())
}

func TestWarnings(t *testing.T) {
	secret := plain.Auth{User: "u", Pass: "p"}.AsMechanism()
	for name, c := range map[string]struct {
		opts []ProducerOption
		says string
	}{
		"none":                       {nil, ""},
		"acks switch off":            {[]ProducerOption{Acks(AcksLeader)}, "idempotence is off, because acks are 1"},
		"acks and said":              {[]ProducerOption{Acks(AcksLeader), Idempotence(false)}, ""},
		"PLAIN in the clear":         {[]ProducerOption{SASL(secret)}, "SASL PLAIN without TLS"},
		"PLAIN over TLS":             {[]ProducerOption{SASL(secret), TLS(&tls.Config{})}, ""},
		"PLAIN over one's own":       {[]ProducerOption{SASL(secret), Dialer(dialNothing)}, ""},
		"SCRAM in the clear":         {[]ProducerOption{SASL(scram.Auth{User: "u", Pass: "p"}.AsSha256Mechanism())}, ""},
		"unverified TLS":             {[]ProducerOption{TLS(&tls.Config{InsecureSkipVerify: true})}, "InsecureSkipVerify"},
		"delivery grows":             {[]ProducerOption{RequestTimeout(10 * time.Minute)}, "raised from 2m0s to 10m0.005s"},
		"delivery is given and fits": {[]ProducerOption{RequestTimeout(10 * time.Minute), DeliveryTimeout(time.Hour)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			ps := valid(c.opts...)
			require.NoError(t, ps.Err())
			if c.says == "" {
				require.Empty(t, ps.Warnings())
				return
			}
			require.Len(t, ps.Warnings(), 1)
			require.Contains(t, ps.Warnings()[0], c.says)
		})
	}
	require.Equal(t, 10*time.Minute+5*time.Millisecond, valid(RequestTimeout(10*time.Minute)).DeliveryTimeout())
}
