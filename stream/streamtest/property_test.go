package streamtest_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/bubble"
	"github.com/vicuna-go/vicuna/stream"
	"github.com/vicuna-go/vicuna/stream/streamtest"
)

var (
	propertySeed  = flag.Uint64("property.seed", 0, "replay one world: its graph and what happens to it, not the scheduling")
	propertyTimes = flag.Int("property.times", 0, "how many worlds; with a seed: how many times that one")
)

// Over random graphs, under random revokes, losses, aborts, faults and drains: nothing is committed
// that was not done, nothing is lost, nothing is stranded, order per partition is kept where the
// graph is ordered, and nothing is left behind.
//
// In half of the worlds nothing happens that gives anything up: there each stage has its effect on
// each piece of a record once, over all runs and assignments, and in order where the graph is.
func TestProperty(t *testing.T) {
	worlds, first := 2000, uint64(1)
	if testing.Short() {
		worlds = 300
	}
	if *propertyTimes > 0 {
		worlds = *propertyTimes
	}
	replay := *propertySeed != 0
	for i := range worlds {
		seed := first + uint64(i)
		if replay {
			seed = *propertySeed
		}
		if err := simulate(t, seed); err != nil {
			t.Fatalf("%v\ngo test ./stream/streamtest -run TestProperty -property.seed=%d -property.times=100", err, seed)
		}
		if replay && *propertyTimes == 0 {
			return
		}
	}
}

func simulate(t *testing.T, seed uint64) error {
	var w *world
	defer func() {
		if p := recover(); p != nil {
			panic(fmt.Sprintf("%v\nseed %d: %v", p, seed, &w.graph))
		}
	}()
	bubble.Test(t, func(t *testing.T) {
		w = newWorld(seed)
		w.play(t)
	})
	if w.bad != nil {
		return fmt.Errorf("seed %d, transactional %v, clean %v, %v\n%w", seed, w.txn, w.clean, &w.graph, w.bad)
	}
	return nil
}

func newWorld(seed uint64) *world {
	r := rand.New(rand.NewPCG(seed, 0x76696375))
	w := &world{
		seed: seed, rng: r, txn: r.IntN(3) == 0, clean: r.IntN(2) == 0, busy: r.IntN(3) == 0, slow: r.IntN(3) == 0, closing: make(chan struct{}),
		published: map[effect]bool{}, effects: map[effect]bool{}, firsts: map[orderKey][2]int64{}, leaving: map[[2]int]bool{},
		records: map[place]*record{}, ends: map[[2]int]int64{}, checked: map[[2]int]int64{}, orders: map[orderKey][2]int64{},
	}
	w.txn = w.txn && !w.clean
	w.graph = randomGraph(r, w.txn)
	n := 1
	if w.graph.join == "merge" || w.graph.join == "concat" {
		n = 2
	}
	for i := range n {
		opts := []streamtest.TrackedOption{
			streamtest.TrackLimit([]int{1, 2, 5, 20, 1000}[r.IntN(5)]), streamtest.QueueLimit(1 + r.IntN(20)), streamtest.PollSize(1 + r.IntN(10)),
		}
		if w.txn {
			opts = append(opts, streamtest.Transactional())
		}
		src := streamtest.NewTracked[int](1+r.IntN(3), opts...)
		src.OnCommit(func(p int32, offset int64) { w.onCommit(i, int(p), offset) })
		src.OnTransaction(w.onTransaction)
		w.sources = append(w.sources, src)
	}
	for i := range w.sources {
		for p := range w.partitions(i) {
			w.append(i, p, r.IntN(25))
		}
	}
	return w
}

func (w *world) partitions(source int) int { return w.sources[source].Partitions() }

func (w *world) append(source, partition, n int) {
	key := [2]int{source, partition}
	w.mu.Lock()
	if w.rng.IntN(5) == 0 {
		w.ends[key] += 3
		w.sources[source].Skip(int32(partition), 3)
	}
	for range n {
		at := place{source, partition, w.ends[key]}
		w.records[at] = &record{place: at}
		w.ends[key]++
	}
	w.mu.Unlock()
	w.sources[source].Append(int32(partition), make([]int, n)...)
}

