package producer

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/kclient"
)

// Batches that are too large for their topic.
//
// A topic's max.message.bytes bounds a batch as the broker gets it: compressed. The client bounds a
// batch by BatchBytes, before compression, and does not know the topic's limit. What it does with
// MESSAGE_TOO_LARGE is to fail all that it has buffered for the partition, in order. The goal here
// is what the Java producer does: a batch of several records is split and sent again, a record that
// is too large by itself fails alone, and no record of a partition passes an older one of the same
// partition.
//
// Each topic has a lane, which is free at first: records go to the client at once, and are merely
// counted. It is closed by the first refusal:
//
//  1. The refusal is told under the partition's lock, before the client fails anything
//     (kclient.Refusals). From then on senders queue in the lane. Records that were already past
//     that question and reach the partition after the refusal get a context that has ended, also
//     under the partition's lock: the client fails them unsent, since none but such records are in
//     the partition then.
//  2. All of these come back through their promises, and wait in the lane, in the partitions'
//     order. When nothing of the topic is left in the client (handed == returned), they are put
//     before what has queued meanwhile. Whoever sent to a partition from one goroutine has handed
//     his earlier records to the client, so that order is his.
//  3. The lane then sends in groups: so many records that they are no larger than the limit, or one
//     record. The next group waits until the last one has come back: what is refused of it comes
//     back as in 1 and 2, and no later record can have passed it.
//  4. The limit is half of what was refused, uncompressed. As compression never makes a batch
//     larger, what was refused is larger than the topic's limit, and so ours is always more than
//     half of that. A group of one record that is refused has failed.
//  5. The lane is free again when limitKept has passed since the last refusal: the topic's limit
//     may have been raised.
//
// Idempotence holds: a batch that was refused, and those behind it in flight, are in no log (a
// broker takes a producer's batches in sequence only), and the client goes on with another epoch.
// Records keep the deadline that they were first sent with.
//
// Rejected: asking for the topic's configuration, which takes a permission that writers seldom
// have, costs a request for each topic, and forbids a record that would fit compressed; the
// client's own limit for each topic (kgo.ProducerBatchMaxBytesFn), which it reads once; sending
// again from the promise without closing the lane, which lets thousands of records pass. On a
// wrapped client nothing of this is done: its logger and hooks are its owner's.

// limitKept is how long a lane stays closed after the last refusal.
const limitKept = 10 * time.Minute

// lane is what is known of a topic that records are written to.
type lane struct {
	// Fixed when it is made.
	client *Client
	topic  string

	closed atomic.Bool // senders queue; written under mu, or by the refusal

	_     [64]byte
	given atomic.Int64 // records given to the client, and calls about to; the senders'

	_        [64]byte
	returned atomic.Int64 // promises that have run; written by the promises alone

	refusing  atomic.Bool // what reaches a partition is to come back: from a refusal until all has
	alone     atomic.Bool // the group in the client is one record
	signalled atomic.Bool // advance will run

	mu        sync.Mutex // guards the following
	back      []*entry   // has come back, from the promises
	queue     []*entry   // was never in the client, or has come back before
	limit     int64      // bytes of a group; 0 until the first refusal is known
	refused   int64      // bytes of a batch that was refused since the last group
	refusedAt time.Time

	// Under mu, but for what it says itself.
	missing missing
}

// laneOf returns the lane of a topic.
func (c *Client) laneOf(topic string) *lane {
	if l, ok := c.lanes.Load(topic); ok {
		return l.(*lane)
	}
	v, known := c.lanes.LoadOrStore(topic, &lane{client: c, topic: topic})
	l := v.(*lane)
	if !known && c.log != nil {
		l.watchTopic()
	}
	return l
}

// refusals is the client's view of its lanes.
type refusals struct{ client *Client }

// Refused closes the lane of a topic.
func (r refusals) Refused(topic string) {
	v, ok := r.client.lanes.Load(topic)
	if !ok { // records that somebody else has given to the client
		return
	}
	l := v.(*lane)
	if !l.refusing.Swap(true) {
		r.client.refusing.Add(1)
	}
	l.closed.Store(true)
	l.signal()
}

// Partitioned sends a record back that has passed the lane while it was closed.
func (r refusals) Partitioned(rec *kgo.Record) {
	if r.client.refusing.Load() == 0 {
		return
	}
	if v, ok := r.client.lanes.Load(rec.Topic); ok && v.(*lane).refusing.Load() && r.client.deadlines.Gave(rec.Context) {
		rec.Context = sentBack{rec.Context}
	}
}

// sentBack is the context of a record that is to come back unsent.
type sentBack struct{ context.Context }

var ended = func() <-chan struct{} {
	ch := make(chan struct{})
	close(ch)
	return ch
}()

func (sentBack) Done() <-chan struct{} { return ended }
func (sentBack) Err() error            { return context.Canceled }

// hold queues an entry; false: the lane is free by now.
func (l *lane) hold(e *entry, now time.Time) bool {
	l.mu.Lock()
	if !l.closed.Load() {
		l.mu.Unlock()
		return false
	}
	l.client.stamp(e, now)
	l.queue = append(l.queue, e)
	l.client.queued.Add(1)
	l.mu.Unlock()
	l.signal()
	return true
}

