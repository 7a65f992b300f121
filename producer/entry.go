package producer

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/kclient"
)

// entry is a record on its way, and what is to be done at its outcome. Entries are made a slab at a time.
//
// The promise of all records of a client is one function, and finds the entry in the record's context: the entry is that context. It ends as the
// generation does that the record was produced with; see kclient.Deadlines. A hook that puts a context of its own around it is no obstacle.
type entry struct {
	rec   kgo.Record
	ends  context.Context
	owner owner
	bytes int64
	named int32 // the partition that the record names, or -1

	token core.Token
	slot  uint64
	part  int32
	multi any
}

// owner is told the outcome, by the client's promises, one at a time; it must not wait. err is nil for an acknowledged record.
type owner interface {
	settled(e *entry, err error)
}

type entryKey struct{}

func (e *entry) Deadline() (time.Time, bool) { return e.ends.Deadline() }
func (e *entry) Done() <-chan struct{}       { return e.ends.Done() }
func (e *entry) Err() error                  { return e.ends.Err() }
func (e *entry) Value(key any) any {
	if key == (entryKey{}) {
		return e
	}
	return e.ends.Value(key)
}

// produce hands an entry to the client. Its record is encoded, its window taken.
func (c *Client) produce(e *entry, now time.Time) {
	e.ends = c.deadlines.Context(now)
	if e.rec.Timestamp.IsZero() {
		e.rec.Timestamp = now
	}
	e.rec.Context = e
	c.kgo.Produce(e.ends, &e.rec, c.promise)
}

// promise is every record's. It only hands on: all promises of a client are run one after the other, and one that waits would stop all.
func (c *Client) promise(r *kgo.Record, err error) {
	e, ok := r.Context.(*entry)
	if !ok {
		e = r.Context.Value(entryKey{}).(*entry)
	}
	bytes := e.bytes
	if err != nil {
		err = &RecordError{Topic: r.Topic, Partition: e.named, Err: kclient.Explain(c.kgo, r, e.named, c.delivery, err)}
		c.failed.Add(1)
	} else {
		c.acknowledged.Store(c.acknowledged.Load() + 1)
	}
	e.owner.settled(e, err) // e may be used again from here on
	c.window.give(bytes)
}

// release lets go of what the record points to, so that it is not kept alive by the others of its slab.
func (e *entry) release() { e.rec.Key, e.rec.Value, e.rec.Headers, e.multi = nil, nil, nil, nil }

// slabSize is how many entries are made at a time: the price of making and of collecting them is shared.
const slabSize = 512

// slab gives out entries. Not for concurrent use.
type slab struct{ entries []entry }

func (s *slab) next() *entry {
	if len(s.entries) == 0 {
		s.entries = make([]entry, slabSize)
	}
	e := &s.entries[0]
	s.entries = s.entries[1:]
	return e
}

// clock gives the time for records' timestamps. Reading it for each record costs about a sixth of producing it, and Kafka's timestamps are in
// milliseconds: so it is read again when a millisecond may have passed, judged by how fast the records have come.
type clock struct {
	now  time.Time
	left int // uses before it is read again
	step int
}

func (c *clock) read() time.Time {
	if c.left > 0 {
		c.left--
		return c.now
	}
	now := time.Now()
	switch passed := now.Sub(c.now); {
	case passed > time.Millisecond:
		c.step = 0
	case c.step < 32:
		c.step = 2*c.step + 1
	}
	c.now, c.left = now, c.step
	return now
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

// join is errors.Join that costs nothing where there is nothing to join.
func join(a, b error) error {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return errors.Join(a, b)
}