// play runs the graph a few times with everything that happens, and then once without.
func (w *world) play(t *testing.T) {
	g := w.build()
	for range 1 + w.intn(3) {
		if faults := int32(w.intn(3)); !w.clean {
			w.faults.Store(faults)
		}
		w.final.Store(false)
		w.episode(g)
		if w.failed() {
			break
		}
	}
	if !w.failed() {
		w.last(g)
	}
	if !w.failed() {
		w.afterTheCut()
	}
	close(w.closing)
	w.users.Wait()
}

func (w *world) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bad != nil
}

func (w *world) start(ctx context.Context, g stream.Graph) *stream.Control {
	w.run = &runState{ends: w.graph.ends, over: make([]atomic.Bool, w.graph.takes), takes: make([]atomic.Int32, w.graph.takes), begun: map[[2]int]int64{}}
	var opts []stream.RunOption
	if w.clean {
		opts = append(opts, stream.DrainTimeout(generous))
	}
	c, err := g.Start(ctx, opts...)
	if err != nil {
		w.violate("start: %v", err)
	}
	return c
}

func wait(d time.Duration) { <-time.After(d) }

// generous is longer than anything takes.
const generous = 1000 * time.Hour

// episode is a run to which things happen.
func (w *world) episode(g stream.Graph) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := w.start(ctx, g)
	if c == nil {
		return
	}
	var beside, committer sync.WaitGroup
	if w.txn && w.intn(3) > 0 {
		committer.Go(func() { w.commitEvery(time.Duration(1+w.intn(10))*time.Millisecond, c) })
	}
	for range w.intn(8) {
		wait(time.Duration(w.intn(30)*w.intn(30)) * 100 * time.Microsecond)
		if w.over(c) {
			break
		}
		w.happen(&beside)
	}
	switch k := w.intn(10); {
	case k < 2:
		cancel()
	case k < 5 || w.clean && k < 8:
		now, over := context.WithCancel(context.Background())
		over()
		_ = c.Drain(now) // returns when the cut is made
		w.makeCut()
	case k < 7:
		c.Stop()
	case k < 8:
		for _, s := range w.sources {
			s.Abort()
		}
		c.Stop() // Concat may not have started a source yet
	default:
		beside.Wait()
		w.quiescent(c, true)
		_ = c.Drain(context.Background())
	}
	<-c.Done()
	beside.Wait()
	committer.Wait()
	w.noHurry()
	w.outcome(c.Err())
	if c.Err() == nil && w.clean && w.graph.ends && w.graph.plain {
		w.allCommitted()
	}
	if givenUp := c.Snapshot().GivenUp; w.clean && len(givenUp) > 0 {
		w.violate("given up: %v", givenUp)
	}
}

// noHurry: when a run is over, and all revokes of it have returned, nothing hurries any more.
func (w *world) noHurry() {
	if r := w.core.Load(); r != nil {
		if left := r.Hurries(); len(left) > 0 {
			w.violate("hurries after the end: %v", left)
		}
	}
}

// allCommitted: a run that has completed because all branches have ended has committed what one of
// them has taken.
func (w *world) allCommitted() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, s := range w.sources {
		for p := range s.Partitions() {
			at := place{i, p, s.Committed(int32(p))}
			if rec := w.records[at]; rec != nil && rec.done() {
				w.violateLocked("stranded: the run has completed, and %v is done and not committed: %v", at, rec)
			}
		}
	}
}

func (w *world) over(c *stream.Control) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}

func (w *world) outcome(err error) {
	if w.clean && err != nil && (!errors.Is(err, stream.ErrDrained) || errors.As(err, new(*stream.GivenUpError))) {
		w.violate("outcome: %v", err)
	}
	var stuck *stream.StuckError
	for _, fine := range []error{nil, stream.ErrDrained, stream.ErrStopped, streamtest.ErrAborted, errFault, stream.ErrDrainTimeout} {
		if errors.Is(err, fine) && !errors.As(err, &stuck) {
			return
		}
	}
	w.violate("outcome: %v", err)
}

