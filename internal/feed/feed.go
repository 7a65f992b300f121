package feed

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/memory"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

// DefaultQueue is the number of elements that wait in a partition's queue at most, as far as Room
// can help it.
const DefaultQueue = 1024

// Options of a [Feed]. The zero value is usable.
type Options struct {
	// Limit bounds each assignment's tracker; 0 is [tracker.DefaultLimit].
	Limit int
	// Queue bounds each partition's queue; 0 is DefaultQueue.
	Queue int
	// Plain: elements carry no Committable, so a hand-over ends their tokens.
	Plain bool
	// Once: what has begun is never delivered again, whatever became of it.
	Once bool
	// More says, when a drain begins, whether there would have been more elements; nil is always.
	// It is called with no lock held.
	More func() bool
	// Moved is called when some frontier has moved: there is more to commit. It must not block. nil
	// is nobody.
	Moved func()
	// Bell is rung when something changes; several feeds of one poller share it. nil is one of the
	// feed's own.
	Bell *Bell
}

// Feed joins a poller to an island. Its methods may be called from any goroutine, except that one
// goroutine at a time delivers.
type Feed[T any] struct {
	// Fixed when it is made.
	run  *core.Run
	isl  *core.Island
	opts Options
	bell *Bell

	abandoned atomic.Bool  // some tracker has told so since Rewind looked last
	rewinding atomic.Int32 // assignments that wait to be rewound
	over      atomic.Bool  // complete or cancelled: nothing is rewound any more

	mu        sync.Mutex
	live      map[topics.Partition]*Assignment[T]
	rota      []*Assignment[T] // the live ones: the island takes of one after the other
	upNext    int              // in rota: of whom it takes next
	inHand    *Assignment[T]   // whose elements the island has
	complete  bool
	cancelled bool
	hurry     *core.Hurry // while the poller is held back; nil is not
}

// New makes a feed for the island whose intake it is.
func New[T any](isl *core.Island, o Options) *Feed[T] {
	if o.Queue <= 0 {
		o.Queue = DefaultQueue
	}
	if o.Moved == nil {
		o.Moved = func() {}
	}
	if o.Bell == nil {
		o.Bell = &Bell{}
	}
	if o.More == nil {
		o.More = func() bool { return true }
	}
	return &Feed[T]{run: isl.Run(), isl: isl, opts: o, bell: o.Bell, live: map[topics.Partition]*Assignment[T]{}}
}

// Listen returns a channel that is closed when something changes that a poller may wait for: there
// is room, nothing is outstanding, something was abandoned, a queue has run low, the feed was
// cancelled. Listen first, then look, then wait.
func (f *Feed[T]) Listen() <-chan struct{} { return f.bell.Listen() }

// Ring wakes those who listen.
func (f *Feed[T]) Ring() { f.bell.Ring() }

// NeedsRewind reports whether something was given up since Rewind looked last, or is ready to be
// read again: Rewind would find something to do.
func (f *Feed[T]) NeedsRewind() bool { return f.abandoned.Load() || f.rewindable() }

// Rewinding reports whether a partition waits to be read again.
func (f *Feed[T]) Rewinding() bool { return f.rewinding.Load() > 0 }

// ErrAssigned says that the partition is assigned already. It is wrapped with the partition's name.
var ErrAssigned = errors.New("vicuna: the partition is assigned already")

// Assign begins an assignment of a partition that has none in this feed, or one that is being
// revoked. start is what is committable until something of it is finished; usually the zero Mark.
func (f *Feed[T]) Assign(p topics.Partition, start tracker.Mark) (*Assignment[T], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a := f.live[p]; a != nil && a.current() {
		return nil, fmt.Errorf("%w: %v; this is a mistake of vicuna's own: please report it", ErrAssigned, p)
	}
	return f.assign(p, start)
}

