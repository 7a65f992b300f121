package model

import (
	"fmt"
	"math/rand/v2"
)

// world is one simulation: a graph, the partitions, and the runs of the graph one after the other.
type world struct {
	rng   *rand.Rand
	rules *rules
	txn   bool
	slow  bool // brokers and users take their time: everything backs up
	graph *graph
	final bool // the last run: nothing goes wrong any more, and a Take takes all

	records    int             // per partition
	committed  []int           // per partition
	deliveries [][][]*delivery // per partition and record

	assignments map[int32]*assignment
	lastIndex   int32
	generation  int32
	composites  []composite
	rewinds     []*assignment
	loose       pendingRun

	run    *run
	sinks  []*sink // of this run and of those before: their acknowledgements still come
	user   []handed
	faults int
	events int
	failed bool // a fault: the run stops hard

	steps  int
	bad    *violation
	log    func(format string, args ...any)
	seen   [sawCount]int
	orders map[int]map[int][3]int
}

const maxSteps = 60_000

func newWorld(seed uint64, rl *rules) *world {
	r := rand.New(rand.NewPCG(seed, 0x76696375))
	w := &world{
		rng: r, rules: rl, txn: r.IntN(4) == 0, slow: r.IntN(3) == 0, records: 4 + r.IntN(8), events: 2 + r.IntN(6), faults: r.IntN(5),
		assignments: map[int32]*assignment{}, orders: map[int]map[int][3]int{},
	}
	w.graph = randomGraph(r, w.txn)
	parts := 1 + r.IntN(3)
	w.committed = make([]int, parts)
	for range parts {
		w.deliveries = append(w.deliveries, make([][]*delivery, w.records))
	}
	return w
}

func (w *world) trace(format string, args ...any) {
	if w.log != nil {
		w.log("%5d "+format, append([]any{w.steps}, args...)...)
	}
}

// simulate runs a world to its end and returns what was wrong with it.
func (w *world) simulate() *violation {
	for w.bad == nil {
		if w.events <= 0 {
			w.final, w.faults = true, 0
		}
		w.start()
		for w.bad == nil && !w.run.stopped {
			w.step()
		}
		if w.final {
			break
		}
	}
	w.checkEnd()
	return w.bad
}

// checkEnd: after a last run in which nothing went wrong, everything is done and committed.
func (w *world) checkEnd() {
	for p := range w.committed {
		for rec := range w.records {
			if !w.complete(p, rec) {
				w.violate("lost", "record %d of partition %d was never done", rec, p)
			}
		}
		if w.committed[p] < w.records {
			w.violate("stranded", "partition %d is committed to %d of %d only", p, w.committed[p], w.records)
		}
	}
}

// step lets one part of the world, drawn at random, move a little.
func (w *world) step() {
	if w.steps++; w.steps > maxSteps {
		w.violate("stranded", "the world goes round in circles")
		return
	}
	moved := true
	switch k := w.rng.IntN(100); {
	case k < 70:
		moved = w.run.islands[w.rng.IntN(len(w.run.islands))].step()
	case k < 80:
		moved = w.sourceStep(w.rng.IntN(len(w.run.parts)))
	case k < 90:
		if !w.slow || w.rng.IntN(6) == 0 {
			w.outsideStep()
		}
	case k < 93:
		if !w.failed {
			w.tick()
		}
	case k < 96:
		w.checkRevokes()
		w.checkEpoch()
	case k < 97 && w.rng.IntN(4) == 0:
		w.event()
	default:
		moved = false
	}
	if !moved && w.rng.IntN(4) == 0 && !w.anything() {
		w.quiescent()
	}
	w.consequences()
}

func (w *world) sourceStep(part int) bool {
	a := w.run.parts[part]
	if w.run.draining || w.run.ending {
		return w.txn && w.rules.EpochKeepsPolled && w.deliver(a)
	}
	if w.rng.IntN(2) == 0 {
		return w.poll(a) || w.deliver(a)
	}
	return w.deliver(a) || w.poll(a)
}

