package main

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"time"
)

// A scenario is one row of the list of goals, measured in one or more cases.
type scenario struct {
	id, title string
	cases     []*benchCase
}

// scenarios lists everything that can be measured, in the order of the table.
func scenarios() []scenario {
	return []scenario{
		plainSinkSmall(),
		plainSinkLarge(),
		flexiFlowInOrder(),
		plainSource(),
		committedSource(),
		committedCopy(),
		elementSend(),
		elementsWithoutKafka(),
		latencyOfCopies(),
		memoryOfManyPartitions(),
		replayAfterKills(),
		endsBesideSlowCalls(),
	}
}

// A benchCase is one comparison.
type benchCase struct {
	name string
	unit string // perSecond, perElement, medianTime, mebibytes or perKill
	goal goal

	// load describes the topic and the client of a case that needs a broker,
	// which may differ by the kind of broker. Nil: no broker takes part.
	load func(kind string) load

	// sides makes what is compared, right before it is measured, so that only
	// one case's data is in memory.
	sides func(size sizing) sides

	// reads says what there is to read, and by that what the embedded broker
	// does with what it gets.
	reads reading
	// readOnly: nothing is produced.
	readOnly bool
	// commits: when a run is over, its group's offsets are the topic's ends.
	commits bool

	// latency asks for the percentiles of single calls: a side then records
	// one duration for each record.
	latency bool
	// uncounted: allocations a record say nothing, as where the side that makes
	// the records runs at the same time.
	uncounted bool

	apart   bool   // with the broker in another process throughout, as memory is measured
	broker  string // the only kind to run on, where there is only one
	maxReps int    // enough repetitions where one takes long; 0: no limit
}

// reading is what a case has to read, for each run all of it.
type reading int

const (
	nothing  reading = iota // the embedded broker keeps no records then
	stored                  // a topic with as many records as a run has
	live                    // an empty topic that a run fills itself
	repeated                // one batch over and over, without an end; embedded only
)

const (
	perSecond  = "records/s"
	perElement = "ns/element"
	medianTime = "ms"           // the median of single latencies
	mebibytes  = "MiB"          // what lives on the heap, at most
	perKill    = "records/kill" // delivered again
)

// lessIsBetter is so for all but rates.
func lessIsBetter(unit string) bool { return unit != perSecond }

// sides of a comparison. Where there are several baselines, the best of them is
// the baseline. Those for context are measured after the others and only shown.
type sides struct {
	ours      *side // nil while there is nothing to measure
	baselines []side
	context   []side
}

// A side does the same work as its neighbours in its own way.
type side struct {
	name string
	n    int // records or elements of one run
	run  func(ctx context.Context, t *trial) error

	// atLeast is the ratio to reach against this baseline, where it is not the
	// case's.
	atLeast float64
}

// A trial is what one run of a side is given.
type trial struct {
	n    int
	load load
	// Where the broker is, and the topic to produce to: fresh, and all its
	// partitions have a leader.
	kind  string
	addrs []string
	topic string
	// source is the topic to read, ends where it ends now, and group a name that
	// nobody has used.
	source string
	ends   map[int32]int64
	group  string
	// written is how many records the topic has to hold in the end, where that
	// is not n.
	written int
	// input is what a case that reads nothing takes its records' numbers from, on
	// both sides: an input belongs to the task, and the same live memory makes
	// the garbage collector run as often for both. It holds no pointers, which
	// would be scanned on one side's account.
	input []int64
	// latency takes one duration for each record, at an index of its own.
	latency []time.Duration

	took sample // filled by measure
}

// measure runs the part of a side that counts. What a side needs for it, and what
// it checks afterwards, stands outside.
func (t *trial) measure(f func() error) error {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	err := f()
	t.took.elapsed += time.Since(start)
	runtime.ReadMemStats(&after)
	t.took.mallocs += after.Mallocs - before.Mallocs
	t.took.bytes += after.TotalAlloc - before.TotalAlloc
	return err
}

// sample returns what the run gave.
func (t *trial) sample() (sample, error) {
	if t.took.elapsed == 0 {
		return t.took, errors.New("nothing was measured")
	}
	slices.Sort(t.latency)
	t.took.n = t.n
	t.took.p50, t.took.p99 = percentile(t.latency, 0.50), percentile(t.latency, 0.99)
	return t.took, nil
}

// A sample is what one run gave.
type sample struct {
	n        int
	elapsed  time.Duration
	mallocs  uint64 // of the whole process
	bytes    uint64
	p50, p99 time.Duration
	value    float64 // what was measured, where it is neither of these
	rate     float64 // records/s beside it
}

// figure is the sample in a unit: more is better for a rate, less for the others.
func (s sample) figure(unit string) float64 {
	switch unit {
	case perElement:
		return float64(s.elapsed.Nanoseconds()) / float64(s.n)
	case medianTime:
		return float64(s.p50) / float64(time.Millisecond)
	case mebibytes, perKill:
		return s.value
	default:
		return float64(s.n) / s.elapsed.Seconds()
	}
}

// A sizing turns a count that is right for a measurement into the one to use. It
// knows the kind of broker too, as there are loops that pay on one kind alone.
type sizing struct {
	quick bool
	kind  string
}

func (z sizing) of(n int) int {
	if z.quick {
		return max(n/500, 64)
	}
	return n
}
