package model

import (
	"fmt"
	"math/rand/v2"
)

// world is one simulation: a graph, the partitions, and the runs of the graph one after the other.
type world struct {
	rng      *rand.Rand
	rules    *rules
	txn      bool
	slow     bool     // brokers and users take their time: everything backs up
	runs     bool     // a sink of the source's island begins runs of records at once
	eventful bool     // what happens from outside happens in the middle
	measured *measure // how long an end takes
	mixed    bool     // a plain source feeds the graph, too
	graph    *graph
	final    bool // the last run: nothing goes wrong any more, and a Take takes all

	records    int             // per partition
	committed  []int           // per partition
	deliveries [][][]*delivery // per partition and record

	assignments map[int32]*assignment
	lastIndex   int32
	generation  int32
	composites  []composite
	loose       pendingRun

	now     int            // the clock, in ticks …
	horizon int            // … and how long somebody waits for it
	outages map[[2]int]int // per stage and partition: until when calls fail
	charged int            // records in memory …
	budget  int            // … and how many there may be

	half   []*assignment // a freeze that is not made in one step
	rounds int
	quiet  int // something is given up without a reason

	plain   []*delivery // of the plain source beside the partitions, in this run
	plains  int         // and in all
	eras    [][]int     // per partition and record: how often it may have been delivered again
	effects map[effectKey]bool
	firsts  map[effectKey]bool
	cutOff  map[int32]bool // generations that were lost, or sought away from, or met their deadline
	lasts   map[effectKey][2]int

	drains []int // ticks of drains without an outage …
	waits  []int // … and of revokes
	missed int   // revokes that met their deadline
	rests  bool  // nothing moves: what ends now is not measured

	run    *run
	sinks  []*sink // of this run and of those before: their acknowledgements still come
	user   []handed
	faults int
	events int
	failed bool // a fault: the run stops hard

	entered   []entered // the outputs of the transaction
	published map[effectKey]bool

	steps  int
	bad    *violation
	log    func(format string, args ...any)
	seen   [sawCount]int
	orders map[int]map[int][3]int
}

const maxSteps = 60_000

func newWorld(seed uint64, rl *rules) *world {
	r := rand.New(rand.NewPCG(seed, 0x76696375))
	w := drawWorld(r, rl)
	w.txn, w.slow = r.IntN(4) == 0, r.IntN(3) == 0
	w.build(randomGraph(r, w.txn, !w.txn && r.IntN(2) == 0), 1+r.IntN(4))
	return w
}

// newAimedWorld is one that is about how things end: several partitions, batches, slow calls, and
// nothing that cancels.
func newAimedWorld(seed uint64, rl *rules) *world {
	r := rand.New(rand.NewPCG(seed, 0x61696d65))
	w := drawWorld(r, rl)
	w.slow = r.IntN(3) > 0
	if w.eventful = true; r.IntN(3) == 0 {
		w.build(randomGraph(r, false, true), 2+r.IntN(3))
		return w
	}
	w.events = 4 + r.IntN(8)
	w.build(mergesGraph(r), 2+r.IntN(3))
	return w
}

// newEpochWorld is one that is about transactions: branches with batches and workers before several
// sinks, and little that aborts.
func newEpochWorld(seed uint64, rl *rules) *world {
	r := rand.New(rand.NewPCG(seed, 0x65706f63))
	w := drawWorld(r, rl)
	w.txn, w.mixed, w.slow, w.eventful = true, false, r.IntN(2) == 0, true
	w.events, w.faults = 4+r.IntN(12), r.IntN(2)
	w.build(epochsGraph(r), 1+r.IntN(3))
	return w
}

func drawWorld(r *rand.Rand, rl *rules) *world {
	return &world{
		rng: r, rules: rl, records: 4 + r.IntN(8), events: 2 + r.IntN(6), faults: r.IntN(5), budget: 5 + r.IntN(20),
		mixed: r.IntN(4) == 0, runs: r.IntN(2) == 0,
		assignments: map[int32]*assignment{}, orders: map[int]map[int][3]int{}, outages: map[[2]int]int{},
		published: map[effectKey]bool{}, effects: map[effectKey]bool{}, firsts: map[effectKey]bool{}, lasts: map[effectKey][2]int{}, cutOff: map[int32]bool{},
	}
}

// build gives the world its graph and its partitions.
func (w *world) build(g *graph, parts int) {
	w.graph = g
	w.committed = make([]int, parts)
	for range parts {
		w.deliveries = append(w.deliveries, make([][]*delivery, w.records))
		w.eras = append(w.eras, make([]int, w.records))
	}
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
			moved = w.outsideStep()
		}
	case k < 93:
		if !w.failed {
			w.tick()
		}
	case k < 96:
		w.checkRevokes()
		w.checkEpoch()
	case k < 97 && (w.eventful || w.rng.IntN(4) == 0):
		w.event()
	case k < 98 && len(w.half) > 0:
		w.endFreeze()
	case k < 99 && w.rng.IntN(8) == 0:
		w.advance()
	default:
		moved = false
	}
	if !moved && w.rng.IntN(4) == 0 && !w.anything() && !w.advance() {
		w.quiescent()
	}
	w.consequences()
}