// outsideStep is the broker's or the user's.
func (w *world) outsideStep() bool {
	if w.rng.IntN(3) == 0 && w.userStep() {
		return true
	}
	if len(w.sinks) > 0 && w.acknowledge(w.sinks[w.rng.IntN(len(w.sinks))]) {
		if w.rng.IntN(2) == 0 {
			w.readAcknowledged()
		}
		return true
	}
	return false
}

// anything tries everybody in turn, and tells whether somebody could move.
func (w *world) anything() bool {
	off := w.rng.IntN(len(w.run.islands))
	for i := range w.run.islands {
		if w.run.islands[(i+off)%len(w.run.islands)].step() {
			return true
		}
	}
	for p := range w.run.parts {
		if w.sourceStep(p) {
			return true
		}
	}
	for _, s := range w.sinks {
		if w.acknowledge(s) {
			return true
		}
	}
	return w.readAcknowledged() || w.userStep() || w.checkRevokes() || w.checkEpoch()
}

// quiescent is called when nothing can move. What was waited for should have arrived.
func (w *world) quiescent() {
	if w.readPending() { // a source that is held back looks as well: no commit loop may be there to do it
		return
	}
	w.tick()
	r := w.run
	for _, a := range r.parts {
		switch {
		case a == nil:
		case a.revoking:
			w.violate("stranded", "a revoke of partition %d waits for %d records for ever", a.part, a.out)
		case r.epochEnds || r.draining || r.ending:
			if a.out > 0 {
				w.violate("stranded", "partition %d: %d records are waited for, and nothing moves", a.part, a.out)
			}
		case a.heldBack(w):
			w.violate("stranded", "partition %d is held back by %d records, and nothing moves", a.part, a.out)
		}
	}
	switch {
	case w.bad != nil:
	case r.draining || r.ending:
		w.violate("stranded", "the run does not end")
	case w.events > 0:
		w.event()
	case w.assignAll():
	case w.txn && w.uncommitted():
		r.epochEnds = true
	case !w.txn || !w.uncommitted():
		w.drain()
	}
}

func (w *world) uncommitted() bool {
	for _, a := range w.run.parts {
		if a != nil && a.next > w.committed[a.part] {
			return true
		}
	}
	return false
}

// assignAll gives back the partitions that are nobody's.
func (w *world) assignAll() bool {
	some := false
	for p, a := range w.run.parts {
		if a == nil {
			w.assign(p)
			some = true
		}
	}
	return some
}

func (w *world) drain() {
	w.trace("drain")
	w.run.draining = true
}

// event is what happens to a run from outside.
func (w *world) event() {
	r := w.run
	if w.events <= 0 || r.draining || r.stopped {
		return
	}
	w.events--
	part := w.rng.IntN(len(r.parts))
	a := r.parts[part]
	k := w.rng.IntN(20)
	switch {
	case w.txn:
		w.txnEvent(k)
	case a == nil && k < 14:
		w.assign(part)
	case k < 10 && a != nil && !a.revoking:
		deadline := 0
		if w.rng.IntN(3) == 0 {
			deadline = 2 + w.rng.IntN(8)
		}
		w.revoke(a, deadline)
	case k < 12 && a != nil:
		w.trace("lost p%d", part)
		w.saw(sawLost)
		w.finishAssignment(a, false)
	case k < 13 && a != nil:
		w.trace("seek p%d", part)
		w.rewind(a)
	case k < 15:
		w.drain()
	case k < 17:
		w.trace("hard stop")
		w.hardStop(false)
	case k < 18:
		w.trace("crash")
		w.hardStop(true)
	}
}

// stall is how long a user function takes, in steps.
func (w *world) stall() int {
	switch w.rng.IntN(12) {
	case 0:
		return 30
	case 1, 2:
		return 3
	}
	return 0
}

// fails tells whether a user function fails.
func (w *world) fails(p policy) bool {
	switch p {
	case pSkip:
		return w.rng.IntN(10) == 0
	case pRetry:
		return w.rng.IntN(3) == 0
	}
	if w.faults > 0 && w.rng.IntN(15) == 0 {
		w.faults--
		return true
	}
	return false
}

func (w *world) String() string {
	return fmt.Sprintf("transactional %v, %d partitions of %d records\n%v", w.txn, len(w.committed), w.records, w.graph)
}
