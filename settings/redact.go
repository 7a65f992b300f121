package settings

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/partition"
)

// String returns the settings in one line, without secrets: of TLS only that it
// is there, of SASL only the mechanisms' names, of functions and of options for
// the client only that, or how many, there are.
func (p ProducerConfig) String() string { return line("settings.Producer", p.attrs()) }

// GoString is String, so that %#v shows no secrets either.
func (p ProducerConfig) GoString() string { return p.String() }

// LogValue returns what String shows, as a group of attributes.
func (p ProducerConfig) LogValue() slog.Value { return slog.GroupValue(p.attrs()...) }

// MarshalJSON returns what String shows, as an object.
func (p ProducerConfig) MarshalJSON() ([]byte, error) { return json.Marshal(words(p.attrs())) }

func line(what string, attrs []slog.Attr) string {
	var b strings.Builder
	b.WriteString(what + "{")
	for i, a := range attrs {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s: %v", a.Key, a.Value)
	}
	b.WriteString("}")
	return b.String()
}

func words(attrs []slog.Attr) map[string]string {
	m := map[string]string{}
	for _, a := range attrs {
		m[a.Key] = a.Value.String()
	}
	return m
}

// attrs is the one place that decides what is shown.
func (p ProducerConfig) attrs() []slog.Attr {
	c := p.config()
	attrs := []slog.Attr{
		slog.String("bootstrap", redactAddrs(c.bootstrap)),
		slog.String("client.id", c.clientID),
		slog.String("acks", c.acks.String()),
		slog.Bool("idempotence", c.idempotent()),
		slog.String("compression", codecNames(c.compression)),
		slog.Duration("linger", c.linger),
		slog.Int("batch.bytes", c.batchBytes),
		slog.Int("window.records", c.windowRecords),
		slog.Int("window.bytes", c.windowBytes),
		slog.Duration("close.timeout", c.closeTimeout),
		slog.Duration("delivery.timeout", c.delivery()),
		slog.Duration("request.timeout", c.requestTimeout),
		slog.String("partitioner", fmt.Sprintf("%T", partition.Inner(c.partitioner))),
	}
	return append(attrs, c.clientAttrs()...)
}

// clientAttrs are what both sides show where it is there.
func (c *clientConfig) clientAttrs() []slog.Attr {
	var attrs []slog.Attr
	if c.dialer != nil {
		attrs = append(attrs, slog.String("dialer", "custom"))
	}
	if c.tls != nil {
		attrs = append(attrs, slog.String("tls", "on"))
	}
	if len(c.sasl) > 0 {
		names := make([]string, len(c.sasl))
		for i, m := range c.sasl {
			names[i] = m.Name()
		}
		attrs = append(attrs, slog.String("sasl", strings.Join(names, ",")))
	}
	if c.factory != nil {
		attrs = append(attrs, slog.String("client.factory", "custom"))
	}
	if len(c.raw) > 0 {
		attrs = append(attrs, slog.Int("client.options", len(c.raw)))
	}
	return attrs
}

func quote(s string) string { return strconv.Quote(s) }

// redactAddr cuts away credentials that were written into an address by mistake:
// such an address is refused, and the refusal must not print them.
func redactAddr(addr string) string {
	if at := strings.LastIndexByte(addr, '@'); at >= 0 {
		return "…" + addr[at:]
	}
	return addr
}

func redactAddrs(addrs []string) string {
	shown := make([]string, len(addrs))
	for i, a := range addrs {
		shown[i] = redactAddr(a)
	}
	return strings.Join(shown, ",")
}

// codecNames returns the codecs as the Java property spells them.
func codecNames(codecs []kgo.CompressionCodec) string {
	names := make([]string, len(codecs))
	for i, c := range codecs {
		names[i] = codecName(c)
	}
	return strings.Join(names, ",")
}

func codecName(c kgo.CompressionCodec) string {
	// A codec shows neither its kind nor its level; reflection may read them.
	v := reflect.ValueOf(c)
	kind, level := v.Field(0).Int(), v.Field(1).Int()
	for _, known := range []struct {
		codec kgo.CompressionCodec
		name  string
	}{
		{kgo.NoCompression(), "none"},
		{kgo.GzipCompression(), "gzip"},
		{kgo.SnappyCompression(), "snappy"},
		{kgo.Lz4Compression(), "lz4"},
		{kgo.ZstdCompression(), "zstd"},
	} {
		if k := reflect.ValueOf(known.codec); k.Field(0).Int() == kind {
			if k.Field(1).Int() == level {
				return known.name
			}
			return fmt.Sprintf("%s(level %d)", known.name, level)
		}
	}
	return fmt.Sprintf("codec %d", kind)
}
