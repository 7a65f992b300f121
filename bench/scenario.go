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
		elementSend(),
		elementsWithoutKafka(),
	}
}

// A benchCase is one comparison.
type benchCase struct {
	name string
	unit string // perSecond or perElement
	goal goal

	// load describes the topic and the client of a case that needs a broker,
	// which may differ by the kind of broker. Nil: no broker takes part.
	load func(kind string) load

	// sides makes what is compared, right before it is measured, so that only
	// one case's data is in memory.
	sides func(size sizing) sides

	// latency asks for the percentiles of single calls: a side then records
	// one duration for each record.
	latency bool
}

const (
	perSecond  = "records/s"
	perElement = "ns/element"
)

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
}

// A trial is what one run of a side is given.
type trial struct {
	n    int
	load load
	// Where the broker is, and the topic to produce to: fresh, and all its
	// partitions have a leader.
	addrs []string
	topic string
	// input is what a case with a broker reads its records' numbers from, on
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
}

// figure is the sample in a unit: more is better for a rate, less for a time.
func (s sample) figure(unit string) float64 {
	if unit == perElement {
		return float64(s.elapsed.Nanoseconds()) / float64(s.n)
	}
	return float64(s.n) / s.elapsed.Seconds()
}

// A sizing turns a count that is right for a measurement into the one to use.
type sizing struct{ quick bool }

func (z sizing) of(n int) int {
	if z.quick {
		return max(n/500, 64)
	}
	return n
}
