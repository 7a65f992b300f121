package producer

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/settings"
)

// ErrNoClient says that a stage was told to share a client and given none.
var ErrNoClient = errors.New("vicuna: producer.On: the client is nil")

// open returns the client of a stage: the shared one, or one of its own that ends with the run.
func open(b *core.Builder, cfg settings.ProducerConfig, o options) (*Client, bool) {
	cl, err := clientFor(cfg, o)
	if err != nil {
		b.Fail(err)
		return nil, false
	}
	if cl != o.client {
		b.Run.OnEnd(func(context.Context) error {
			cl.shut() // after finish, which has waited for all that there is in flight
			return nil
		})
	}
	return cl, true
}

func clientFor(cfg settings.ProducerConfig, o options) (*Client, error) {
	if err := cfg.Err(); err != nil {
		return nil, err
	}
	if o.client == nil {
		return newClient(cfg)
	}
	switch {
	case o.client.kgo == nil:
		return nil, ErrNoClient
	case o.client.closed.Load():
		return nil, ErrClosed
	}
	return o.client, o.client.is.Contradiction(cfg)
}

// flight is what a stage has in flight in one run. The sender's island counts what it sends, the
// client's promises what has an outcome.
//
// Both do so for each record, mostly on two cores: what one of them writes lies on a cache line of
// its own, away from what both only read.
type flight struct {
	// Fixed when it is built.
	client *Client
	run    *core.Run
	isl    *core.Island
	info   *core.StageInfo
	skip   bool

	// Written by promises.
	failed  atomic.Int64
	faulted atomic.Bool
	refused atomic.Int64 // records that were not written, for whatever reason

	// ending is set by who waits, detached by the end of the run; last is closed once, by whoever
	// sees the last outcome.
	ending   atomic.Bool // somebody waits for the last outcome
	detached atomic.Bool // the run is over: outcomes are nobody's any more
	lastOnce sync.Once
	last     chan struct{}

	// crowded is set by a sender that waits for room; the flush under way is that of who has set
	// flushing.
	crowded  atomic.Bool // room waits
	flushing atomic.Bool
	again    atomic.Bool // a flush was asked for while one was under way
	// ends the flush under way: everything of ours has landed
	enough atomic.Pointer[context.CancelFunc]

	// Written by the sender alone; slabs has a lock for what promises give back.
	_     [64]byte
	sent  atomic.Int64 // the sender's, and what follows
	clock clock
	slabs slabs

	// Written by promises alone.
	_        [64]byte
	outcomes atomic.Int64 // the promises'
	_        [64]byte
}

func newFlight(b *core.Builder, isl *core.Island, info *core.StageInfo, cl *Client, o options) *flight {
	f := &flight{client: cl, run: b.Run, isl: isl, info: info, skip: o.skipFailed, last: make(chan struct{})}
	info.Buffers(func() int { return int(f.sent.Load() - f.outcomes.Load()) })
	info.Writes(func() int64 { return max(0, f.outcomes.Load()-f.refused.Load()) })
	isl.OnHurry(f.flush) // what lingers goes now
	return f
}

// admit takes the window for records of the element in hand, and begins it; false: it has ended
// here, since the run was stopped, or it lies after the cut.
func (f *flight) admit(records, bytes int64) bool {
	if !f.makeRoom(records, bytes) {
		return false
	}
	if !f.isl.ClaimRun() {
		f.client.window.refund(records, bytes)
		return false
	}
	return true
}

func (f *flight) makeRoom(records, bytes int64) bool {
	switch {
	case f.run.Stopped():
		// also when user code has come back after the end of the run: nothing is written any more
		f.isl.Abandon()
		return false
	case f.client.closed.Load():
		f.isl.Fail(f.info, ErrClosed)
		return false
	}
	w := f.client.window
	if w.take(records, bytes) {
		return true
	}
	if f.client.is.Linger > longLinger {
		// What lingers is in the way, the neighbours' records too.
		ctx, stop := context.WithCancel(f.run.Context())
		defer stop()
		f.run.Go("flush", func() { _ = f.client.kgo.Flush(ctx) })
	}
	h := &waiter{records: records, bytes: bytes, wake: f.isl.Wake}
	w.enqueue(h)
	admitted := false
	ready := f.isl.Await(func() bool {
		admitted = admitted || w.admit(h)
		return admitted || f.isl.CutOff()
	})
	switch {
	case ready && admitted:
		return true
	case admitted:
		w.refund(records, bytes)
	default:
		w.leave(h)
	}
	if ready {
		f.isl.GiveBack()
	} else {
		f.isl.Abandon()
	}
	return false
}