// revoke: a retry of another partition, which pauses for longer, does not hold it up.
func (w *world) revoke(i int, within time.Duration, ps []int32) {
	src := w.sources[i]
	var before []*delivery
	// else some may be of an earlier assignment, which is being revoked still
	if w.revokes.Add(1) == 1 {
		before = w.entered(i, ps)
	}
	began := time.Now()
	revoked := src.Revoke(within, ps...)
	w.revokes.Add(-1)
	for _, d := range before {
		for _, r := range revoked {
			if int(r.Partition) == d.rec.place.partition {
				gone([]*delivery{d})
			}
		}
	}
	for _, r := range revoked {
		if w.clean && r.Dropped > 0 {
			w.violate("dropped: %v", r)
		}
	}
	if w.txn { // the end of the transaction waits for what has entered of kept partitions, too
		return
	}
	if within < time.Minute || w.graph.fails || w.graph.late && (w.graph.aside > 0 || w.graph.mixed) {
		return
	}
	if took := time.Since(began); took > within/2 {
		w.violate("held up: a revoke of %v took %v: %v", ps, took, revoked)
	}
}

// commitEvery ends transactions at an interval, as a session does, until the run is over.
func (w *world) commitEvery(interval time.Duration, c *stream.Control) {
	for n := 0; !w.over(c) && n < 1000; n++ {
		select {
		case <-time.After(interval):
		case <-c.Done():
		}
		ctx, cancel := context.WithTimeout(context.Background(), generous)
		_ = w.sources[0].Checkpoint(ctx)
		cancel()
	}
}

func (w *world) happen(beside *sync.WaitGroup) {
	i := w.intn(len(w.sources))
	src := w.sources[i]
	var ps []int32
	for p := range w.partitions(i) {
		if w.intn(2) == 0 {
			ps = append(ps, int32(p))
		}
	}
	within := []time.Duration{0, time.Millisecond, 100 * time.Millisecond, time.Minute, late - time.Minute}[w.intn(5)]
	k := w.intn(20)
	if w.clean || w.txn { // nobody has a partition before its last owner has let it go
		w.mu.Lock()
		ps = slices.DeleteFunc(ps, func(p int32) bool { return w.leaving[[2]int{i, int(p)}] })
		w.mu.Unlock()
	}
	if w.clean {
		within = generous
		if k == 9 || k == 10 {
			k = 5 // a revoke, no loss
		}
	}
	leaving := func(is bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, p := range ps {
			w.leaving[[2]int{i, int(p)}] = is
		}
	}
	switch {
	case k < 4:
		for p := range w.partitions(i) {
			src.Committed(int32(p))
		}
	case k < 9:
		leaving(true)
		revoke := func() {
			w.revoke(i, within, ps)
			leaving(false)
			if w.intn(2) == 0 {
				src.Assign(ps...)
			}
		}
		if w.intn(2) == 0 {
			beside.Go(revoke)
		} else {
			revoke()
		}
	case k < 11:
		before := w.entered(i, ps)
		src.Lose(ps...)
		gone(before)
	case k < 14:
		src.Assign(ps...)
	case k < 16:
		for _, p := range ps {
			w.append(i, int(p), w.intn(10))
		}
	case k < 18 && w.txn:
		ctx, cancel := context.WithTimeout(context.Background(), within)
		_ = src.Checkpoint(ctx)
		cancel()
	case k == 18 && !w.txn:
		src.Pause(ps...)
	case k == 19 && !w.txn:
		src.Resume(ps...)
	}
}

