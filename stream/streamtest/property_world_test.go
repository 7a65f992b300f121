package streamtest_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/stream"
	"github.com/vicuna-go/vicuna/stream/streamtest"
)

type message = streamtest.TrackedMessage[int]

var errFault = errors.New("a fault of the test's")

// world is one seed: sources, a graph, what really happened to the records, and what was found
// wrong.
type world struct {
	channels atomic.Int64 // made by ToChan sinks
	seed     uint64
	graph    graph
	txn      bool
	clean    bool // nothing happens that gives anything up: no effect is made twice
	endless  bool // a Take ends nothing
	busy     bool // calls take their time
	sources  []*streamtest.TrackedSource[int]

	mu      sync.Mutex
	rng     *rand.Rand
	records map[place]*record
	ends    map[[2]int]int64 // next offset per source and partition
	checked map[[2]int]int64 // committed per source and partition
	seq     int64
	orders  map[orderKey][2]int64
	bad     error
	effects map[effect]bool       // in a clean world
	firsts  map[orderKey][2]int64 // last of them, where a stage is ordered
	leaving map[[2]int]bool       // partitions that are being revoked
	// In a transactional world: what has entered the transaction, and what was committed.
	inside    []output
	published map[effect]bool

	run     *runState
	runs    []*runState // those that were drained, under mu
	core    atomic.Pointer[core.Run]
	faults  atomic.Int32 // how many more user functions may fail the run, or an element
	final   atomic.Bool  // nothing fails any more
	revokes atomic.Int32 // that are under way
	slow    bool

	users   sync.WaitGroup // user code beside the runs: it commits what was handed over
	closing chan struct{}
}

// runState is what belongs to one run of the graph.
type runState struct {
	ends  bool          // all branches have a Take
	over  []atomic.Bool // per branch with a Take: it has had its share
	takes []atomic.Int32

	// Under the world's lock.
	begun map[[2]int]int64 // per source and partition, the last delivery that has begun
	cut   map[[2]int]int64 // begun, after the cut of a drain; nil before
	after map[[2]int]int64 // the last delivery that began later and lies after it, and the stage
	stage map[[2]int]int
}

// output is a piece of a record that has entered a transaction at a sink, or one of a batch with
// it.
type output struct {
	sink int
	leaf leaf
	prov []*delivery
}

// enters notes that a sink's output has entered the transaction.
func (w *world) enters(sink int, n *node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range n.leaves {
		w.inside = append(w.inside, output{sink, l, n.prov})
	}
}

// onTransaction checks what a transaction has committed: each output with its records' offsets, and
// none twice.
func (w *world) onTransaction(committed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	inside := w.inside
	w.inside = nil
	if !committed {
		return
	}
	for _, out := range inside {
		for _, d := range out.prov {
			at := d.rec.place
			if upTo := w.checked[[2]int{at.source, at.partition}]; at.offset >= upTo {
				w.violateLocked("torn: an output of %v was committed at sink %d, and its offset was not (up to %d): %v", at, out.sink, upTo, d.rec)
			}
		}
		e := effect{out.sink, out.leaf.d.rec.place, out.leaf.sub}
		if w.published[e] {
			w.violateLocked("doubled: an output of %v (part %d) was committed twice at sink %d: %v", e.at, e.sub, out.sink, out.leaf.d.rec)
		}
		w.published[e] = true
	}
}

// effect is one of a stage on a piece of a record.
type effect struct {
	stage int
	at    place
	sub   int64
}

type place struct {
	source, partition int
	offset            int64
}

type orderKey struct {
	sink, source, partition int
}

// record is one of a source's.
type record struct {
	place      place
	deliveries []*delivery
}

// delivery is a record that has come into the graph once. What descends from it is counted by the
// user functions that it meets.
type delivery struct {
	rec       *record
	run       *runState
	seq       int64
	m         *message
	live      atomic.Int32 // descendants that exist
	handed    atomic.Int32 // once for each token that was handed over
	answered  atomic.Int32 // of those, finished by another graph
	committed atomic.Bool
	gone      atomic.Int64 // when its assignment had ended, in nanoseconds; 0: it has not

	mu    sync.Mutex
	votes []*vote
}

// vote is a piece of a delivery that a Broadcast has given to branches with a Take.
type vote struct {
	before []atomic.Int32 // per branch with a Take: descendants that exist before it
}

func (d *delivery) vote(takes int) *vote {
	v := &vote{make([]atomic.Int32, takes)}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.votes = append(d.votes, v)
	return v
}

// done: each branch has taken it, or has had its share; and where all have a Take, one has taken
// it.
func (v *vote) done(run *runState) bool {
	taken := false
	for b := range v.before {
		left := v.before[b].Load() != 0
		if left && !run.over[b].Load() {
			return false
		}
		taken = taken || !left
	}
	return taken || !run.ends
}

