package producer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/kclient"
	"github.com/vicuna-go/vicuna/internal/partition"
	"github.com/vicuna-go/vicuna/settings"
)

// ErrWindowFull says that a sender stopped waiting before there was room in the client's window:
// the record was not sent.
var ErrWindowFull = errors.New("vicuna: the window is full, and the record was not sent")

// ErrUnknownOutcome says that a sender stopped waiting before its record had an outcome: it may be
// written.
var ErrUnknownOutcome = errors.New("vicuna: the record's outcome is not known: it may have been written")

// ErrTakenBack says that a sender stopped waiting before the client had sent its record: it was not
// sent, and never will be. The error says why, where that is known: errors.As finds an
// [*UnreachableError], and in it why no broker could be reached (a login that was refused, say),
// errors.Is the brokers' answer for the topic.
var ErrTakenBack = errors.New("vicuna: the record was not sent, and is taken back")

// unsentError is an unknown outcome of a record that the client keeps, and has not sent so far.
type unsentError struct{ errs []error }

func (e *unsentError) Error() string {
	return "vicuna: the record has not been sent, but stays with the client until its delivery time-out: " + errors.Join(e.errs...).Error()
}

func (e *unsentError) Unwrap() []error { return append([]error{ErrUnknownOutcome}, e.errs...) }

// Element sends records without a stream. Its methods are safe for concurrent use; records sent by
// one goroutine to one partition are written in the order of the calls.
//
// An Element with a client of its own does not linger unless its settings were given a linger: a
// record goes at once, and those that come while a request is on its way go together in the next.
// On a shared client that lingers, Send waits for that too.
type Element[K, V any] struct {
	// Fixed when it is made; the pools, the serial and the tally are safe by themselves.
	client   *Client
	owned    bool
	settings settings.Producer[K, V]
	encoders sync.Pool
	calls    sync.Pool
	serial   core.Serial
	tally    tally
	closing  context.Context // ends with the Element, or its client
	refuse   context.CancelFunc
	mu       sync.RWMutex // closing waits for the calls that are being handed over
	closed   bool
	closer   core.Serial   // closes for a callback
	finished chan struct{} // closed when the Element is
	closeErr error         // until then the closer's
}

// NewElement makes an Element, with a client of its own or, with [On], a shared one. It does not
// connect: the first record does. Of the options, SkipFailed has no meaning here: every call has
// its own outcome.
func NewElement[K, V any](ps settings.Producer[K, V], opts ...Option) (*Element[K, V], error) {
	o := optionsOf(opts)
	if o.client == nil && !ps.Given("Linger") && ps.Err() == nil {
		ps = ps.With(settings.Linger(0))
	}
	cl, err := clientFor(ps.ProducerConfig, o)
	if err != nil {
		return nil, err
	}
	p := &Element[K, V]{client: cl, owned: o.client == nil, settings: ps, finished: make(chan struct{})}
	p.closing, p.refuse = context.WithCancel(cl.kgo.Context())
	p.encoders.New = func() any { return newEncoder(ps, cl) }
	p.calls.New = func() any { return &call{done: make(chan struct{}, 1), tally: &p.tally} }
	return p, nil
}

