package kclient

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// errDeadline is the cause of a context from Deadlines that ended by itself.
var errDeadline = errors.New("delivery time-out")

// deadlinesKey marks the contexts from Deadlines.
type deadlinesKey struct{}

// Deadlines gives out the contexts that records are produced with, so that each
// ends at its delivery time-out.
//
// A context per record would be dear, and wrong: franz-go looks at the context of
// the first record in a batch alone and fails the partition's whole buffer with it.
// One context for all would never end. So there is one for all records of a while,
// a generation: it is renewed 32 times in a time-out, at most each second and at
// least each 10 ms, and ends when the time-out of its last possible record is over.
// No context ends before the time of a record that has it, and none more than that
// while after it. A record may end before its time all the same, with an older one
// of its partition, since they are failed together; see DeliveryTimeoutError.
//
// When the contexts of records that are in flight end, so does the client's
// request: franz-go drops the connection, and records of other partitions in that
// request are sent again (which idempotence makes harmless). Where no broker can
// be reached, it looks at the context only between attempts to get metadata, so
// that a record ends a few seconds late; with connections that hang, up to the dial
// time-out late for each of three attempts. A record that is failed this way may
// still have been written.
type Deadlines struct {
	// Fixed when it is made.
	parent  context.Context
	timeout time.Duration
	span    time.Duration

	// cur and all are written under mu; cur is read without.
	cur atomic.Pointer[generation]
	mu  sync.Mutex // held to make a generation
	all []*generation
}

type generation struct {
	ctx    context.Context
	cancel context.CancelFunc
	until  time.Time // the last moment to give it out
}

// NewDeadlines returns the deadlines of a client whose lifetime is parent
// (kgo.Client.Context). Close ends them.
func NewDeadlines(parent context.Context, timeout time.Duration) *Deadlines {
	return &Deadlines{
		parent:  parent,
		timeout: timeout,
		span:    min(max(timeout/32, 10*time.Millisecond), time.Second),
	}
}

// Context returns the context for records produced at now, which need not be
// newer than once per chunk. It is for kgo.Client.Produce; the record's own
// Context is to be nil. Safe for concurrent use; it allocates with a new
// generation only.
func (d *Deadlines) Context(now time.Time) context.Context {
	if g := d.cur.Load(); g != nil && !now.After(g.until) {
		return g.ctx
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if g := d.cur.Load(); g != nil && !now.After(g.until) {
		return g.ctx
	}
	live := d.all[:0]
	for _, g := range d.all {
		if g.ctx.Err() != nil {
			g.cancel()
			continue
		}
		live = append(live, g)
	}
	clear(d.all[len(live):])
	until := now.Add(d.span)
	ctx, cancel := context.WithDeadlineCause(context.WithValue(d.parent, deadlinesKey{}, d), until.Add(d.timeout), errDeadline)
	g := &generation{ctx: ctx, cancel: cancel, until: until}
	d.all = append(live, g)
	d.cur.Store(g)
	return ctx
}

// Gave returns whether ctx is one of these.
func (d *Deadlines) Gave(ctx context.Context) bool {
	return ctx != nil && ctx.Value(deadlinesKey{}) == d
}

// Close releases the timers. It ends every context given out: the client is to be
// flushed before.
func (d *Deadlines) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, g := range d.all {
		g.cancel()
	}
	d.all = nil
}

// expired returns whether ctx is one of ours and its time is over.
func expired(ctx context.Context) bool {
	return ctx != nil && ctx.Err() != nil && errors.Is(context.Cause(ctx), errDeadline)
}

// hasTime returns whether ctx is one of ours and its time is not over.
func hasTime(ctx context.Context) bool {
	return ctx != nil && ctx.Value(deadlinesKey{}) != nil && !expired(ctx)
}
