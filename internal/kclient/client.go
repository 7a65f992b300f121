package kclient

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"

	"github.com/vicuna-go/vicuna/settings"
)

const (
	// metadataMinAge is how soon the client may ask for metadata again. With
	// franz-go's 5 s the first record to a topic just created can wait for
	// that long: the topic's partitions have no leader yet when it first
	// asks.
	metadataMinAge = 250 * time.Millisecond

	// minBuffered is the least MaxBufferedRecords, franz-go's default.
	minBuffered = 50_000

	// minBackoff and maxBackoff let retries start at once and soon come every second, as in the
	// Java client. franz-go's own back-off reaches 5 s: a broker that is back is noticed that much
	// later, and so is a deadline that has passed.
	minBackoff = 100 * time.Millisecond
	maxBackoff = time.Second
)

// NewProducerClient makes a client for producing as cfg says, with the factory in
// it where there is one. It does not connect: franz-go does with the first record.
//
// It fails with the settings' own problems, with what franz-go rejects, and with
// a [*ClientError] where the factory returned a client that is not as ordered.
// The doubtful settings are logged as warnings. What happens to batches that are
// too large for their topic is told to r, which may be nil.
func NewProducerClient(cfg settings.ProducerConfig, r Refusals) (*kgo.Client, error) {
	if err := cfg.Err(); err != nil {
		return nil, err
	}
	w := newWatch(cfg.Bootstrap(), cfg.Logger().With("client", "producer", "client.id", cfg.ClientID()))
	cl, err := create(cfg, producerOptions(cfg, w, r), func(cl *kgo.Client) error { return checkMade(cl, cfg) })
	if err != nil {
		return nil, err
	}
	warn(cfg)
	return cl, nil
}

// common is what the settings of producers and consumers have in common.
type common interface {
	Bootstrap() []string
	ClientID() string
	ClientFactory() settings.Factory
	Dialer() settings.DialFunc
	DialTimeout() time.Duration
	Logger() *slog.Logger
	SASL() []sasl.Mechanism
	TLS() *tls.Config
	Warnings() []string
}

func warn(cfg common) {
	for _, w := range cfg.Warnings() {
		cfg.Logger().Warn("vicuna: "+w, "client.id", cfg.ClientID())
	}
}

func create(cfg common, opts []kgo.Opt, check func(*kgo.Client) error) (*kgo.Client, error) {
	factory := cfg.ClientFactory()
	if factory == nil {
		cl, err := kgo.NewClient(opts...)
		if err != nil {
			return nil, fmt.Errorf("vicuna: franz-go rejects the settings: %w", err)
		}
		return cl, nil
	}
	cl, err := factory(opts...)
	switch {
	case err != nil:
		return nil, fmt.Errorf("vicuna: the client factory: %w", err)
	case cl == nil:
		return nil, errors.New("vicuna: the client factory returned neither a client nor an error")
	}
	if err := check(cl); err != nil {
		cl.Close()
		return nil, fmt.Errorf("vicuna: the client factory did not use the options it was given: %w", err)
	}
	return cl, nil
}

// producerOptions returns the client's options in three layers: what the user may
// change, the user's, what they may not.
func producerOptions(cfg settings.ProducerConfig, w *watch, r Refusals) []kgo.Opt {
	opts := []kgo.Opt{
		kgo.MetadataMinAge(metadataMinAge),
		kgo.RetryBackoffFn(backoff),
		// A topic that was just made is not known to every broker at once, and four answers come
		// within a second: the delivery time-out says how long a record may wait.
		kgo.UnknownTopicRetries(-1),
	}
	opts = append(opts, cfg.ClientOptions()...)
	opts = append(opts, clientOptions(cfg, w)...)
	if r != nil {
		log := newLogger(cfg.Logger())
		log.refusals = r
		opts = append(opts, kgo.WithLogger(log), kgo.WithHooks(partitionedHook{r}))
	}
	opts = append(opts,
		kgo.RequiredAcks(acks(cfg.Acks())),
		kgo.ProducerBatchCompression(cfg.Compression()...),
		kgo.ProducerBatchMaxBytes(int32(cfg.BatchBytes())),
		kgo.ProducerLinger(cfg.Linger()),
		kgo.ProduceRequestTimeout(cfg.RequestTimeout()),
		kgo.MaxBufferedRecords(buffered(cfg)),
		kgo.RecordPartitioner(cfg.Partitioner()),
	)
	if cfg.Idempotent() {
		opts = append(opts, kgo.AllowIdempotentProduceCancellation())
	} else {
		opts = append(opts, kgo.DisableIdempotentWrite())
	}
	return opts
}

// clientOptions are those of both sides that the user may not change.
func clientOptions(cfg common, w *watch) []kgo.Opt {
	opts := []kgo.Opt{
		kgo.SeedBrokers(cfg.Bootstrap()...),
		kgo.ClientID(cfg.ClientID()),
		kgo.WithLogger(newLogger(cfg.Logger())),
		kgo.WithHooks(w),
		kgo.Dialer(dialer(cfg, w)),
		// A broker that is being stopped takes a connection and closes it. By default franz-go
		// reads that as wrong TLS or SASL settings, and fails all that is buffered; the watch tells
		// of settings that lead nowhere.
		kgo.AlwaysRetryEOF(),
	}
	if mechanisms := cfg.SASL(); len(mechanisms) > 0 {
		opts = append(opts, kgo.SASL(mechanisms...))
	}
	return opts
}

// buffered is the client's own limit: always above the window, so that it is the
// window that holds a stream.
func buffered(cfg settings.ProducerConfig) int {
	records, _ := cfg.Window()
	return max(minBuffered, records+records/9)
}

func acks(level settings.AckLevel) kgo.Acks {
	switch level {
	case settings.AcksNone:
		return kgo.NoAck()
	case settings.AcksLeader:
		return kgo.LeaderAck()
	default:
		return kgo.AllISRAcks()
	}
}

// backoff doubles from minBackoff to maxBackoff, a fifth more or less.
func backoff(fails int) time.Duration {
	d := maxBackoff
	if fails < 5 {
		d = min(d, minBackoff<<max(fails-1, 0))
	}
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}

// checkMade compares a factory's client with the settings it was to be made from.
func checkMade(cl *kgo.Client, cfg settings.ProducerConfig) error {
	s := Read(cl)
	problems := append(s.Unfit(), s.differences(cfg, func(string) bool { return true })...)
	if !s.EndsRecords {
		problems = append(problems, &settings.Problem{Setting: "kgo.AllowIdempotentProduceCancellation", Reason: "is off: records could outlive their delivery time-out"})
	}
	if s.watch == nil {
		problems = append(problems, &settings.Problem{Setting: "kgo.WithHooks", Reason: "lacks the library's hook: brokers that cannot be reached would go unnoticed"})
	}
	return clientError(problems)
}