// Send sends a record and waits for its acknowledgement. When ctx ends first, the error is ctx's
// cause, and says what has become of the record:
//
//   - [ErrWindowFull]: there was no room in the client's window. The record was not sent.
//   - [ErrTakenBack]: the client had not given it to a partition yet, because no broker was
//     reached, the login was refused or the topic is not known. It was not sent, and never will be.
//   - [ErrUnknownOutcome]: it was in a batch already. It may be written, or, where the client still
//     keeps it, may yet be, until the delivery time-out; a record that is sent again may be there
//     twice. On a client of another partitioner ([Wrap]) nothing can be taken back, and the error
//     is this one from the beginning.
//   - None of them: ctx had ended before Send was called. The record was not sent.
//
// While ctx lasts, an error is [ErrClosed], or why this record cannot be written: what serialising
// it has failed with, or a [*RecordError].
func (p *Element[K, V]) Send(ctx context.Context, rec *envelope.Record[K, V]) (envelope.Metadata, error) {
	c := p.calls.Get().(*call)
	c.entry.pending = new(partition.Pending) // the client may keep it for longer than the call
	if err := p.start(ctx, rec, &c.entry, c); err != nil {
		if neverTaken(&c.entry) == nil { // else its promise is still to come
			c.entry = entry{}
			p.calls.Put(c)
		}
		return envelope.Metadata{}, err
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		select {
		case <-c.done: // both: the outcome is known
		default:
			// c is the client's still, and is not used again
			return envelope.Metadata{}, p.client.abandoned(ctx, rec.Topic, c.entry.pending, c.entry.requests)
		}
	}
	m, err := c.metadata, c.err
	c.metadata, c.err, c.entry = envelope.Metadata{}, nil, entry{}
	p.calls.Put(c)
	return m, err
}

// abandoned is the error of a record that nobody waits for any more: it is taken back if that can
// be.
func (c *Client) abandoned(ctx context.Context, topic string, pending *partition.Pending, requests uint64) error {
	cause := context.Cause(ctx)
	var errs []error
	if obstacle := kclient.Obstacle(c.kgo, topic); obstacle != nil {
		errs = append(errs, obstacle)
	}
	errs = append(errs, cause)
	switch {
	case c.is.ExplicitPartitions && pending.TakeBack():
		return fmt.Errorf("%w: %w", ErrTakenBack, errors.Join(errs...))
	case c.requests != nil && c.requests.Load() == requests:
		return &unsentError{errs}
	default:
		return fmt.Errorf("%w: %w", ErrUnknownOutcome, cause)
	}
}

// call is a Send that waits.
type call struct {
	entry    entry
	done     chan struct{}
	metadata envelope.Metadata
	err      error
	tally    *tally
}

func (c *call) outcome(e *entry, err error) {
	if err == nil {
		c.metadata = e.metadata()
	}
	c.err = err
	t := c.tally
	c.done <- struct{}{} // never waits: it has room for one; c may be used again from here on
	t.landed()
}

// SendAsync sends a record and calls done with its outcome. It waits while the window is full of
// records without an outcome, until ctx ends (outcomes whose done has not been called are in no
// bound: a done that is slower than the broker lets them pile up); an error that is returned says
// that the record was not sent, and done is not called then. Calls of done come one after the
// other, on a goroutine of the Element's, in the order of the outcomes; it may wait, and holds up
// only other calls of done. Should it panic, that is logged, with the settings' logger. A nil done
// is nobody who wants to know.
func (p *Element[K, V]) SendAsync(ctx context.Context, rec *envelope.Record[K, V], done func(envelope.Metadata, error)) error {
	if done == nil {
		done = func(envelope.Metadata, error) {}
	}
	c := &callback{serial: &p.serial, done: done, logger: p.settings.Logger, tally: &p.tally}
	return p.start(ctx, rec, &c.entry, c)
}

type callback struct {
	entry  entry
	serial *core.Serial
	done   func(envelope.Metadata, error)
	logger func() *slog.Logger
	tally  *tally
}

func (c *callback) outcome(e *entry, err error) {
	var m envelope.Metadata
	if err == nil {
		m = e.metadata()
	}
	if neverTaken(e) == nil { // else SendAsync returns it
		c.serial.Do(func() { c.tell(m, err) })
	}
	c.tally.landed()
}

// tell calls the user's function. Its name is what insideCallback looks for.
func (c *callback) tell(m envelope.Metadata, err error) {
	defer func() {
		if v := recover(); v != nil {
			c.logger().Error("vicuna: a callback of SendAsync has panicked", "panic", v, "topic", c.entry.rec.Topic, "stack", string(debug.Stack()))
		}
	}()
	c.done(m, err)
}

// Future is the outcome of a record that was sent.
type Future struct {
	client   *Client
	topic    string
	pending  partition.Pending
	entry    entry
	done     chan struct{}
	metadata envelope.Metadata
	err      error
	tally    *tally
}

