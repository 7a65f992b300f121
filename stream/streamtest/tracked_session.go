package streamtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/internal/tracker"
	"github.com/vicuna-go/vicuna/stream"
)

// TrackedMessage is a record of a [TrackedSource] with its place.
type TrackedMessage[T any] struct {
	Value     T
	Partition int32
	Offset    int64

	assignment *feed.Assignment[*TrackedMessage[T]]
	position   uint64
}

// Commit finishes the record where it was handed over to user code (by ToChan, All, ForEachManual).
// It may be called before that, while parts of the record are on their way, twice, and when its
// partition is long gone; it never waits.
func (m *TrackedMessage[T]) Commit() { m.assignment.Commit(m.position) }

// Source is the source of the records, as messages; a Committable consumer's.
func (s *TrackedSource[T]) Source() stream.Source[*TrackedMessage[T]] {
	opts := s.opts.feed
	return trackedSource(s, opts, func(a *feed.Assignment[*TrackedMessage[T]], w window[T]) []*TrackedMessage[T] {
		slab := make([]TrackedMessage[T], len(w.values))
		elements := make([]*TrackedMessage[T], len(w.values))
		position := a.Position()
		for i, v := range w.values {
			slab[i] = TrackedMessage[T]{v, w.partition, w.offset(i), a, position + uint64(i)}
			elements[i] = &slab[i]
		}
		return elements
	})
}

// Values is the source of the values alone, a plain consumer's: there is nothing to call Commit on,
// so a record is finished when it is handed over to user code.
func (s *TrackedSource[T]) Values() stream.Source[T] {
	opts := s.opts.feed
	opts.Plain = true
	return trackedSource(s, opts, func(_ *feed.Assignment[T], w window[T]) []T { return w.values })
}

// window is a run of records of a partition.
type window[T any] struct {
	partition int32
	values    []T
	offsets   []int64 // nil: consecutive
	first     int64
}

func (w window[T]) offset(i int) int64 {
	if w.offsets == nil {
		return w.first + int64(i)
	}
	return w.offsets[i]
}

// window reads up to n records from an index on.
func (s *TrackedSource[T]) window(partition int32, index, n int) window[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.logs[partition]
	end := min(len(l.values), index+n)
	if index >= end {
		return window[T]{}
	}
	w := window[T]{partition: partition, values: l.values[index:end:end], first: int64(index)}
	if l.offsets != nil {
		w.offsets = l.offsets[index:end]
	}
	return w
}

// trackedRun is one run of a source: a poller beside the island.
type trackedRun[T, E any] struct {
	// Fixed when it is made, but for the atomics: atEnd is the poller's, aborted and paused are set
	// by the test's calls.
	src     *TrackedSource[T]
	run     *core.Run
	feed    *feed.Feed[E]
	wrap    func(*feed.Assignment[E], window[T]) []E
	atEnd   atomic.Bool
	aborted atomic.Bool
	paused  atomic.Bool
	turn    chan struct{} // held by whoever ends a transaction

	// Under the source's lock.
	started bool
	held    map[int32]bool // partitions that are paused

	// The poller's.
	read map[*feed.Assignment[E]]int // where it goes on, as an index of the log
	live []*feed.Assignment[E]
}

func trackedSource[T, E any](s *TrackedSource[T], opts feed.Options, wrap func(*feed.Assignment[E], window[T]) []E) stream.Source[E] {
	return stream.Source[E](blueprint.NewSource(func(b *core.Builder, next func(core.At) core.Stage[E]) {
		name := b.Name("tracked")
		isl := b.Run.NewIsland()
		st := next(core.At{Island: isl})
		isl.AddStage(name)
		r := &trackedRun[T, E]{src: s, run: b.Run, wrap: wrap, turn: make(chan struct{}, 1), held: map[int32]bool{}, read: map[*feed.Assignment[E]]int{}}
		opts.More = func() bool { return !r.atEnd.Load() }
		r.feed = feed.New[E](isl, opts)
		core.Drive(isl, r.feed.Intake(), st)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.run != nil {
			b.Fail(ErrTracked)
			return
		}
		s.run = r
		b.Run.OnStart(r.start)
		b.Run.OnLast(r.end)
	}))
}

func (r *trackedRun[T, E]) start() {
	s := r.src
	s.mu.Lock()
	defer s.mu.Unlock()
	r.started = true
	if r.run.Draining() { // Concat: none is started then
		return
	}
	for p := range s.logs {
		if s.logs[p].assigned {
			_ = r.assign(int32(p))
		}
	}
	r.run.Go("tracked source", r.poll)
}

