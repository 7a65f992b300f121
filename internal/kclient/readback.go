package kclient

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/partition"
	"github.com/vicuna-go/vicuna/settings"
)

// Settings are what a client is set to, whoever made it.
type Settings struct {
	Bootstrap          []string
	ClientID           string
	Acks               settings.AckLevel
	Idempotent         bool
	Compression        []kgo.CompressionCodec
	Linger             time.Duration
	BatchBytes         int
	RequestTimeout     time.Duration
	DeliveryTimeout    time.Duration // kgo.RecordDeliveryTimeout, 0 for none
	MaxBufferedRecords int
	MaxBufferedBytes   int // 0 for no limit
	TransactionalID    string
	ManualFlushing     bool
	TopicIgnored       bool // kgo.DefaultProduceTopicAlways

	// ExplicitPartitions is whether a partition that a record names is heeded.
	ExplicitPartitions bool
	// EndsRecords is whether a record whose context has ended fails even when
	// it may have reached the broker. Where it does not, such a record of a
	// broker that died has no outcome until the client is closed.
	EndsRecords bool

	partitioner kgo.Partitioner
	watch       *watch
}

// Read returns what cl is set to.
func Read(cl *kgo.Client) Settings {
	s := Settings{
		Bootstrap:          seeds(cl),
		ClientID:           value[string](cl, kgo.ClientID),
		Idempotent:         !value[bool](cl, kgo.DisableIdempotentWrite),
		Compression:        value[[]kgo.CompressionCodec](cl, kgo.ProducerBatchCompression),
		Linger:             value[time.Duration](cl, kgo.ProducerLinger),
		BatchBytes:         int(value[int32](cl, kgo.ProducerBatchMaxBytes)),
		RequestTimeout:     value[time.Duration](cl, kgo.ProduceRequestTimeout),
		DeliveryTimeout:    value[time.Duration](cl, kgo.RecordDeliveryTimeout),
		MaxBufferedRecords: int(value[int64](cl, kgo.MaxBufferedRecords)),
		MaxBufferedBytes:   int(value[int64](cl, kgo.MaxBufferedBytes)),
		TransactionalID:    value[string](cl, kgo.TransactionalID),
		ManualFlushing:     value[bool](cl, kgo.ManualFlushing),
		TopicIgnored:       value[bool](cl, kgo.DefaultProduceTopicAlways),
		partitioner:        value[kgo.Partitioner](cl, kgo.RecordPartitioner),
		watch:              watchOf(cl),
	}
	switch value[kgo.Acks](cl, kgo.RequiredAcks) {
	case kgo.AllISRAcks():
		s.Acks = settings.AcksAll
	case kgo.LeaderAck():
		s.Acks = settings.AcksLeader
	default:
		s.Acks = settings.AcksNone
	}
	s.ExplicitPartitions = partition.Honours(s.partitioner)
	s.EndsRecords = !s.Idempotent || value[bool](cl, kgo.AllowIdempotentProduceCancellation)
	return s
}

// value returns an option's value, or the zero value where franz-go has it with
// another type than this was written for; a test reads each back.
func value[T any](cl *kgo.Client, opt any) T {
	v, _ := cl.OptValue(opt).(T)
	return v
}

// ClientError says that a client cannot be shared by producers of this library,
// or not with these settings.
type ClientError struct {
	// Problems names each obstacle for its setting.
	Problems []*settings.Problem
}

// Error lists the obstacles.
func (e *ClientError) Error() string {
	s := "vicuna: the client does not fit"
	for _, p := range e.Problems {
		s += "\n" + p.Error()
	}
	return s
}

// Unwrap returns the obstacles.
func (e *ClientError) Unwrap() []error {
	errs := make([]error, len(e.Problems))
	for i, p := range e.Problems {
		errs[i] = p
	}
	return errs
}

// Shareable returns a [*ClientError] where a client with these settings cannot be
// shared at all, else nil.
func (s Settings) Shareable() error { return clientError(s.Unfit()) }

