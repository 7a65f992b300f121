package producer

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/kclient"
	"github.com/vicuna-go/vicuna/settings"
)

// ErrClosed says that a client, or an Element, was closed.
var ErrClosed = errors.New("vicuna: the producer is closed")

// Client is a client of franz-go with the window that all who share it draw from. Its methods are
// safe for concurrent use.
type Client struct {
	// Fixed when it is made, but for closed, which Close sets.
	kgo       *kgo.Client
	onOutcome func(*kgo.Record, error) // promise, bound once
	is        kclient.Settings
	deadlines *kclient.Deadlines
	delivery  time.Duration
	close     time.Duration
	window    *window
	made      bool // by us: so Close closes it
	closed    atomic.Bool
	log       *slog.Logger // nil for a wrapped client, which logs as its owner has told it to

	// Added to by promises.
	failed atomic.Int64
	resends
}

// NewClient makes a client from settings, to be shared with [On] and closed by the caller, after
// the streams. It does not connect: the first record does. It fails with all problems of the
// settings.
func NewClient[K, V any](ps settings.Producer[K, V]) (*Client, error) {
	return newClient(ps.ProducerConfig)
}

func newClient(cfg settings.ProducerConfig) (*Client, error) {
	c := new(Client)
	cl, err := kclient.NewProducerClient(cfg, refusals{c})
	if err != nil {
		return nil, err
	}
	records, bytes := cfg.Window()
	c.kgo, c.is, c.delivery, c.close = cl, kclient.Read(cl), cfg.DeliveryTimeout(), cfg.CloseTimeout()
	c.window, c.made, c.requests = newWindow(records, bytes), true, kclient.Requests(cl)
	c.onOutcome, c.log = c.promise, cfg.Logger()
	c.deadlines = kclient.NewDeadlines(cl.Context(), c.delivery)
	return c, nil
}

// Defaults for a wrapped client, which has no settings of ours; the window is made smaller where
// the client's own limits are.
const (
	wrappedRecords  = 45_000
	wrappedBytes    = 256 << 20
	wrappedDelivery = 2 * time.Minute
	wrappedClose    = 10 * time.Second
)

// Wrap shares a client of the caller's own, which stays the caller's to close. Acks, linger,
// compression and partitioner are the client's; a stage whose settings were given something else is
// refused when its stream starts. Records can name a partition only where the client has a
// partitioner that heeds it (settings.PartitionerOpt); on another, such a record is a fault.
//
// Wrap a client once: the window belongs to the Client that it returns.
//
// It refuses a transactional client and others that cannot be shared.
func Wrap(cl *kgo.Client) (*Client, error) {
	if cl == nil {
		return nil, errors.New("vicuna: Wrap: the client is nil")
	}
	is := kclient.Read(cl)
	if err := is.Shareable(); err != nil {
		return nil, err
	}
	records, bytes := is.FitWindow(wrappedRecords, wrappedBytes)
	c := &Client{kgo: cl, is: is, delivery: wrappedDelivery, close: wrappedClose, window: newWindow(records, bytes)}
	c.onOutcome = c.promise
	c.deadlines = kclient.NewDeadlines(cl.Context(), c.delivery)
	return c, nil
}

// Kgo returns the client of franz-go, for its metrics and whatever else it can do. Closing it is
// for its owner.
func (c *Client) Kgo() *kgo.Client { return c.kgo }

// Reach asks the brokers until one answers, or returns an error that names the addresses. Producing
// does not need it: it waits for brokers, up to the delivery time-out.
func (c *Client) Reach(ctx context.Context) error { return kclient.Reach(ctx, c.kgo) }

// Flush sends what lingers and waits until all that was produced before has its outcome, or ctx
// ends.
func (c *Client) Flush(ctx context.Context) error { return c.flush(ctx) }

// Close waits until all that was produced has its outcome, for ctx or the close time-out, whichever
// ends first, and closes the client. What has no outcome then is failed, and may have been written;
// the error says how many those were. A wrapped client is flushed and left open. Harmless when
// repeated.
func (c *Client) Close(ctx context.Context) error {
	if c.closed.Swap(true) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.close)
	defer cancel()
	err := c.flush(ctx)
	unknown, _ := c.window.inFlight()
	c.shut()
	if err != nil && unknown > 0 {
		return c.unknown(unknown, context.Cause(ctx))
	}
	return nil
}

// shut closes the client without waiting for what is in flight.
func (c *Client) shut() {
	c.closed.Store(true)
	if c.made {
		c.kgo.Close()
		c.deadlines.Close()
	}
	// A wrapped client goes on, and so do the deadlines of what is in flight on it: to end them now
	// would fail its owner's records with ours.
}

// Metrics is a reading of a client's counters.
type Metrics struct {
	// InFlight and InFlightBytes are in the window now: handed to the client and not acknowledged.
	InFlight, InFlightBytes int64
	// Waiting is the number of streams and senders that wait for room in the window.
	Waiting int
	// Acknowledged and Failed count records since the client was made.
	Acknowledged, Failed int64
	// BufferedRecords and BufferedBytes are the client's own, which knows only what it was given.
	BufferedRecords, BufferedBytes int64
}

// Metrics reads the client's counters. For more there are franz-go's hooks (settings.ClientOptions
// with kgo.WithHooks).
func (c *Client) Metrics() Metrics {
	m := Metrics{
		Waiting: int(c.window.waiting.Load()), Failed: c.failed.Load(),
		BufferedRecords: c.kgo.BufferedProduceRecords(), BufferedBytes: c.kgo.BufferedProduceBytes(),
	}
	m.InFlight, m.InFlightBytes = c.window.inFlight()
	m.Acknowledged = c.window.ever.Load() - m.Failed
	return m
}