func (r *trackedRun[T, E]) end(ctx context.Context) error {
	if r.src.opts.transactional {
		r.last()
	}
	ends := r.feed.Finish(ctx)
	s := r.src
	s.mu.Lock()
	defer s.mu.Unlock()
	s.run = nil
	if !r.aborted.Load() {
		for _, e := range ends {
			s.commitEnd(e)
		}
	}
	return nil
}

// last ends the last transaction of a run whose islands have ended.
func (r *trackedRun[T, E]) last() {
	r.feed.Collect()
	if !r.endTransaction() {
		r.tellAborted()
	}
}

// endTransaction commits or aborts when nothing can enter any more.
func (r *trackedRun[T, E]) endTransaction() bool {
	r.turn <- struct{}{}
	defer func() { <-r.turn }()
	return r.commitWhole()
}

// tellAborted tells that the transaction was aborted.
func (r *trackedRun[T, E]) tellAborted() {
	s := r.src
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.onTxn != nil {
		s.onTxn(false)
	}
}

// poll is what the goroutine beside the island does: it delivers what there is room for, rewinds,
// and waits.
func (r *trackedRun[T, E]) poll() {
	defer r.feed.Hurry(false)
	for {
		changed := r.feed.Listen()
		if r.feed.Over() || r.run.Draining() || r.run.Stopped() {
			return
		}
		if err := r.rewind(); err != nil {
			r.run.Fail(err)
			return
		}
		delivered, heldBack, finished := r.pass()
		if finished {
			if !r.src.opts.transactional || r.endTransaction() {
				r.feed.Complete()
			}
			return
		}
		if delivered {
			continue
		}
		r.feed.Hurry(heldBack)
		select {
		case <-changed:
		case <-r.run.DrainC():
		case <-r.run.StopC():
		}
	}
}

// rewind delivers again what was abandoned; a transaction is aborted for that when it ends.
func (r *trackedRun[T, E]) rewind() error {
	if r.src.opts.transactional {
		return nil
	}
	r.src.mu.Lock()
	rewound, err := r.feed.Rewind()
	for _, a := range rewound {
		a.Pause(r.held[a.Partition().Partition])
	}
	r.src.mu.Unlock()
	for _, a := range rewound {
		r.read[a.Assignment] = r.index(a.Partition().Partition, a.From)
	}
	return err
}

// pass delivers from each partition once. heldBack: nothing more can be delivered until something
// is finished. finished: there is no more, and everything is finished.
func (r *trackedRun[T, E]) pass() (delivered, heldBack, finished bool) {
	ended := r.src.isEnded()
	atEnd, travelling := ended, false
	r.live = r.live[:0]
	r.feed.Each(func(a *feed.Assignment[E]) { r.live = append(r.live, a) })
	for _, a := range r.live {
		at, known := r.read[a]
		if !known {
			at = r.index(a.Partition().Partition, r.src.committedNow(a.Partition().Partition))
			r.read[a] = at
		}
		w := r.src.window(a.Partition().Partition, at, r.src.opts.poll)
		if len(w.values) == 0 {
			// In this order: what does not travel cannot be abandoned any more.
			travelling = travelling || a.Travelling() > 0 || a.Rewinding() || a.Abandoned() && !r.src.opts.transactional
			continue
		}
		atEnd = atEnd && !a.Live()
		room := a.Room()
		if room == 0 || r.paused.Load() {
			heldBack = heldBack || a.Starved()
			continue
		}
		if n := min(room, len(w.values)); n < len(w.values) {
			w.values = w.values[:n:n]
		}
		if r.deliver(a, w) {
			r.read[a] = at + len(w.values)
			delivered = true
		}
	}
	if len(r.read) > 2*len(r.live) {
		r.forget()
	}
	r.atEnd.Store(atEnd)
	return delivered, heldBack || atEnd, atEnd && !travelling
}

func (r *trackedRun[T, E]) deliver(a *feed.Assignment[E], w window[T]) bool {
	at := feed.Offsets{First: w.first}
	if w.offsets != nil {
		at.At = func(i int) (int64, int32) { return w.offsets[i], 0 }
	}
	return a.Deliver(feed.Delivery[E]{Vals: r.wrap(a, w), Offsets: at})
}

// forget leaves out the assignments that have ended.
func (r *trackedRun[T, E]) forget() {
	read := make(map[*feed.Assignment[E]]int, len(r.live))
	for _, a := range r.live {
		read[a] = r.read[a]
	}
	r.read = read
}

func (r *trackedRun[T, E]) index(partition int32, offset int64) int {
	r.src.mu.Lock()
	defer r.src.mu.Unlock()
	return r.src.logs[partition].index(offset)
}

func (s *TrackedSource[T]) isEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