// comesBack takes a record that was refused, or sent back, into the lane; false: its outcome
// stands. Only promises call it.
func (l *lane) comesBack(e *entry, err error) bool {
	if !l.closed.Load() {
		return false
	}
	var bytes int64
	unsent, isUnsent := e.rec.Context.(sentBack)
	switch {
	case isUnsent && errors.Is(err, context.Canceled):
		e.rec.Context = unsent.Context
	case kclient.TooLargeForBroker(err) && !l.alone.Load():
		bytes = kclient.RefusedBytes(err)
	default:
		return false
	}
	e.comeBack()
	l.mu.Lock()
	l.back = append(l.back, e)
	l.refused = max(l.refused, bytes)
	l.client.queued.Add(1)
	l.mu.Unlock()
	return true
}

// comeBack makes an entry one that was not sent yet.
func (e *entry) comeBack() {
	e.rec.Partition = e.named
	if e.pending != nil {
		e.pending.Wait()
	}
}

// counted counts a promise that has run; only promises call it.
func (l *lane) counted() {
	l.returned.Store(l.returned.Load() + 1)
	if l.closed.Load() {
		l.signal()
	}
}

// signal has the lane looked at, by the one goroutine that sends from lanes.
func (l *lane) signal() {
	if !l.signalled.Swap(true) {
		l.client.resending.Do(l.advance)
	}
}

// advance sends the next group if the last one has come back.
func (l *lane) advance() {
	l.signalled.Store(false)
	for l.closed.Load() {
		group, last := l.next()
		if len(group) == 0 {
			return
		}
		for _, e := range group {
			l.client.kgo.Produce(e.rec.Context, &e.rec, l.client.onOutcome)
		}
		// after Produce: who flushes finds them in one of the two
		l.client.queued.Add(int64(-len(group)))
		l.client.unlinger()
		if !last {
			return
		}
	}
}

// next takes the next group out of the lane, and reports whether the lane is about to be freed:
// more may follow at once. There is none while something of the topic is in the client.
func (l *lane) next() (group []*entry, freeing bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	freeing = l.limit > 0 && l.refused == 0 && !l.refusing.Load() && now.Sub(l.refusedAt) > limitKept
	if !freeing {
		if l.given.Load() != l.returned.Load() {
			return nil, false
		}
		l.takeUp(now)
	}
	if freeing && len(l.queue) == 0 {
		l.closed.Store(false)
		return nil, true
	}
	n := len(l.queue)
	if !freeing {
		n = l.fitting()
	}
	group, l.queue = l.queue[:n:n], l.queue[n:]
	l.alone.Store(n == 1 && !freeing)
	l.given.Add(int64(n))
	return group, freeing
}

// takeUp takes up what has come back. Nothing of the topic is in the client.
func (l *lane) takeUp(now time.Time) {
	if l.refusing.Swap(false) {
		l.client.refusing.Add(-1)
		l.refusedAt = now
	}
	if l.limit == 0 {
		l.limit = int64(l.client.is.BatchBytes)
	}
	if l.refused > 0 {
		l.limit = min(l.limit, l.refused/2)
		l.refused = 0
	}
	if len(l.back) > 0 {
		l.queue = append(l.back, l.queue...)
		l.back = nil
	}
}

// fitting is how many records, from the front of the queue, make a group.
func (l *lane) fitting() int {
	size := int64(batchOverhead)
	for i, e := range l.queue {
		size += e.bytes + recordOverhead + headerOverhead*int64(len(e.rec.Headers))
		if size > l.limit && i > 0 {
			return i
		}
	}
	return len(l.queue)
}

// What the record format adds to a batch, a record and a header, at most: lengths are written as
// varints.
const (
	batchOverhead  = 70
	recordOverhead = 1 + 5 + 10 + 5 + 5 + 5 + 5
	headerOverhead = 5 + 5
)

// unlinger makes the client send what lingers, without waiting.
func (c *Client) unlinger() {
	if c.is.Linger > 0 {
		_ = c.kgo.Flush(gone)
	}
}

// gone is a context that has ended.
var gone = sentBack{context.Background()}

// flush sends what lingers and waits until nothing is in the client or in a lane, or ctx ends.
func (c *Client) flush(ctx context.Context) error {
	for {
		if err := c.kgo.Flush(ctx); err != nil {
			return err
		}
		if c.queued.Load() == 0 && c.kgo.BufferedProduceRecords() == 0 {
			return nil
		}
		if err := c.resending.Wait(ctx); err != nil {
			return ctx.Err()
		}
		if err := c.awaitSearches(ctx); err != nil {
			return ctx.Err()
		}
	}
}

// resends is what sends from lanes.
type resends struct {
	// Safe by themselves; refusing and queued are changed by who changes a lane.
	lanes     sync.Map     // of topics to *lane
	refusing  atomic.Int32 // lanes that are
	queued    atomic.Int64 // entries in lanes
	resending core.Serial

	requests *atomic.Uint64 // produce requests that were written; nil where that is not known
}