func (f *Feed[T]) assign(p topics.Partition, start tracker.Mark) (*Assignment[T], error) {
	a := &Assignment[T]{feed: f, partition: p, next: -1}
	a.charges = memory.NewCharges(func(int64, int) { f.bell.Ring() })
	a.tracker = tracker.New(tracker.Options{
		Topic: p.Topic, Partition: p.Partition, Limit: f.opts.Limit, Plain: f.opts.Plain, Start: start, Notify: f.notify,
		Observer: a.charges,
	})
	a.before = f.live[p]
	after := uint32(0)
	if a.before != nil {
		after = a.before.index
	}
	index, err := f.run.Ledger.Register(a.tracker, after)
	if err != nil {
		return nil, err
	}
	a.index = index
	f.live[p] = a
	a.at = len(f.rota)
	f.rota = append(f.rota, a)
	return a, nil
}

// notify hears of every tracker's changes.
func (f *Feed[T]) notify(ev tracker.Event) {
	if ev&tracker.Abandoned != 0 {
		f.abandoned.Store(true)
	}
	if ev&(tracker.Zero|tracker.Room|tracker.Abandoned|tracker.Less|tracker.Reached) != 0 {
		f.bell.Ring()
	}
	if ev&tracker.Moved != 0 {
		f.opts.Moved()
	}
}

// Complete says that nothing more will be delivered: the island completes when the queues are
// empty.
func (f *Feed[T]) Complete() {
	f.over.Store(true)
	f.mu.Lock()
	f.complete = true
	f.mu.Unlock()
	f.isl.Wake()
	f.bell.Ring()
}

// Over reports whether nothing more can be delivered: the feed is complete, or its island has
// cancelled it.
func (f *Feed[T]) Over() bool { return f.over.Load() }

// Hurry lets the run hurry while the poller is held back by what is outstanding, by a full tracker
// with an empty queue, or at the end of its records: holders would wait for more elements for ever.
// Each call with true looks for finished tokens that were not reported.
func (f *Feed[T]) Hurry(on bool) {
	f.mu.Lock()
	switch {
	case !on:
		f.hurry.Release()
		f.hurry = nil
	case f.hurry == nil:
		f.hurry = f.run.Hurry("held back")
	}
	f.mu.Unlock()
	if on {
		f.run.CollectPending()
	}
}

// Each calls visit with every live assignment, under the feed's lock: visit calls nothing but the
// assignment's methods that say so.
func (f *Feed[T]) Each(visit func(*Assignment[T])) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.rota {
		visit(a)
	}
}

// Collect reports the finished tokens that islands have not reported yet. A commit loop calls it
// before it reads what is committable.
func (f *Feed[T]) Collect() { f.run.CollectPending() }

// remove takes an assignment out of the rota; the caller holds the lock. The last one takes its
// place, so that tens of thousands can go at once.
func (f *Feed[T]) remove(a *Assignment[T]) {
	if a.at < 0 {
		return
	}
	last := len(f.rota) - 1
	f.rota[a.at] = f.rota[last]
	f.rota[a.at].at = a.at
	f.rota[last] = nil
	f.rota = f.rota[:last]
	a.at = -1
	if f.live[a.partition] == a {
		if a.before != nil {
			f.live[a.partition] = a.before
		} else {
			delete(f.live, a.partition)
		}
		return
	}
	for other := f.live[a.partition]; other != nil; other = other.before {
		if other.before == a {
			other.before = a.before
			return
		}
	}
}

// all are the assignments of a partition that have not ended: the current one, and those before it
// that are being revoked. The caller holds the lock.
func (f *Feed[T]) all(p topics.Partition) (as []*Assignment[T]) {
	for a := f.live[p]; a != nil; a = a.before {
		as = append(as, a)
	}
	return as
}

// setState changes the state of an assignment; the caller holds the lock. While one waits to be
// rewound the stream hurries.
func (f *Feed[T]) setState(a *Assignment[T], s state) {
	was := a.state
	a.state = s
	switch {
	case s == rewinding && was != rewinding:
		f.rewinding.Add(1)
		a.hurry = f.run.Hurry("rewind")
	case was == rewinding && s != rewinding:
		f.rewinding.Add(-1)
		a.hurry.Release()
	}
}