// longLinger is a linger that is worth ending when a stream waits for the window; a shorter one
// ends by itself soon enough, and with fuller batches.
const longLinger = 50 * time.Millisecond

// room waits, within an envelope of more records than the client has room for, until there is some;
// false: the run was stopped first. Produce would wait for it too, where a stop cannot reach it.
func (f *flight) room() bool {
	limit := int64(f.client.is.MaxBufferedRecords) * 9 / 10
	fits := func() bool { return f.sent.Load()-f.outcomes.Load() < limit }
	if f.run.Stopped() {
		return false
	}
	if fits() {
		return true
	}
	f.crowded.Store(true)
	defer f.crowded.Store(false)
	return f.isl.Await(fits)
}

// send hands an entry over.
func (f *flight) send(e *entry) {
	f.sent.Store(f.sent.Load() + 1)
	f.client.produce(f.run.Context(), e, f.clock.read())
}

// sendAll hands the entries of one envelope over, which the window has admitted together. Stopped
// half-way, it gives the element in hand up; those that were sent count as what they come to. The
// slice is cleared.
func (f *flight) sendAll(entries []*entry) {
	for i, e := range entries {
		if !f.room() {
			for _, rest := range entries[i:] {
				f.client.window.refund(1, rest.bytes)
			}
			f.isl.Abandon()
			break
		}
		f.send(e)
	}
	clear(entries)
}

// flush makes the client send what lingers, in the background. The client's own Flush ends when
// nothing at all is in flight, which with neighbours may never be so: it is ended when nothing of
// ours is.
func (f *flight) flush() {
	if f.client.is.Linger == 0 || f.empty() {
		return
	}
	f.again.Store(true)
	if f.flushing.Swap(true) {
		return
	}
	f.run.Go("flush", func() {
		for {
			f.again.Store(false)
			ctx, stop := context.WithCancel(f.run.Context())
			f.enough.Store(&stop)
			if !f.empty() {
				_ = f.client.kgo.Flush(ctx)
			}
			f.enough.Store(nil)
			stop()
			f.flushing.Store(false)
			if !f.again.Load() || f.run.Stopped() || f.flushing.Swap(true) {
				return
			}
		}
	})
}

// fault takes the failure of a record: the first one ends the run, unless failures are skipped; it
// reports whether they are. What fails after the run was stopped, or since the client was closed,
// says nothing of the record: it is not skipped, as its offset would go on over it.
func (f *flight) fault(t core.Token, err error) (skipped bool) {
	f.refused.Add(1)
	if f.skip && !f.run.Stopped() && !errors.Is(err, ErrClosed) {
		f.info.Skip()
		return true
	}
	if f.detached.Load() {
		return false
	}
	if f.faulted.Swap(true) || f.run.Stopped() {
		f.failed.Add(1)
	}
	f.run.FailAt(f.info, t, err)
	return false
}

// landed counts an outcome; it comes last in a promise.
func (f *flight) landed() {
	n := f.outcomes.Load() + 1
	f.outcomes.Store(n)
	if f.crowded.Load() {
		f.isl.Wake()
	}
	if stop := f.enough.Load(); stop != nil && n == f.sent.Load() {
		(*stop)()
	}
	if f.ending.Load() && n == f.sent.Load() {
		f.lastOnce.Do(func() { close(f.last) })
		f.isl.Wake()
	}
}

func (f *flight) empty() bool { return f.outcomes.Load() == f.sent.Load() }

// drain waits, after the last element, until every record has its outcome.
func (f *flight) drain() {
	f.ending.Store(true)
	if !f.empty() {
		f.flush()
		f.isl.Await(f.empty)
	}
}

// finish is the end of the run: outcomes are still collected until ctx ends, then nobody is told
// any more. undelivered counts the results that were not passed on.
func (f *flight) finish(ctx context.Context, undelivered func() int64) error {
	ctx, cancel := context.WithTimeout(ctx, f.client.close)
	defer cancel()
	f.ending.Store(true)
	var err error
	if !f.empty() {
		err = f.collect(ctx)
	}
	f.detached.Store(true)
	o := f.client.unknown(f.sent.Load()-f.outcomes.Load(), err)
	o.Failed = f.failed.Load()
	if undelivered != nil && f.run.Stopped() {
		o.Undelivered = undelivered()
	}
	if o.Failed == 0 && o.Unknown == 0 && o.Undelivered == 0 {
		return nil
	}
	return o
}

func (f *flight) collect(ctx context.Context) error {
	flushing, stop := context.WithCancel(ctx)
	flushed := make(chan struct{})
	f.run.Go("flush", func() {
		defer close(flushed)
		_ = f.client.kgo.Flush(flushing)
	})
	defer func() {
		stop()
		<-flushed
	}()
	select {
	case <-f.last:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
