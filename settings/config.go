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
	bootstrap      []string
	clientID       string
	dialer         DialFunc
	tls            *tls.Config
	sasl           []sasl.Mechanism
	logger         *slog.Logger
	raw            []kgo.Opt
	requestTimeout time.Duration
	closeTimeout   time.Duration
	factory        Factory

	dialTimeout time.Duration // by the raw options

	account
}

// account is what was given, and what is wrong with it.
type account struct {
	err      error
	warnings []string

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
	deliveryTimeout time.Duration
	partitioner     kgo.Partitioner
}

func newClientConfig() clientConfig {
	return clientConfig{
		clientID:       defaultClientID,
		requestTimeout: defaultRequestTimeout,
		closeTimeout:   defaultCloseTimeout,
		dialTimeout:    defaultDialTimeout,
	}
}

func newProducerConfig() *producerConfig {
	return &producerConfig{
		clientConfig:    newClientConfig(),
		compression:     []kgo.CompressionCodec{kgo.SnappyCompression(), kgo.NoCompression()},
		linger:          defaultLinger,
		batchBytes:      defaultBatchBytes,
		windowRecords:   defaultWindowRecords,
		windowBytes:     defaultWindowBytes,
		deliveryTimeout: defaultDeliveryTimeout,
		partitioner:     DefaultPartitioner(),
	}
}

// apply returns a changed copy of c; c itself stays as it is.
func (c *producerConfig) apply(opts []ProducerOption) *producerConfig {
	n := *c
	n.raw = slices.Clone(c.raw)
	earlier := n.begin()
	for i, o := range opts {
		if o == nil {
			n.nilOption(i, len(opts))
			continue
		}
		o.applyProducer(&n)
	}
	n.keepFaults(earlier)
	return &n
}

// begin makes the account of a copied configuration one of its own, for options
// to be applied, and returns the faults that it had.
func (a *account) begin() (earlier []*Problem) {
	earlier = a.faults
	a.seen = map[string]string{}
	a.faults = nil
	a.chosen = maps.Clone(a.chosen)
	if a.chosen == nil {
		a.chosen = map[string]struct{}{}
	}
	return earlier
}

func (a *account) nilOption(i, of int) {
	a.problem("options", "", "", fmt.Sprintf("option %d of %d is nil", i+1, of))
}

// keepFaults takes over what was wrong before: an earlier fault is mended by giving
// its option anew.
func (a *account) keepFaults(earlier []*Problem) {
	for _, f := range earlier {
		if _, again := a.seen[f.Setting]; !again {
			a.faults = append(a.faults, f)
		}
	}
}

// given notes that an option was applied with a value, and reports it where the
// same list of options already had it with another one: which of the two was
// meant is not for us to guess.
func (a *account) given(setting, java, value string) {
	before, again := a.seen[setting]
	if again && before != value {
		a.problem(setting, java, "", fmt.Sprintf("given twice, as %s and as %s; With makes a copy with another value", before, value))
	}
	a.seen[setting] = value
	a.chosen[setting] = struct{}{}
}

// unique returns a name for a value that cannot be compared.
func (a *account) unique(what string) string {
	a.uniques++
	return fmt.Sprintf("%s (%d)", what, a.uniques)
}

func (a *account) problem(setting, java, value, reason string) {
	a.faults = append(a.faults, &Problem{Setting: setting, Java: java, Value: value, Reason: reason})
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
func (a *account) has(option string) bool {
	_, ok := a.chosen[option]
	return ok
}
