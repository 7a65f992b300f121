package settings

import (
	"encoding/json"
	"log/slog"
	"math"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// The defaults of transactions, in one place.
const (
	defaultSessions           = 1
	defaultCommitInterval     = 100 * time.Millisecond // Alpakka's, and that of Kafka Streams
	defaultTransactionTimeout = time.Minute            // Java's; franz-go has 40 s
	defaultFirstPause         = 100 * time.Millisecond // as of stream.Backoff
	defaultLongestPause       = 10 * time.Second

	// noLimit: a transaction costs the brokers nothing for its size, and the interval
	// bounds what an abort does again.
	noLimit = math.MaxInt
)

// idSeparator stands between the parts of a transactional id. An instance has none,
// and a number has none: read from its end, an id has one meaning, whatever its prefix
// is. With a hyphen "a-1" and "2" would make the id that "a" and "1-2" make.
const idSeparator = ":"

// Transaction is how a process takes part in transactions: under which ids, in how
// many sessions, how long and how large a transaction becomes, and what follows an
// abort. It is an immutable value, to be copied and shared freely between goroutines.
// The zero value has the defaults, and lacks an id, which its Err says.
type Transaction struct {
	c *transactionConfig // nil for the defaults
}

// TransactionOption is what [NewTransaction] takes. The options of this package are
// the only ones.
type TransactionOption interface {
	applyTransaction(*transactionConfig)
}

type transactionOption func(*transactionConfig)

func (o transactionOption) applyTransaction(c *transactionConfig) { o(c) }

type transactionConfig struct {
	account

	prefix          string
	id              string
	instanceID      string
	sessions        int
	interval        time.Duration
	records         int
	bytes           int
	timeout         time.Duration
	firstPause      time.Duration
	longestPause    time.Duration
	poisonAfter     int
	deadLetterTopic string
}

func newTransactionConfig() *transactionConfig {
	return &transactionConfig{
		sessions:     defaultSessions,
		interval:     defaultCommitInterval,
		records:      noLimit,
		bytes:        noLimit,
		timeout:      defaultTransactionTimeout,
		firstPause:   defaultFirstPause,
		longestPause: defaultLongestPause,
	}
}

// NewTransaction makes the settings of transactions. It never fails: all that is wrong
// is found here and told by Err, which everything that takes a Transaction asks first.
// One option without a default is always needed: [IDPrefix] or [TransactionalID].
func NewTransaction(opts ...TransactionOption) Transaction { return Transaction{}.With(opts...) }

// With returns a copy with opts applied on top, checked anew as a whole. An option
// given here replaces the earlier value.
func (m Transaction) With(opts ...TransactionOption) Transaction {
	n := *m.config()
	earlier := n.begin()
	for i, o := range opts {
		if o == nil {
			n.nilOption(i, len(opts))
			continue
		}
		o.applyTransaction(&n)
	}
	n.keepFaults(earlier)
	n.validate()
	return Transaction{c: &n}
}

func (m Transaction) config() *transactionConfig {
	if m.c == nil {
		c := newTransactionConfig()
		c.validate()
		return c
	}
	return m.c
}

// Err returns nil, or all problems of the settings joined, each a [*Problem].
func (m Transaction) Err() error { return m.config().err }

// Given returns whether the option with that name, such as "Sessions", was given.
func (m Transaction) Given(option string) bool { return m.config().has(option) }

// Warnings returns what is allowed but doubtful, one sentence each.
func (m Transaction) Warnings() []string { return slices.Clone(m.config().warnings) }

// IDPrefix returns what the transactional ids begin with, "" where there is a
// TransactionalID.
func (m Transaction) IDPrefix() string { return m.config().prefix }

// TransactionalID returns the id that was given whole, "" where there is an IDPrefix.
func (m Transaction) TransactionalID() string { return m.config().id }

// InstanceID returns the instance's name that was given for transactions, else "".
func (m Transaction) InstanceID() string { return m.config().instanceID }

// Sessions returns how many sessions there are in the process.
func (m Transaction) Sessions() int { return m.config().sessions }

// CommitInterval returns how long a transaction goes on before it is committed.
func (m Transaction) CommitInterval() time.Duration { return m.config().interval }

// TransactionSize returns with how many records, or bytes of them, a transaction is
// committed before its interval is over; math.MaxInt is no limit.
func (m Transaction) TransactionSize() (records, bytes int) {
	c := m.config()
	return c.records, c.bytes
}

// TransactionTimeout returns how long the broker lets a transaction be open.
func (m Transaction) TransactionTimeout() time.Duration { return m.config().timeout }

// AbortBackoff returns the pause after the first of several aborts in a row, and the
// longest one.
func (m Transaction) AbortBackoff() (first, longest time.Duration) {
	c := m.config()
	return c.firstPause, c.longestPause
}

// PoisonAfter returns after how many aborts by the same record it is written to the
// DeadLetterTopic, 0 for never.
func (m Transaction) PoisonAfter() int { return m.config().poisonAfter }

// DeadLetterTopic returns where poison records go, "" where there are none.
func (m Transaction) DeadLetterTopic() string { return m.config().deadLetterTopic }

// ID returns the transactional id of one session, which are counted from 0: the prefix,
// the instance and the number, as in "billing:pod-1:0"; or the [TransactionalID] for
// session 0 and the id and the number, "billing:2", for the others, whatever the
// instance.
//
// The instance is that of [InstanceID], or any other text. No two ids of one prefix
// or of several are the same unless all three parts are: what an InstanceID may not
// have is escaped in the instance. With an id that was given whole this holds for the
// sessions of one such id.
func (m Transaction) ID(instance string, session int) string {
	return m.config().sessionID(instance, session)
}

func (c *transactionConfig) sessionID(instance string, session int) string {
	number := strconv.Itoa(session)
	switch {
	case c.id == "":
		return c.prefix + idSeparator + url.QueryEscape(instance) + idSeparator + number
	case session == 0:
		return c.id
	default:
		return c.id + idSeparator + number
	}
}

// String returns the settings in one line.
func (m Transaction) String() string { return line("settings.Transaction", m.attrs()) }

// GoString is String.
func (m Transaction) GoString() string { return m.String() }

// LogValue returns what String shows, as a group of attributes.
func (m Transaction) LogValue() slog.Value { return slog.GroupValue(m.attrs()...) }

// MarshalJSON returns what String shows, as an object.
func (m Transaction) MarshalJSON() ([]byte, error) { return json.Marshal(words(m.attrs())) }

// attrs is the one place that decides what is shown: what there is none of is left out.
func (m Transaction) attrs() []slog.Attr {
	c := m.config()
	var attrs []slog.Attr
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	limit := func(key string, n int) {
		if n != noLimit {
			attrs = append(attrs, slog.Int(key, n))
		}
	}
	text("id.prefix", c.prefix)
	text("transactional.id", c.id)
	text("instance.id", c.instanceID)
	attrs = append(attrs,
		slog.Int("sessions", c.sessions),
		slog.Duration("commit.interval", c.interval),
	)
	limit("transaction.records", c.records)
	limit("transaction.bytes", c.bytes)
	attrs = append(attrs,
		slog.Duration("transaction.timeout", c.timeout),
		slog.Duration("abort.backoff.first", c.firstPause),
		slog.Duration("abort.backoff.longest", c.longestPause),
	)
	if c.poisonAfter != 0 {
		attrs = append(attrs, slog.Int("poison.after", c.poisonAfter))
	}
	text("dead.letter.topic", c.deadLetterTopic)
	return attrs
}
