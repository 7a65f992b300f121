package settings

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The bounds, most of them the client's own: it would refuse the values too, but
// one at a time, in its words, and only once a client is made.
const (
	maxClientID   = 256
	maxLinger     = time.Minute
	minBatchBytes = 512
	maxBatchBytes = 1 << 30
	// maxWindowRecords: the window counts records in 24 bits, and a flow has a slot for each.
	maxWindowRecords  = 10_000_000
	minRequestTimeout = 100 * time.Millisecond
	minDelivery       = time.Second
	maxDuration       = 24 * 24 * time.Hour // what fits a 32-bit count of milliseconds
)

// validate checks the values against each other and sets err and warnings. It
// finds everything there is to find: nothing returns early.
func (c *producerConfig) validate() {
	v := &verdict{problems: slices.Clone(c.faults)}
	raw := inspectRaw(c.raw, producing)
	v.problems = append(v.problems, raw.problems...)

	c.dialTimeout = raw.dialTimeout

	c.checkClient(v)
	c.checkAcks(v)
	c.checkBatches(v, raw.maxWriteBytes)
	c.checkTimes(v)

	c.conclude(v)
}

// conclude sets err and warnings.
func (a *account) conclude(v *verdict) {
	a.warnings = v.warnings
	a.err = join(v.problems)
}

func join(problems []*Problem) error {
	if len(problems) == 0 {
		return nil
	}
	errs := make([]error, len(problems))
	for i, p := range problems {
		errs[i] = p
	}
	return errors.Join(errs...)
}

type verdict struct {
	problems []*Problem
	warnings []string
}

func (v *verdict) problem(setting, java, value, format string, args ...any) {
	v.problems = append(v.problems, &Problem{Setting: setting, Java: java, Value: value, Reason: fmt.Sprintf(format, args...)})
}

func (v *verdict) warn(format string, args ...any) {
	v.warnings = append(v.warnings, fmt.Sprintf(format, args...))
}

func (c *clientConfig) checkClient(v *verdict) {
	if len(c.bootstrap) == 0 {
		v.problem("Bootstrap", "bootstrap.servers", "", "is missing: at least one broker's host:port is needed")
	}
	for _, addr := range c.bootstrap {
		if reason := badAddress(addr); reason != "" {
			v.problem("Bootstrap", "bootstrap.servers", quote(redactAddr(addr)), "%s", reason)
		}
	}
	switch {
	case c.clientID == "":
		v.problem("ClientID", "client.id", `""`, "must not be empty; leave it out for %q", defaultClientID)
	case len(c.clientID) > maxClientID:
		v.problem("ClientID", "client.id", "", "has %d bytes, at most %d are allowed", len(c.clientID), maxClientID)
	}
	if c.closeTimeout <= 0 {
		v.problem("CloseTimeout", "", c.closeTimeout.String(), "must be above 0")
	}
	// With a dialer of the user's own, the connection may well be encrypted.
	if c.tls == nil && c.dialer == nil {
		for _, m := range c.sasl {
			if m.Name() == "PLAIN" {
				v.warn("SASL PLAIN without TLS: the password crosses the network unencrypted")
				break
			}
		}
	}
	if c.tls != nil && c.tls.InsecureSkipVerify && c.tls.VerifyConnection == nil && c.tls.VerifyPeerCertificate == nil {
		v.warn("TLS with InsecureSkipVerify: anybody in between can pose as the broker")
	}
}

func (c *producerConfig) checkAcks(v *verdict) {
	if c.acks < AcksAll || c.acks > AcksNone {
		v.problem("Acks", "acks", c.acks.String(), "is none of AcksAll, AcksLeader, AcksNone")
		return
	}
	if c.acks == AcksAll {
		return
	}
	switch {
	case c.idempotence == nil:
		v.warn("idempotence is off, because acks are %s, not all: retries may double records", c.acks)
	case *c.idempotence:
		v.problem("Idempotence", "enable.idempotence", "true", "contradicts acks = %s: idempotence needs AcksAll", c.acks)
	}
}