// Unfit returns what Shareable's error consists of.
func (s Settings) Unfit() []*settings.Problem {
	var problems []*settings.Problem
	refuse := func(option, value, reason string) {
		problems = append(problems, &settings.Problem{Setting: "kgo." + option, Value: value, Reason: reason})
	}
	if s.TransactionalID != "" {
		refuse("TransactionalID", strconv.Quote(s.TransactionalID), "a transactional client belongs to one session and cannot be shared")
	}
	if s.ManualFlushing {
		refuse("ManualFlushing", "true", "nobody would flush")
	}
	if s.TopicIgnored {
		refuse("DefaultProduceTopicAlways", "true", "the topic that a record names would be ignored")
	}
	return problems
}

// Contradiction returns a [*ClientError] where cfg was given something that the
// client is not set to, else nil. What cfg has by default does not count: on a
// shared client these are the client's.
func (s Settings) Contradiction(cfg settings.ProducerConfig) error {
	return clientError(s.differences(cfg, cfg.Given))
}

func clientError(problems []*settings.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	return &ClientError{Problems: problems}
}

// differences compares the settings for which counts is true.
func (s Settings) differences(cfg settings.ProducerConfig, counts func(option string) bool) []*settings.Problem {
	var problems []*settings.Problem
	differ := func(option, java string, want, is any) {
		problems = append(problems, &settings.Problem{
			Setting: option, Java: java, Value: fmt.Sprint(want), Reason: fmt.Sprintf("the client has %v", is),
		})
	}
	if counts("Bootstrap") && !overlap(cfg.Bootstrap(), s.Bootstrap) {
		differ("Bootstrap", "bootstrap.servers", cfg.Bootstrap(), s.Bootstrap)
	}
	if counts("ClientID") && cfg.ClientID() != s.ClientID {
		differ("ClientID", "client.id", strconv.Quote(cfg.ClientID()), strconv.Quote(s.ClientID))
	}
	if counts("Acks") && cfg.Acks() != s.Acks {
		differ("Acks", "acks", cfg.Acks(), s.Acks)
	}
	if counts("Idempotence") && cfg.Idempotent() != s.Idempotent {
		differ("Idempotence", "enable.idempotence", cfg.Idempotent(), s.Idempotent)
	}
	if counts("Compression") && !slices.Equal(cfg.Compression(), s.Compression) {
		differ("Compression", "compression.type", "other codecs", "its own")
	}
	if counts("Linger") && cfg.Linger() != s.Linger {
		differ("Linger", "linger.ms", cfg.Linger(), s.Linger)
	}
	if counts("BatchBytes") && cfg.BatchBytes() != s.BatchBytes {
		differ("BatchBytes", "batch.size", cfg.BatchBytes(), s.BatchBytes)
	}
	if counts("RequestTimeout") && cfg.RequestTimeout() != s.RequestTimeout {
		differ("RequestTimeout", "request.timeout.ms", cfg.RequestTimeout(), s.RequestTimeout)
	}
	if want, is := partition.Inner(cfg.Partitioner()), partition.Inner(s.partitioner); counts("Partitioner") && !same(want, is) {
		differ("Partitioner", "partitioner.class", fmt.Sprintf("%T", want), fmt.Sprintf("another one, a %T", is))
	}
	if counts("Window") {
		records, bytes := cfg.Window()
		if records >= s.MaxBufferedRecords {
			differ("Window", "", fmt.Sprintf("%d records", records), fmt.Sprintf("room for %d (kgo.MaxBufferedRecords), and the window must be smaller", s.MaxBufferedRecords))
		}
		if s.MaxBufferedBytes > 0 && bytes >= s.MaxBufferedBytes {
			differ("Window", "buffer.memory", fmt.Sprintf("%d bytes", bytes), fmt.Sprintf("room for %d (kgo.MaxBufferedBytes), and the window must be smaller", s.MaxBufferedBytes))
		}
	}
	return problems
}

// FitWindow returns the window made small enough to stay below the client's own
// limits, for a window that nobody asked for.
func (s Settings) FitWindow(records, bytes int) (int, int) {
	records = min(records, max(s.MaxBufferedRecords*9/10, 1))
	if s.MaxBufferedBytes > 0 {
		bytes = min(bytes, max(s.MaxBufferedBytes/10*9, 1))
	}
	return records, bytes
}

// overlap returns whether one address is in both: more cannot be asked, since any
// broker of a cluster leads to all.
func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// same compares partitioners, of which one may be of a type that == panics for.
func same(a, b kgo.Partitioner) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && (a == nil || !reflect.ValueOf(a).Comparable() || a == b)
}