func (d *delivery) done() bool {
	if d.live.Load() != 0 || d.handed.Load() > d.answered.Load() && !d.committed.Load() {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, v := range d.votes {
		if !v.done(d.run) {
			return false
		}
	}
	return true
}

// leaf is a piece of a delivery in an element. class is 0, or 1 + the branch that it is in, before
// that one's Take.
type leaf struct {
	d     *delivery
	sub   int64
	class int
	of    *vote // nil before the Broadcast
}

func (l leaf) add(n int32) {
	if l.class == 0 {
		l.d.live.Add(n)
	} else {
		l.of.before[l.class-1].Add(n)
	}
}

// node is an element of the graph. prov are the deliveries that it descends from as the engine sees
// it: what a FlatMap makes of a batch descends from the whole batch, so whoever is handed one of
// its outputs has to commit all of them.
type node struct {
	leaves []leaf
	prov   []*delivery
}

func (n *node) finish() {
	for _, l := range n.leaves {
		l.add(-1)
	}
}

func (n *node) hash(salt int) int {
	l := n.leaves[0]
	h := uint32(l.d.rec.place.source*31+l.d.rec.place.partition*7+int(l.d.rec.place.offset)*13+int(l.sub)*5+salt*17) * 2654435761
	return int(h >> 16 & 0xff)
}

// enter is the first stage behind a source.
func (w *world) enter(source int, m *message) *node {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := place{source, int(m.Partition), m.Offset}
	rec := w.records[at]
	w.seq++
	d := &delivery{rec: rec, run: w.run, seq: w.seq, m: m}
	d.live.Store(1)
	rec.deliveries = append(rec.deliveries, d)
	return &node{[]leaf{{d: d}}, []*delivery{d}}
}

func (w *world) violate(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.violateLocked(format, args...)
}

func (w *world) violateLocked(format string, args ...any) {
	if w.bad == nil {
		w.bad = fmt.Errorf(format, args...)
	}
}

func (w *world) intn(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rng.IntN(n)
}

// onCommit checks what a commit claims.
func (w *world) onCommit(source, partition int, offset int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := [2]int{source, partition}
	for at := w.checked[key]; at < offset; at++ {
		rec := w.records[place{source, partition, at}]
		if rec != nil && !rec.done() { // nil: a gap
			w.violateLocked("not done: offset %d of partition %d of source %d was committed (up to %d): %v", at, partition, source, offset, rec)
		}
	}
	w.checked[key] = max(w.checked[key], offset)
}

func (r *record) done() bool {
	for _, d := range r.deliveries {
		if d.done() {
			return true
		}
	}
	return false
}

func (r *record) String() string {
	s := fmt.Sprintf("%d deliveries", len(r.deliveries))
	for _, d := range r.deliveries {
		s += fmt.Sprintf(" {live %d, handed %d, answered %d, committed %v", d.live.Load(), d.handed.Load(), d.answered.Load(), d.committed.Load())
		for i, v := range d.votes {
			for b := range v.before {
				s += fmt.Sprintf(", piece %d in branch %d: %d over %v", i, b, v.before[b].Load(), d.run.over[b].Load())
			}
		}
		s += "}"
	}
	return s
}

// effect is called by each stage with effects when it meets an element first: over all runs and
// assignments that happens once, unless something was given up, and nothing begins after the cut of
// a drain.
func (w *world) effect(s stage, n *node) {
	if !s.repeatable {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.effectLocked(s.id, s.ordered && !strings.HasPrefix(s.kind, "mapAsync"), false, n)
	}
}

func (w *world) effectLocked(stage int, ordered, late bool, n *node) {
	for _, l := range n.leaves {
		at := l.d.rec.place
		key := [2]int{at.source, at.partition}
		if run := l.d.run; run.cut != nil && l.d.seq > run.cut[key] && !w.graph.batch {
			if late { // it was taken over before, and is seen only now
				run.cut[key] = l.d.seq
			} else if l.d.seq > run.after[key] {
				run.after[key], run.stage[key] = l.d.seq, stage
			}
		}
		l.d.run.begun[key] = max(l.d.run.begun[key], l.d.seq)
		// a branch may have had an effect on what no branch has taken then
		if !w.clean || w.graph.ends {
			continue
		}
		if e := (effect{stage, at, l.sub}); w.effects[e] {
			w.violateLocked("doubled: stage %d, %v, part %d: %v", stage, at, l.sub, l.d.rec)
		} else {
			w.effects[e] = true
		}
		line, now := orderKey{stage, at.source, at.partition}, [2]int64{at.offset, l.sub}
		if last := w.firsts[line]; ordered && (now[0] < last[0] || now[0] == last[0] && now[1] < last[1]) {
			w.violateLocked("order of effects: stage %d, partition %v: %v came after %v", stage, key, now, last)
		}
		w.firsts[line] = now
	}
}

// channelLine is between the numbers of sinks whose receivers have channels of their own.
const channelLine = 1000

// afterTheCut looks for what began after a cut, when everything that had been taken over was seen.
func (w *world) afterTheCut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, run := range w.runs {
		for key, seq := range run.after {
			if seq > run.cut[key] {
				w.violateLocked("begun after the cut: stage %d, source and partition %v, delivery %d after %d", run.stage[key], key, seq, run.cut[key])
			}
		}
	}
}