func (f *Future) outcome(e *entry, err error) {
	if err == nil {
		f.metadata = e.metadata()
	}
	f.err = err
	close(f.done)
	f.tally.landed()
}

// Done is closed when the outcome is known.
func (f *Future) Done() <-chan struct{} { return f.done }

// Wait waits for the outcome. When ctx ends first, the error is its cause, and [ErrTakenBack] or
// [ErrUnknownOutcome], as of [Element.Send]: who stops waiting takes the record back where that can
// be.
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
		return envelope.Metadata{}, f.client.abandoned(ctx, f.topic, &f.pending, f.entry.requests)
	}
}

// SendFuture sends a record and returns its outcome to be waited for. It waits while the window is
// full, until ctx ends; an error says that the record was not sent.
func (p *Element[K, V]) SendFuture(ctx context.Context, rec *envelope.Record[K, V]) (*Future, error) {
	f := &Future{client: p.client, done: make(chan struct{}), tally: &p.tally}
	if rec != nil {
		f.topic = rec.Topic
	}
	f.entry.pending = &f.pending
	if err := p.start(ctx, rec, &f.entry, f); err != nil {
		return nil, err
	}
	return f, nil
}

// SendEnvelope sends the records of an envelope and waits for its result, as [FlexiFlow] would emit
// it. The result of a MultiMessage is complete also when some of its records have failed: its parts
// tell, and the error joins theirs.
//
// It is a function because methods have no type parameters.
func SendEnvelope[K, V, P any](ctx context.Context, p *Element[K, V], env envelope.Envelope[K, V, P]) (envelope.Results[K, V, P], error) {
	switch m := env.(type) {
	case *envelope.Message[K, V, P]:
		if m != nil {
			md, err := p.Send(ctx, &m.Record)
			return &envelope.Result[K, V, P]{Record: &m.Record, Metadata: md, PassThrough: m.PassThrough, Err: err}, err
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
	var errs []error
	for i := range m.Records {
		r.Parts[i].Record = &m.Records[i]
		futures[i], r.Parts[i].Err = p.SendFuture(ctx, &m.Records[i])
	}
	for i, f := range futures {
		part := &r.Parts[i]
		if f != nil {
			part.Metadata, part.Err = f.Wait(ctx)
		}
		if part.Err != nil {
			errs = append(errs, part.Err)
		}
	}
	r.Err = errors.Join(errs...)
	return r
}

// start makes the client's record and hands it over.
func (p *Element[K, V]) start(ctx context.Context, rec *envelope.Record[K, V], e *entry, o owner) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	enc := p.encoders.Get().(*encoder[K, V])
	err := enc.encode(rec, e)
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
	p.tally.flying.Add(1)
	if p.client.crowded() {
		caller, stop := context.WithCancelCause(ctx)
		defer stop(nil)
		defer context.AfterFunc(p.closing, func() { stop(ErrClosed) })()
		ctx = caller
	}
	p.client.produce(ctx, e, time.Now())
	return neverTaken(e)
}

// tally counts what an Element has sent and what has no outcome yet.
type tally struct {
	flying atomic.Int64                       // changed by senders and by promises
	idle   atomic.Pointer[context.CancelFunc] // called when that is nothing
}

func (t *tally) landed() {
	if t.flying.Add(-1) == 0 {
		if stop := t.idle.Load(); stop != nil {
			(*stop)()
		}
	}
}

// wait waits for room in the window.
func (p *Element[K, V]) wait(ctx context.Context, bytes int64) error {
	w := p.client.window
	turn := make(chan struct{}, 1)
	lingering, enough := context.WithCancel(ctx)
	defer enough()
	h := &waiter{records: 1, bytes: bytes, wake: func() {
		enough()
		select {
		case turn <- struct{}{}:
		default:
		}
	}}
	w.enqueue(h)
	if p.client.is.Linger > longLinger { // what lingers is in the way
		defer context.AfterFunc(p.closing, enough)()
		_ = p.client.kgo.Flush(lingering)
	}
	for !w.admit(h) {
		select {
		case <-turn:
		case <-ctx.Done():
			w.leave(h)
			return fmt.Errorf("%w: %w", ErrWindowFull, context.Cause(ctx))
		case <-p.closing.Done():
			w.leave(h)
			return ErrClosed
		}
	}
	return nil
}

// Flush sends what lingers and waits until everything that was sent before has its outcome, or ctx
// ends. On a shared client that is everybody's.
func (p *Element[K, V]) Flush(ctx context.Context) error { return p.client.Flush(ctx) }

// ErrCloseInCallback says that [Element.Close] was called by a callback of SendAsync, which it
// would have to wait for. The Element closes all the same, in the background; another Close waits
// for that.
var ErrCloseInCallback = errors.New("vicuna: Close was called by a callback of SendAsync, which it does not wait for: the Element closes in the background")

// Close refuses further records, also those that wait for the window, waits until all that were
// sent have their outcome and the callbacks have returned, up to ctx's end or the close time-out,
// and closes the client if it is the Element's own. What has no outcome then is failed, or, on a
// shared client, still under way; the error says how many those were. Harmless when repeated: who
// calls it while another one is under way waits for that, and gets its error. In a callback of
// SendAsync it returns [ErrCloseInCallback] at once.
func (p *Element[K, V]) Close(ctx context.Context) error {
	p.refuse() // before mu, which a sender may hold while a wrapped client is full
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	p.mu.Unlock()
	switch inside := insideCallback(); {
	case first && inside:
		ctx := context.WithoutCancel(ctx)
		p.closer.Do(func() { p.finish(ctx) })
		return ErrCloseInCallback
	case first:
		p.finish(ctx)
		return p.closeErr
	case inside:
		return ErrCloseInCallback
	}
	select {
	case <-p.finished:
		return nil
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, p.client.close)
	defer cancel()
	select {
	case <-p.finished:
		return p.closeErr
	case <-ctx.Done():
		return fmt.Errorf("vicuna: the Element is still being closed: %w", context.Cause(ctx))
	}
}

// insideCallback returns whether a callback of an Element is among the callers.
func insideCallback() bool {
	pcs := make([]uintptr, 512)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		f, more := frames.Next()
		if strings.HasSuffix(f.Function, "/producer.(*callback).tell") {
			return true
		}
		if !more {
			return false
		}
	}
}

