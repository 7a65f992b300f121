package producer

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// ErrUnknownOutcome says that a sender stopped waiting before its record had an outcome: it may be written.
var ErrUnknownOutcome = errors.New("vicuna: the record's outcome is not known: it may have been written")

// Element sends records without a stream. Its methods are safe for concurrent use; records sent by one goroutine to one partition are written in
// the order of the calls.
//
// An Element with a client of its own does not linger unless its settings were given a linger: a record goes at once, and those that come while a request is
// on its way go together in the next. On a shared client that lingers, Send waits for that too.
type Element[K, V any] struct {
	client   *Client
	owned    bool
	settings settings.Producer[K, V]
	encoders sync.Pool
	calls    sync.Pool
	serial   core.Serial
	mu       sync.RWMutex // closing waits for the calls that are being handed over
	closed   bool
}

// NewElement makes an Element, with a client of its own or, with [On], a shared one. It does not connect: the first record does. Of the options, SkipFailed
// has no meaning here: every call has its own outcome.
func NewElement[K, V any](ps settings.Producer[K, V], opts ...Option) (*Element[K, V], error) {
	o := optionsOf(opts)
	if o.client == nil && !ps.Given("Linger") && ps.Err() == nil {
		ps = ps.With(settings.Linger(0))
	}
	cl, err := clientFor(ps.ProducerConfig, o)
	if err != nil {
		return nil, err
	}
	p := &Element[K, V]{client: cl, owned: o.client == nil, settings: ps}
	p.encoders.New = func() any { return newEncoder(ps, cl) }
	p.calls.New = func() any { return &call{done: make(chan struct{}, 1)} }
	return p, nil
}

// Send sends a record and waits for its acknowledgement. When ctx ends first, the error is ctx's cause, and [ErrUnknownOutcome] too where the record was already
// handed to the client: it cannot be taken back.
func (p *Element[K, V]) Send(ctx context.Context, rec *envelope.Record[K, V]) (envelope.Metadata, error) {
	c := p.calls.Get().(*call)
	if err := p.start(ctx, rec, &c.entry, c); err != nil {
		p.calls.Put(c)
		return envelope.Metadata{}, err
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		select {
		case <-c.done: // both: the outcome is known
		default:
			return envelope.Metadata{}, unknown(ctx) // c is the client's still, and is not used again
		}
	}
	m, err := c.metadata, c.err
	c.metadata, c.err, c.entry = envelope.Metadata{}, nil, entry{}
	p.calls.Put(c)
	return m, err
}

func unknown(ctx context.Context) error {
	return fmt.Errorf("%w: %w", ErrUnknownOutcome, context.Cause(ctx))
}

// call is a Send that waits.
type call struct {
	entry    entry
	done     chan struct{}
	metadata envelope.Metadata
	err      error
}

func (c *call) settled(e *entry, err error) {
	if err == nil {
		c.metadata = e.metadata()
	}
	c.err = err
	c.done <- struct{}{} // never waits: it has room for one
}

// SendAsync sends a record and calls done with its outcome. It waits while the window is full, until ctx ends; an error that is returned says that the record was not sent, and
// done is not called then. Calls of done come one after the other, on a goroutine of the Element's, in the order of the outcomes; it may wait, and holds up
// only other calls of done.
func (p *Element[K, V]) SendAsync(ctx context.Context, rec *envelope.Record[K, V], done func(envelope.Metadata, error)) error {
	c := &callback{serial: &p.serial, done: done}
	return p.start(ctx, rec, &c.entry, c)
}

type callback struct {
	entry  entry
	serial *core.Serial
	done   func(envelope.Metadata, error)
}

func (c *callback) settled(e *entry, err error) {
	var m envelope.Metadata
	if err == nil {
		m = e.metadata()
	}
	c.serial.Do(func() { c.done(m, err) })
}

// Future is the outcome of a record that was sent.
type Future struct {
	entry    entry
	done     chan struct{}
	metadata envelope.Metadata
	err      error
}

func (f *Future) settled(e *entry, err error) {
	if err == nil {
		f.metadata = e.metadata()
	}
	f.err = err
	close(f.done)
}

// Done is closed when the outcome is known.
func (f *Future) Done() <-chan struct{} { return f.done }

// Wait waits for the outcome; when ctx ends first, the error is its cause and [ErrUnknownOutcome].
func (f *Future) Wait(ctx context.Context) (envelope.Metadata, error) {
	select {
	case <-f.done:
		return f.metadata, f.err
	default:
	}
	select {
	case <-f.done:
		return f.metadata, f.err
	case <-ctx.Done():
		return envelope.Metadata{}, unknown(ctx)
	}
}