// makeCut notes that a drain has made its cut.
func (w *world) makeCut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.run.cut, w.run.after, w.run.stage = maps.Clone(w.run.begun), map[[2]int]int64{}, map[[2]int]int{}
	w.runs = append(w.runs, w.run)
}

// work is a call that takes its time, in a busy world.
func (w *world) work(ctx context.Context) {
	if !w.busy {
		return
	}
	select {
	case <-time.After(time.Duration(1+w.intn(50)) * time.Millisecond):
	case <-ctx.Done():
	}
}

// arrive is called by each sink with what it gets.
func (w *world) arrive(sink int, ordered bool, n *node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	// what it has taken lies in its channel for a while, or has waited to enter a transaction
	toChan := sink >= channelLine
	w.effectLocked(-(sink % channelLine), ordered && !toChan, toChan || w.txn, n)
	for _, l := range n.leaves {
		key := orderKey{sink, l.d.rec.place.source, l.d.rec.place.partition}
		at := [2]int64{l.d.seq, l.sub}
		if last := w.orders[key]; ordered && (at[0] < last[0] || at[0] == last[0] && at[1] < last[1]) {
			w.violateLocked("order: at sink %d, partition %d: %v came after %v", sink, key.partition, at, last)
		}
		w.orders[key] = at
	}
}

// pause is a user function's work: most do not take any time.
func (w *world) pause(ctx context.Context) {
	k := w.intn(200)
	var d time.Duration
	switch {
	case k < 4:
		d = time.Millisecond * time.Duration(1+k)
	case k == 4 && w.slow:
		d = time.Second
	default:
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// fault tells whether a user function is to fail now for good.
func (w *world) fault() bool {
	if w.final.Load() || w.faults.Load() <= 0 || w.intn(60) > 0 {
		return false
	}
	return w.faults.Add(-1) >= 0
}

// entered lists what has come into the graph of some partitions.
func (w *world) entered(source int, ps []int32) (ds []*delivery) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for at, rec := range w.records {
		if at.source == source && slices.Contains(ps, int32(at.partition)) {
			ds = append(ds, rec.deliveries...)
		}
	}
	return ds
}

// gone notes that the assignments of deliveries have ended.
func gone(ds []*delivery) {
	now := time.Now().UnixNano()
	for _, d := range ds {
		d.gone.CompareAndSwap(0, now)
	}
}

// taken is called with what comes out of a boundary, or to a worker: nobody may see it after the
// end of all its assignments.
func (w *world) taken(n *node) {
	now := time.Now().UnixNano()
	for _, d := range n.prov {
		if at := d.gone.Load(); at == 0 || at == now {
			return
		}
	}
	w.violate("not dropped: %v came out of a boundary after the end of its assignment", n.prov[0].rec.place)
}

func (w *world) tap(src stream.Source[*node]) stream.Source[*node] { return src.Tap(w.taken) }

// give hands a node over to user code: from now on it is finished by Commit, also by one that came
// before.
func (n *node) give() {
	for _, d := range n.prov {
		d.handed.Add(1)
	}
	n.finish()
}

// commit is what the user does sooner or later.
func (w *world) commit(n *node) {
	commit := func() {
		for _, d := range n.prov {
			d.committed.Store(true)
			d.m.Commit()
		}
	}
	twice := w.intn(6) == 0
	if w.intn(3) == 0 {
		commit()
		if !twice {
			return
		}
	}
	d := time.Duration(w.intn(20)) * time.Millisecond
	w.users.Go(func() {
		<-time.After(d)
		commit()
		if twice {
			commit()
		}
	})
}

// answer is what another graph does sooner or later: once, and for nobody else's hand-over.
func (w *world) answer(n *node) {
	answer := func() {
		for _, d := range n.prov {
			d.answered.Add(1)
			streamtest.Answer(d.m)
		}
	}
	if w.intn(3) == 0 {
		answer()
		return
	}
	d := time.Duration(w.intn(20)) * time.Millisecond
	w.users.Go(func() {
		<-time.After(d)
		answer()
	})
}

func (w *world) sourceFor(i int) stream.Source[*node] {
	return stream.Map(w.sources[i].Source(), func(m *message) *node { return w.enter(i, m) })
}