func (w *world) sourceStep(part int) bool {
	a := w.run.parts[part]
	if w.mixed && !w.txn && w.rng.IntN(6) == 0 && w.givePlain() {
		return true
	}
	if w.run.draining || w.run.ending {
		return false
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
	if len(w.half) > 0 {
		w.endFreeze()
		return true
	}
	return w.readAcknowledged() || w.userStep() || w.checkRevokes() || w.checkEpoch()
}

// quiescent is called when nothing can move. What was waited for should have arrived.
func (w *world) quiescent() {
	// a source that is held back looks as well: no commit loop may be there to do it
	if w.readPending() {
		return
	}
	w.tick()
	w.rests = true
	defer func() { w.rests = false }()
	r := w.run
	for _, a := range r.parts {
		switch {
		case a == nil:
		case a.revoking:
			w.violate("stranded", "a revoke of partition %d waits for %d records for ever", a.part, a.out)
		case a.gap > 0 && !r.draining && !r.ending:
			w.violate("stranded", "partition %d is not delivered again: %d records before the gap are waited for, and nothing moves", a.part, a.out)
		case r.epochEnds && a.frontier < a.gateCut:
			w.violate("stranded", "partition %d: an epoch waits for %d of %d records, and nothing moves", a.part, a.gateCut-a.frontier, a.gateCut)
		case r.draining || r.ending:
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
	case w.events > 0 && w.measured != nil:
		w.events = 0 // too late for it
	case w.events > 0:
		w.event()
	case w.assignAll():
	case w.txn && w.uncommitted():
		w.closeGate()
	case w.final:
		if r.completes {
			w.violate("stranded", "the run does not end")
		}
		r.completes = true // the sources have no more
	default:
		w.drain(0)
	}
}

func (w *world) uncommitted() bool {
	for _, a := range w.run.parts {
		if a != nil && a.base+a.frontier > w.committed[a.part] {
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

// event is what happens to a run from outside.
func (w *world) event() {
	r := w.run
	if w.events <= 0 || r.stopped {
		return
	}
	if w.measured != nil {
		w.measuredEvent()
		return
	}
	w.events--
	part := w.rng.IntN(len(r.parts))
	a := r.parts[part]
	k := w.rng.IntN(20)
	switch {
	case w.txn && k >= 10:
		w.txnEvent(k)
	case a == nil && k < 14:
		if !r.draining {
			w.assign(part)
		}
	case k < 10 && a != nil && !a.revoking:
		w.revoke(w.some(a), w.rng.IntN(2)*(8+w.rng.IntN(40)))
	case k < 12 && a != nil:
		w.lose(a)
	case k < 13 && a != nil && !a.revoking && !r.draining && len(w.half) == 0:
		w.seek(a)
	case k < 17:
		if !r.draining {
			w.drain(w.rng.IntN(2) * (10 + w.rng.IntN(60)))
		}
	case k < 18:
		w.trace("hard stop")
		w.hardStop(false)
		w.taintAll()
	case k < 19:
		w.trace("crash")
		w.hardStop(true)
		w.taintAll()
	}
}

// some draws partitions that are revoked together.
func (w *world) some(a *assignment) []*assignment {
	set := []*assignment{a}
	for _, b := range w.run.parts {
		if b != nil && b != a && !b.revoking && w.rng.IntN(3) == 0 {
			set = append(set, b)
		}
	}
	return set
}

// givePlain lets the plain source give an element, which has no token.
func (w *world) givePlain() bool {
	in := w.run.islands[0].in
	if w.run.draining || w.run.ending || w.run.completes || in.cancelled || in.producers == 0 || len(in.elems) >= in.capacity || len(w.plain) > 12 {
		return false
	}
	w.plains++
	d := &delivery{part: -1, rec: w.plains}
	w.plain = append(w.plain, d)
	in.push(born(d), token{})
	return true
}

// stall is how long a user function takes, in ticks.
func (w *world) stall() int {
	k := w.rng.IntN(12)
	if w.slow && w.rng.IntN(2) == 0 {
		k %= 4
	}
	switch k {
	case 0:
		return 8
	case 1, 2:
		return 3
	case 3, 4, 5:
		return 1
	}
	return 0
}

func (w *world) String() string {
	return fmt.Sprintf("transactional %v, %d partitions of %d records\n%v", w.txn, len(w.committed), w.records, w.graph)
}
