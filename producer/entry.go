package producer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/kclient"
	"github.com/vicuna-go/vicuna/internal/partition"
	"github.com/vicuna-go/vicuna/settings"
)

// entry is a record on its way, and what is to be done at its outcome.
//
// The promise of all records of a client is one function, and every record that it gets is the
// first field of an entry: so it finds the entry at the record's address. A closure per record
// would be an allocation per record; the record's context, the only other thing that the client
// carries along, may be kept by the client after the promise, and then an entry could not be used
// again.
type entry struct {
	rec      kgo.Record // first
	owner    owner
	slab     *slab
	lane     *lane // of its topic
	envelope any   // what it belongs to: a Message, or the multi of a MultiMessage
	token    core.Token
	slot     uint64
	bytes    int64
	part     int32
	named    int32 // the partition that the record names, or -1
	searched bool  // for that partition

	admission *admission // to a wrapped client that was nearly full

	// Of an Element's records alone: how one is taken back, and how many produce requests the
	// client had written before it.
	pending  *partition.Pending
	requests uint64
}

func entryOf(r *kgo.Record) *entry { return (*entry)(unsafe.Pointer(r)) }

// owner is told the outcome, by the client's promises, one at a time; it must not wait. err is nil
// for an acknowledged record.
type owner interface {
	outcome(e *entry, err error)
}

// produce hands an entry to the client. Its record is encoded, its window taken. A wrapped client
// that is full with its owner's records may keep the caller waiting, until its context ends.
func (c *Client) produce(caller context.Context, e *entry, now time.Time) {
	if e.rec.Timestamp.IsZero() {
		e.rec.Timestamp = now
	}
	e.rec.Context, e.searched, e.admission = nil, false, nil
	if e.pending != nil {
		e.pending.Context = c.deadlines.Context(now)
		e.rec.Context = e.pending
		if c.requests != nil {
			e.requests = c.requests.Load()
		}
	}
	if !e.lane.awaits(e, now) {
		c.give(caller, e, now)
	}
}

// give hands an entry to the client, or to its lane where that is closed.
func (c *Client) give(caller context.Context, e *entry, now time.Time) {
	l := e.lane
	l.given.Add(1)
	for l.closed.Load() {
		l.given.Add(-1)
		if l.hold(e, now) {
			return
		}
		l.given.Add(1)
	}
	ctx := e.rec.Context
	if ctx == nil {
		ctx = c.deadlines.Context(now)
	}
	if c.crowded() {
		c.offer(caller, ctx, e)
		return
	}
	c.kgo.Produce(ctx, &e.rec, c.onOutcome)
}

// stamp gives an entry that waits outside of the client the deadline of its time.
func (c *Client) stamp(e *entry, now time.Time) {
	if e.rec.Context == nil {
		e.rec.Context = c.deadlines.Context(now)
	}
}

// promise is every record's. It only hands on: all promises of a client are run one after the
// other, and one that waits would stop all.
func (c *Client) promise(r *kgo.Record, err error) {
	e := entryOf(r)
	l := e.lane
	defer l.counted()
	if err != nil && (l.comesBack(e, err) || l.isMissing(e, err)) {
		return
	}
	if never := neverTaken(e); err != nil && never != nil {
		err = never
		c.failed.Add(1)
	} else if err != nil {
		if errors.Is(err, kgo.ErrClientClosed) {
			err = fmt.Errorf("%w: %w", ErrClosed, err)
		}
		err = &RecordError{Topic: r.Topic, Partition: e.named, Err: kclient.Explain(c.kgo, r, e.named, c.delivery, err)}
		c.failed.Add(1)
	} else if c.is.Acks == settings.AcksNone {
		r.Offset = -1 // nobody has told; the client says 0
	}
	c.window.give(e.bytes)  // first: who is told the last outcome finds nothing in flight
	e.owner.outcome(e, err) // e may be used again from here on
}

// slabSize is how many entries are made at a time: the price of making and of collecting them is
// shared.
const slabSize = 512

// slab is entries that are made, and used again, together: when the last of them has its outcome.
type slab struct {
	entries [slabSize]entry
	landed  int // the promises'
}

// slabs gives out entries to one sender, and takes them back from the client's promises: one lock
// for 512 records.
type slabs struct {
	// The sender's.
	now  *slab
	used int // of now

	mu   sync.Mutex
	free []*slab
}

func (s *slabs) next() *entry {
	if s.now == nil || s.used == slabSize {
		s.now, s.used = s.get(), 0
	}
	e := &s.now.entries[s.used]
	s.used++
	return e
}

// unget takes back what next has just given, and nobody has seen.
func (s *slabs) unget() { s.used-- }

func (s *slabs) get() *slab {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		b := s.free[n-1]
		s.free = s.free[:n-1]
		return b
	}
	b := new(slab)
	for i := range b.entries {
		b.entries[i].slab = b
	}
	return b
}

// back takes an entry back that has its outcome, and lets go of what its record points to. Only
// promises call it. An entry that was never sent keeps its slab from being used again; it is
// collected.
func (s *slabs) back(e *entry) {
	e.rec.Key, e.rec.Value, e.rec.Headers, e.envelope = nil, nil, nil, nil
	b := e.slab
	if b.landed++; b.landed == slabSize {
		b.landed = 0
		s.mu.Lock()
		s.free = append(s.free, b)
		s.mu.Unlock()
	}
}

// clock gives the time for records' timestamps and time-outs. Reading the system's for each record
// costs about a sixth of producing it, and Kafka's timestamps are in milliseconds: so it is read
// again when a timer says that a millisecond has passed. (The rate of the records so far does not
// tell: the next may come hours after a burst.)
type clock struct {
	// now and timer are the sender's; fresh is cleared by the timer.
	now   time.Time
	fresh atomic.Bool
	timer *time.Timer
}

func (c *clock) read() time.Time {
	if c.fresh.Load() {
		return c.now
	}
	c.now = time.Now()
	c.fresh.Store(true)
	if c.timer == nil {
		c.timer = time.AfterFunc(time.Millisecond, func() { c.fresh.Store(false) })
	} else {
		c.timer.Reset(time.Millisecond)
	}
	return c.now
}

// metadata reads where the record went; in the promise only.
func (e *entry) metadata() envelope.Metadata {
	m := envelope.Metadata{
		Topic: e.rec.Topic, Partition: e.rec.Partition, Offset: e.rec.Offset, Timestamp: e.rec.Timestamp, KeySize: -1, ValueSize: -1,
	}
	if e.rec.Key != nil {
		m.KeySize = len(e.rec.Key)
	}
	if e.rec.Value != nil {
		m.ValueSize = len(e.rec.Value)
	}
	return m
}
