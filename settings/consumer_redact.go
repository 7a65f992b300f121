package settings

import (
	"encoding/json"
	"log/slog"
)

// String returns the settings in one line, without secrets: of TLS only that it
// is there, of SASL only the mechanisms' names, of functions and of options for
// the client only that, or how many, there are.
func (s ConsumerConfig) String() string { return line("settings.Consumer", s.attrs()) }

// GoString is String, so that %#v shows no secrets either.
func (s ConsumerConfig) GoString() string { return s.String() }

// LogValue returns what String shows, as a group of attributes.
func (s ConsumerConfig) LogValue() slog.Value { return slog.GroupValue(s.attrs()...) }

// MarshalJSON returns what String shows, as an object.
func (s ConsumerConfig) MarshalJSON() ([]byte, error) { return json.Marshal(words(s.attrs())) }

// attrs is the one place that decides what is shown.
func (s ConsumerConfig) attrs() []slog.Attr {
	c := s.config()
	attrs := []slog.Attr{
		slog.String("bootstrap", redactAddrs(c.bootstrap)),
		slog.String("client.id", c.clientID),
		slog.String("group", c.group),
	}
	if c.instanceID != "" {
		attrs = append(attrs, slog.String("instance.id", c.instanceID))
	}
	attrs = append(attrs,
		slog.String("protocol", c.protocol.String()),
		slog.String("isolation", c.isolation.String()),
		slog.String("start.from", c.start.String()),
		slog.String("out.of.range", c.outOfRange.String()),
		slog.String("undecodable", c.undecodable.String()),
		slog.Int("budget.bytes", c.budgetBytes),
		slog.Int("budget.records", c.budgetRecords),
		slog.Int("track.limit", c.trackLimit),
		slog.Duration("revoke.timeout", c.revoke()),
		slog.Duration("rebalance.timeout", c.rebalanceTimeout),
		slog.Duration("session.timeout", c.sessionTimeout),
		slog.Duration("heartbeat.interval", c.beat()),
		slog.Duration("fetch.max.wait", c.fetchMaxWait),
		slog.Int("fetch.min.bytes", c.fetchMinBytes),
		slog.Duration("commit.timeout", c.commitTimeout),
		slog.Duration("handler.warning", c.handlerWarning),
		slog.Duration("stuck.after", c.stuckAfter),
		slog.Duration("close.timeout", c.closeTimeout),
		slog.Duration("request.timeout", c.requestTimeout),
	)
	return append(attrs, c.clientAttrs()...)
}
