package settings

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
)

// The defaults, in one place.
const (
	defaultClientID        = "vicuna"
	defaultLinger          = 5 * time.Millisecond
	defaultBatchBytes      = 1_000_012 // a broker's message.max.bytes
	defaultWindowRecords   = 45_000
	defaultWindowBytes     = 256 << 20
	defaultCloseTimeout    = 10 * time.Second
	defaultDeliveryTimeout = 2 * time.Minute
	defaultRequestTimeout  = 10 * time.Second
	defaultDialTimeout     = 10 * time.Second
)

// clientConfig is what producers and consumers have in common.
type clientConfig struct {
	bootstrap []string
	clientID  string
	dialer    DialFunc
	tls       *tls.Config
	sasl      []sasl.Mechanism
	logger    *slog.Logger
	raw       []kgo.Opt

	// seen has each option given to the current call of NewProducer or With
	// and its value in words, to find one that is given twice with different
	// values.
	seen map[string]string
	// chosen has each option that was ever given.
	chosen map[string]struct{}
	// uniques numbers the values that cannot be compared.
	uniques int
	// faults are the problems found while options were applied. What is
	// wrong with the values is found by validate.
	faults []*Problem
}

type producerConfig struct {
	clientConfig

	acks            AckLevel
	idempotence     *bool // nil: follows acks
	compression     []kgo.CompressionCodec
	linger          time.Duration
	batchBytes      int
	windowRecords   int
	windowBytes     int
	closeTimeout    time.Duration
	deliveryTimeout time.Duration
	requestTimeout  time.Duration
	partitioner     kgo.Partitioner
	factory         Factory

	dialTimeout time.Duration // by the raw options

	err      error
	warnings []string
}

// consumerConfig is filled by the options that fit both sides.
type consumerConfig struct {
	clientConfig
}

func newProducerConfig() *producerConfig {
	return &producerConfig{
		clientConfig:    clientConfig{clientID: defaultClientID, chosen: map[string]struct{}{}},
		compression:     []kgo.CompressionCodec{kgo.SnappyCompression(), kgo.NoCompression()},
		linger:          defaultLinger,
		batchBytes:      defaultBatchBytes,
		windowRecords:   defaultWindowRecords,
		windowBytes:     defaultWindowBytes,
		closeTimeout:    defaultCloseTimeout,
		deliveryTimeout: defaultDeliveryTimeout,
		requestTimeout:  defaultRequestTimeout,
		partitioner:     DefaultPartitioner(),
		dialTimeout:     defaultDialTimeout,
	}
}

// apply returns a changed copy of c; c itself stays as it is.
func (c *producerConfig) apply(opts []ProducerOption) *producerConfig {
	n := *c
	n.raw = slices.Clone(c.raw)
	n.seen = map[string]string{}
	n.faults = nil
	n.chosen = maps.Clone(c.chosen)
	for i, o := range opts {
		if o == nil {
			n.problem("options", "", "", fmt.Sprintf("option %d of %d is nil", i+1, len(opts)))
			continue
		}
		o.applyProducer(&n)
	}
	// An earlier fault is mended by giving its option anew.
	for _, f := range c.faults {
		if _, again := n.seen[f.Setting]; !again {
			n.faults = append(n.faults, f)
		}
	}
	return &n
}

// given notes that an option was applied with a value, and reports it where the
// same list of options already had it with another one: which of the two was
// meant is not for us to guess.
func (c *clientConfig) given(setting, java, value string) {
	before, again := c.seen[setting]
	if again && before != value {
		c.problem(setting, java, "", fmt.Sprintf("given twice, as %s and as %s; With makes a copy with another value", before, value))
	}
	c.seen[setting] = value
	c.chosen[setting] = struct{}{}
}

// unique returns a name for a value that cannot be compared.
func (c *clientConfig) unique(what string) string {
	c.uniques++
	return fmt.Sprintf("%s (%d)", what, c.uniques)
}

func (c *clientConfig) problem(setting, java, value, reason string) {
	c.faults = append(c.faults, &Problem{Setting: setting, Java: java, Value: value, Reason: reason})
}

// idempotent is what idempotence comes to: as given, else on exactly where acks
// allow it.
func (c *producerConfig) idempotent() bool {
	if c.idempotence != nil {
		return *c.idempotence
	}
	return c.acks == AcksAll
}

// has returns whether an option was given.
func (c *clientConfig) has(option string) bool {
	_, ok := c.chosen[option]
	return ok
}