func (c *producerConfig) checkBatches(v *verdict, maxWriteBytes int) {
	switch {
	case c.batchBytes < minBatchBytes || c.batchBytes > maxBatchBytes:
		v.problem("BatchBytes", "batch.size", strconv.Itoa(c.batchBytes), "must be from %d to %d", minBatchBytes, maxBatchBytes)
	case c.batchBytes > maxWriteBytes:
		v.problem("BatchBytes", "batch.size", strconv.Itoa(c.batchBytes), "is above the largest request, %d bytes (kgo.BrokerMaxWriteBytes)", maxWriteBytes)
	}
	if len(c.compression) == 0 {
		v.problem("Compression", "compression.type", "", "has no codec; kgo.NoCompression() is for none")
	} else if _, err := kgo.DefaultCompressor(slices.Clone(c.compression)...); err != nil {
		v.problem("Compression", "compression.type", codecNames(c.compression), "%v", err)
	}
	seen := map[string]bool{}
	for _, codec := range c.compression {
		kind, _, _ := strings.Cut(codecName(codec), "(")
		if seen[kind] {
			v.problem("Compression", "compression.type", codecNames(c.compression), "names %s twice", kind)
		}
		seen[kind] = true
	}
	if c.windowRecords <= 0 || c.windowRecords > maxWindowRecords {
		v.problem("Window", "", strconv.Itoa(c.windowRecords)+" records", "must be from 1 to %d records", maxWindowRecords)
	}
	if c.windowBytes <= 0 {
		v.problem("Window", "buffer.memory", strconv.Itoa(c.windowBytes)+" bytes", "must be above 0; math.MaxInt is for no limit by bytes")
	}
}

func (c *producerConfig) checkTimes(v *verdict) {
	lingerOK := true
	switch {
	case c.linger < 0:
		lingerOK = false
		v.problem("Linger", "linger.ms", c.linger.String(), "must not be negative")
	case c.linger > maxLinger:
		lingerOK = false
		v.problem("Linger", "linger.ms", c.linger.String(), "must not be longer than %v", maxLinger)
	}
	requestOK := c.requestTimeout >= minRequestTimeout && c.requestTimeout <= maxDuration
	if !requestOK {
		v.problem("RequestTimeout", "request.timeout.ms", c.requestTimeout.String(), "must be from %v to %v", minRequestTimeout, maxDuration)
	}

	deliveryOK := !c.has("DeliveryTimeout") || c.deliveryTimeout >= minDelivery && c.deliveryTimeout <= maxDuration
	if !deliveryOK {
		v.problem("DeliveryTimeout", "delivery.timeout.ms", c.deliveryTimeout.String(), "must be from %v to %v", minDelivery, maxDuration)
	}
	if !lingerOK || !requestOK || !deliveryOK {
		return
	}
	needed := c.linger + c.requestTimeout
	switch {
	case c.has("DeliveryTimeout") && c.linger > c.deliveryTimeout:
		v.problem("Linger", "linger.ms", c.linger.String(), "is longer than the delivery time-out, %v: every record would time out before it is sent", c.deliveryTimeout)
	case c.has("DeliveryTimeout") && c.deliveryTimeout < needed:
		v.problem("DeliveryTimeout", "delivery.timeout.ms", c.deliveryTimeout.String(),
			"must be at least %v, which is Linger (linger.ms, %v) plus RequestTimeout (request.timeout.ms, %v)", needed, c.linger, c.requestTimeout)
	case !c.has("DeliveryTimeout") && c.deliveryTimeout < needed:
		v.warn("the delivery time-out is raised from %v to %v, which is linger plus request time-out", c.deliveryTimeout, needed)
	}
}

// delivery is the delivery time-out as it is used: where it was not given it
// grows with what it must not be shorter than.
func (c *producerConfig) delivery() time.Duration {
	if !c.has("DeliveryTimeout") {
		return max(c.deliveryTimeout, c.linger+c.requestTimeout)
	}
	return c.deliveryTimeout
}

// badAddress returns what is wrong with a broker's address, or "".
func badAddress(addr string) string {
	switch {
	case addr == "":
		return "is empty, host:port is needed"
	case strings.Contains(addr, "://"):
		return "is a URL, host:port is needed"
	case strings.Contains(addr, "@"):
		return "must not carry credentials; SASL does that"
	case strings.ContainsFunc(addr, unicode.IsSpace):
		return "must not contain white space"
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		reason := err.Error()
		if ae, ok := errors.AsType[*net.AddrError](err); ok {
			reason = ae.Err
		}
		return reason + ", host:port is needed"
	}
	if host == "" {
		return "has no host, host:port is needed"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "has no valid port, 1 to 65535 is needed"
	}
	return ""
}