// finish closes the Element, once.
func (p *Element[K, V]) finish(ctx context.Context) {
	defer close(p.finished)
	ctx, cancel := context.WithTimeout(ctx, p.client.close)
	defer cancel()
	idle, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	p.tally.idle.Store(&stop)
	err := p.awaitOutcomes(ctx, idle)
	if p.tally.flying.Load() > 0 && p.owned {
		select {
		case <-idle.Done(): // the closed client has failed the rest: their callers are told
		case <-time.After(time.Second):
		}
	}
	if late := p.serial.Wait(ctx); late != nil {
		err = errors.Join(err, fmt.Errorf("vicuna: callbacks of SendAsync have not returned: %w", late))
	}
	p.closeErr = err
}

// awaitOutcomes waits until everything sent has its outcome, or ctx ends.
func (p *Element[K, V]) awaitOutcomes(ctx, idle context.Context) error {
	if p.owned {
		return p.client.Close(ctx)
	}
	// The client's Flush waits for the neighbours' records too, who may never be done: it is ended
	// when this Element's are.
	own, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(idle, stop)()
	if p.tally.flying.Load() > 0 {
		_ = p.client.flush(own)
	}
	if n := p.tally.flying.Load(); n > 0 {
		return p.client.unknown(n, context.Cause(ctx))
	}
	return nil
}

// Metrics reads the counters of the Element's client.
func (p *Element[K, V]) Metrics() Metrics { return p.client.Metrics() }

// Client returns the Element's client, to be shared with streams ([On]) or asked ([Client.Kgo]).
func (p *Element[K, V]) Client() *Client { return p.client }