// SendFuture sends a record and returns its outcome to be waited for. It waits while the window is full, until ctx ends; an error says that the record was not sent.
func (p *Element[K, V]) SendFuture(ctx context.Context, rec *envelope.Record[K, V]) (*Future, error) {
	f := &Future{done: make(chan struct{})}
	if err := p.start(ctx, rec, &f.entry, f); err != nil {
		return nil, err
	}
	return f, nil
}

// SendEnvelope sends the records of an envelope and waits for its result, as [FlexiFlow] would emit it. The result of a MultiMessage is complete also when some of its records have failed:
// its parts tell, and the error joins theirs.
//
// It is a function because methods have no type parameters.
func SendEnvelope[K, V, P any](ctx context.Context, p *Element[K, V], env envelope.Envelope[K, V, P]) (envelope.Results[K, V, P], error) {
	switch m := env.(type) {
	case *envelope.Message[K, V, P]:
		if m != nil {
			md, err := p.Send(ctx, &m.Record)
			return &envelope.Result[K, V, P]{Message: m, Metadata: md, Err: err}, err
		}
	case *envelope.MultiMessage[K, V, P]:
		if m != nil {
			r := sendMulti(ctx, p, m)
			return r, r.Err
		}
	case *envelope.PassThroughMessage[K, V, P]:
		if m != nil {
			return &envelope.PassThroughResult[K, V, P]{PassThrough: m.PassThrough}, nil
		}
	}
	return nil, ErrNilRecord
}

func sendMulti[K, V, P any](ctx context.Context, p *Element[K, V], m *envelope.MultiMessage[K, V, P]) *envelope.MultiResult[K, V, P] {
	r := &envelope.MultiResult[K, V, P]{PassThrough: m.PassThrough, Parts: make([]envelope.Part[K, V], len(m.Records))}
	futures := make([]*Future, len(m.Records))
	for i := range m.Records {
		r.Parts[i].Record = &m.Records[i]
		futures[i], r.Parts[i].Err = p.SendFuture(ctx, &m.Records[i])
	}
	for i, f := range futures {
		part := &r.Parts[i]
		if f != nil {
			part.Metadata, part.Err = f.Wait(ctx)
		}
		r.Err = join(r.Err, part.Err)
	}
	return r
}

// start makes the client's record and hands it over.
func (p *Element[K, V]) start(ctx context.Context, rec *envelope.Record[K, V], e *entry, o owner) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	enc := p.encoders.Get().(*encoder[K, V])
	err := encodeSafely(enc, rec, e)
	p.encoders.Put(enc)
	if err != nil {
		return err
	}
	e.owner = o
	w := p.client.window
	if !w.take(1, e.bytes) {
		if err := p.wait(ctx, e.bytes); err != nil {
			return err
		}
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed || p.client.closed.Load() {
		w.refund(1, e.bytes)
		return ErrClosed
	}
	p.client.produce(e, time.Now())
	return nil
}

// encodeSafely turns a panic of a serde into an error: an Element has no stream that it could end.
func encodeSafely[K, V any](enc *encoder[K, V], rec *envelope.Record[K, V], e *entry) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &stream.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return enc.encode(rec, e)
}

// wait waits for room in the window.
func (p *Element[K, V]) wait(ctx context.Context, bytes int64) error {
	w := p.client.window
	turn := make(chan struct{}, 1)
	h := &waiter{records: 1, bytes: bytes, wake: func() {
		select {
		case turn <- struct{}{}:
		default:
		}
	}}
	w.enqueue(h)
	for !w.admit(h) {
		select {
		case <-turn:
		case <-ctx.Done():
			w.leave(h)
			return context.Cause(ctx)
		}
	}
	return nil
}

// Flush sends what lingers and waits until everything that was sent before has its outcome, or ctx ends. On a shared client that is everybody's.
func (p *Element[K, V]) Flush(ctx context.Context) error { return p.client.Flush(ctx) }

// Close refuses further records, waits until all that were sent have their outcome, up to ctx's end or the close time-out, and closes the client if it is the
// Element's own. What has no outcome then is failed. Harmless when repeated.
func (p *Element[K, V]) Close(ctx context.Context) error {
	p.mu.Lock()
	already := p.closed
	p.closed = true
	p.mu.Unlock()
	if already {
		return nil
	}
	var err error
	if p.owned {
		err = p.client.Close(ctx)
	} else {
		flush, cancel := context.WithTimeout(ctx, p.client.close)
		err = p.client.Flush(flush)
		cancel()
	}
	return errors.Join(err, p.serial.Wait(ctx))
}

// Metrics reads the counters of the Element's client.
func (p *Element[K, V]) Metrics() Metrics { return p.client.Metrics() }

// Client returns the Element's client, to be shared with streams ([On]) or asked ([Client.Kgo]).
func (p *Element[K, V]) Client() *Client { return p.client }