func (s *TrackedSource[T]) committedNow(partition int32) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logs[partition].committed
}

func (r *trackedRun[T, E]) poke() { r.feed.Ring() }

// assign is called with the source's lock.
func (r *trackedRun[T, E]) assign(partition int32) error {
	if !r.started {
		return nil
	}
	r.held[partition] = false
	if _, err := r.feed.Assign(trackedPartition(partition), tracker.Mark{}); err != nil {
		r.run.Fail(err)
		return err
	}
	return nil
}

func (r *trackedRun[T, E]) revoke(within time.Duration, ps []topics.Partition) func() []feed.End {
	rev := r.feed.Revoke(within, ps...)
	if !r.src.opts.transactional || len(ps) == 0 {
		return rev.Wait
	}
	ctx, cancel := context.WithTimeout(r.run.Context(), within)
	return func() []feed.End {
		defer cancel()
		if !rev.Await() || r.epoch(ctx) != nil {
			r.abort()
		}
		return rev.End()
	}
}

func (r *trackedRun[T, E]) pause(ps []int32, paused bool) {
	for _, p := range ps {
		r.held[p] = paused
	}
	var as []*feed.Assignment[E]
	r.feed.Each(func(a *feed.Assignment[E]) {
		if slices.Contains(ps, a.Partition().Partition) {
			as = append(as, a)
		}
	})
	for _, a := range as {
		a.Pause(paused)
	}
	r.feed.Ring()
}

func (r *trackedRun[T, E]) lose(ps []topics.Partition) {
	if r.src.opts.transactional {
		r.abort()
	}
	r.feed.Lose(ps...)
}

func (r *trackedRun[T, E]) collect() { r.feed.Collect() }

func (r *trackedRun[T, E]) committable(visit func(int32, tracker.Mark)) {
	if r.aborted.Load() {
		return
	}
	r.feed.Each(func(a *feed.Assignment[E]) {
		if m, ok := a.Committable(); ok {
			visit(a.Partition().Partition, m)
		}
	})
}

func (r *trackedRun[T, E]) outstanding(partition int32) (n int) {
	r.feed.Each(func(a *feed.Assignment[E]) {
		if a.Partition().Partition == partition {
			n += a.Outstanding()
		}
	})
	return n
}

func (r *trackedRun[T, E]) oldest(partition int32) (offset int64, age time.Duration, ok bool) {
	r.feed.Each(func(a *feed.Assignment[E]) {
		if a.Partition().Partition == partition {
			offset, age, ok = a.Oldest()
		}
	})
	return offset, age, ok
}

func (r *trackedRun[T, E]) abort() {
	r.aborted.Store(true)
	r.run.Stop(ErrAborted)
}

func (r *trackedRun[T, E]) checkpoint(ctx context.Context) error {
	if r.src.opts.transactional {
		return r.epoch(ctx)
	}
	r.paused.Store(true)
	defer func() {
		r.paused.Store(false)
		r.feed.Ring()
	}()
	if !r.feed.Quiesce(ctx) {
		return r.unfinished(ctx)
	}
	s := r.src
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.run.Stopped() {
		return ErrAborted
	}
	r.committable(s.commit)
	return nil
}

// unfinished is what a checkpoint returns that did not come to its end.
func (r *trackedRun[T, E]) unfinished(ctx context.Context) error {
	cause := context.Cause(ctx)
	if r.run.Stopped() {
		cause = errors.Join(stream.ErrStopped, r.run.Err())
	}
	return fmt.Errorf("vicuna: streamtest: the checkpoint was given up: %w", cause)
}

// epoch ends a transaction.
func (r *trackedRun[T, E]) epoch(ctx context.Context) error {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return r.unfinished(ctx)
	}
	gate := r.run.Gate()
	gate.Close()
	defer gate.Open()
	switch r.feed.AwaitEpoch(ctx) {
	case feed.Unfinished:
		return r.unfinished(ctx)
	case feed.Whole:
		if r.commitWhole() {
			return nil
		}
	}
	r.abort()
	return ErrAborted
}

// commitWhole commits what is finished, or aborts the run where something was given up; whoever
// calls it has the turn, where the source is transactional.
func (r *trackedRun[T, E]) commitWhole() bool {
	s := r.src
	s.mu.Lock()
	whole := !r.run.Stopped() && !r.aborted.Load()
	if s.opts.transactional {
		r.feed.Each(func(a *feed.Assignment[E]) { whole = whole && !a.Abandoned() })
	}
	if whole {
		r.committable(s.commit)
		if s.opts.transactional && s.onTxn != nil {
			s.onTxn(true)
		}
	}
	s.mu.Unlock()
	if !whole {
		r.abort()
	}
	return whole
}