// quiescent: when nothing moves any more, everything that can be is finished and visible.
func (w *world) quiescent(c *stream.Control, faults bool) {
	w.final.Store(true)
	for _, s := range w.sources {
		for p := range s.Partitions() {
			s.Assign(int32(p))
			s.Resume(int32(p))
		}
	}
	wait(time.Hour)
	if w.over(c) {
		return
	}
	if w.core.Load().Dropping() {
		w.violate("stranded: dropped elements are still looked for")
	}
	for i, s := range w.sources {
		// A Batch keeps what it has until somebody hurries.
		for last, same := int64(-1), 0; same < 2; {
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			err := s.Checkpoint(ctx)
			cancel()
			switch {
			case err == nil:
			case w.over(c) || faults && (errors.Is(err, streamtest.ErrAborted) || errors.Is(err, stream.ErrStopped)):
				return
			case w.graph.join == "concat" && errors.Is(err, streamtest.ErrNoRun):
			default:
				w.violate("stranded: a checkpoint of source %d failed: %v%v", i, err, w.waiting(i))
			}
			wait(time.Minute)
			sum := int64(0)
			for p := range s.Partitions() {
				sum += s.Committed(int32(p))
			}
			if same++; sum != last {
				last, same = sum, 0
			}
		}
		for p := range s.Partitions() {
			w.visible(i, p, faults)
		}
	}
}

// waiting describes the oldest outstanding record of each partition.
func (w *world) waiting(source int) (text string) {
	s := w.sources[source]
	for p := range s.Partitions() {
		if offset, age, ok := s.Oldest(int32(p)); ok {
			text += fmt.Sprintf("\npartition %d: %d outstanding; offset %d since %v: %v", p, s.Outstanding(int32(p)), offset, age, w.records[place{source, p, offset}])
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for at, rec := range w.records {
		if at.source == source && !rec.done() {
			text += fmt.Sprintf("\nnot done: %v: %v", at, rec)
		}
	}
	return text
}

func (w *world) visible(source, partition int, faults bool) {
	s := w.sources[source]
	committed, outstanding := s.Committed(int32(partition)), s.Outstanding(int32(partition))
	if outstanding != 0 && !(w.txn && w.graph.batch) {
		w.violate("stranded: nothing moves, and %d records of partition %d of source %d are outstanding; %v", outstanding, partition, source,
			w.waiting(source))
	}
	if w.graph.join == "concat" && faults {
		return // the first source may be over, the second may wait for it
	}
	if w.txn && w.graph.batch {
		return // the end of a transaction does not hurry what has not entered it
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if end := w.end(source, partition); committed < end {
		w.violateLocked("stranded: nothing moves, and %d of %d are committed in partition %d of source %d: %v", committed, end, partition, source,
			w.records[place{source, partition, committed}])
	}
}

// end is the offset after the last record.
func (w *world) end(source, partition int) (end int64) {
	for at := range w.records {
		if at.source == source && at.partition == partition {
			end = max(end, at.offset+1)
		}
	}
	return end
}

// last is a run to which nothing happens: it finishes everything.
func (w *world) last(g stream.Graph) {
	w.final.Store(true)
	for _, s := range w.sources {
		if w.graph.join == "concat" || w.txn || w.intn(2) == 0 {
			s.End()
		}
		for p := range s.Partitions() {
			s.Assign(int32(p))
		}
	}
	if w.graph.ends {
		w.endless = true
		g = w.build()
	}
	c := w.start(context.Background(), g)
	if c == nil {
		return
	}
	w.quiescent(c, false)
	defer func() {
		w.noHurry()
		if givenUp := c.Snapshot().GivenUp; w.clean && len(givenUp) > 0 {
			w.violate("given up: %v", givenUp)
		}
	}()
	if err := c.Drain(context.Background()); err != nil {
		w.violate("the last run: %v", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for at, rec := range w.records {
		if !rec.done() {
			w.violateLocked("lost: %v was never done: %v", at, rec)
		}
		if c := w.sources[at.source].Committed(int32(at.partition)); c <= at.offset {
			w.violateLocked("stranded: %v is done and not committed (%d)", at, c)
		}
	}
}

func TestPropertyReportsItsSeed(t *testing.T) {
	a, b := newWorld(17), newWorld(17)
	require.Equal(t, fmt.Sprint(&a.graph), fmt.Sprint(&b.graph))
}
