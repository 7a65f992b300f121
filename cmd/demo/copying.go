package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// closeTimeout bounds the waiting for outcomes after a fault or the second Ctrl-C.
const closeTimeout = 3 * time.Second

// errCopied is why the second stream is ended where all is well.
var errCopied = errors.New("everything is copied")

// copying is the two streams while they run, at the same time.
type copying struct {
	// Fixed before the streams start; lines is counted by the first stream, sent is written when it
	// is over.
	client *producer.Client // of the first stream
	orders *orders
	lines  atomic.Uint64 // that were read
	sent   ledger        // the same, once the first stream is over

	// Fixed when the streams are started.
	filling, invoicing *stream.Control
	copied             func() // ends the second stream: it would wait for more orders for ever
	since              time.Time
}

// start starts both. drain's end drains both.
func start(drain context.Context, cs settings.Consumer[string, []byte], ps settings.Producer[string, []byte], client *producer.Client, n names, in *input) (*copying, error) {
	c := &copying{client: client, orders: consumer.New(cs, consumer.Topics(n.orders)), since: time.Now()}
	lines := stream.FromFunc(in.emit).Named("lines").Tap(func(l *line) {
		c.sent.add(l.number, contents(l.number, l.keyed, l.key, l.value))
		c.lines.Add(1)
	})
	until, end := context.WithCancelCause(drain)
	c.copied = func() { end(errCopied) }
	var err error
	if c.invoicing, err = invoice(c.orders, ps, n.invoices).Start(until, stream.CloseTimeout(closeTimeout)); err != nil {
		end(nil)
		return nil, err
	}
	if c.filling, err = fill(lines, ps, n.orders, client).Start(drain, stream.CloseTimeout(closeTimeout)); err != nil {
		end(nil)
		<-c.invoicing.Done()
		return nil, err
	}
	return c, nil
}

// stop stops both hard.
func (c *copying) stop() {
	c.filling.Stop()
	c.invoicing.Stop()
}

// watch shows how far things are until both streams are over. It ends the second when everything is
// copied, and each when the other fails.
func (c *copying) watch(drain context.Context, out *screen, patience time.Duration) error {
	defer c.copied() // whatever happened, nothing waits for it any more
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	now := status{}
	p := progress{out: out, since: c.since, shown: c.since}
	filling, moved := c.filling.Done(), c.since
	var stalled error
	for {
		select {
		case <-c.invoicing.Done():
			// Without it the first stream would go on for nobody.
			c.drainFilling(drain)
			p.end(now, c.fault() == nil)
			return errors.Join(stalled, c.fault())
		case <-filling:
			filling, moved = nil, time.Now()
			// bad input, say: what was acknowledged until then is not copied to the end
			if c.filling.Err() != nil {
				c.copied()
			}
		case <-ticker.C:
			before := now.done
			now = c.status(drain, now)
			if now.done != before {
				moved = time.Now()
			}
			p.show(now)
			switch {
			case filling != nil:
			case now.done >= now.lines:
				c.copied()
			case time.Since(moved) > patience && drain.Err() == nil && stalled == nil:
				stalled = fmt.Errorf("no order was copied for %v: %s of %s were", patience, grouped(now.done), grouped(now.lines))
				c.copied()
			}
		}
	}
}

// drainFilling ends the first stream if it still runs.
func (c *copying) drainFilling(ctx context.Context) {
	// within the drain time-out; what came of it is in Err
	_ = c.filling.Drain(context.WithoutCancel(ctx))
}

// status is how far both are. The lag is what the consumer says; before it has joined its group the
// one of before is kept.
func (c *copying) status(ctx context.Context, s status) status {
	s.lines = c.lines.Load()
	m := c.client.Metrics()
	s.written, s.inFlight = m.Acknowledged, m.InFlight
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	lags, err := c.orders.Lag(ctx)
	if err != nil {
		return s
	}
	s.lag, s.done = lags.Behind(), 0
	for _, l := range lags {
		s.done += uint64(max(l.End-l.Behind, 0))
	}
	return s
}

// fault is what has gone wrong in the streams; nil where both have come to the end that was meant.
func (c *copying) fault() error {
	err := c.invoicing.Err()
	if errors.Is(err, stream.ErrDrained) && errors.Is(err, errCopied) {
		err = nil
	}
	return errors.Join(c.filling.Err(), err)
}

// drained reports whether both were ended before their time, by Ctrl-C, and have finished what was
// in flight.
func (c *copying) drained() bool {
	filled, invoiced := c.filling.Err(), c.invoicing.Err()
	return (filled == nil || errors.Is(filled, stream.ErrDrained)) && errors.Is(invoiced, stream.ErrDrained) && !errors.Is(invoiced, errCopied)
}

// tell says what has become of the records where the streams were not left to themselves.
func (c *copying) tell(ctx context.Context, out *screen, how string, v verifier) {
	m := c.client.Metrics()
	told := fmt.Sprintf("%s: %s lines went in, %s of them were acknowledged", how, grouped(c.sent.records), grouped(uint64(m.Acknowledged)))
	if m.Failed > 0 {
		told += fmt.Sprintf(", %s failed", grouped(uint64(m.Failed)))
	}
	if m.InFlight > 0 {
		told += fmt.Sprintf(", %s have no outcome and may have been written", grouped(uint64(m.InFlight)))
	}
	committed, err := committedOffsets(context.WithoutCancel(ctx), v.broker, v.names)
	if err != nil {
		out.say("%s; what was copied is not known: %v", told, err)
		return
	}
	sum := uint64(0)
	for _, offset := range committed {
		sum += uint64(offset)
	}
	out.say("%s; %s are copied and committed, %s are left", told, grouped(sum), grouped(uint64(max(m.Acknowledged-int64(sum), 0))))
	if how != "drained" {
		out.say("nothing was read back or verified")
	}
}
