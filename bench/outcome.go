package main

import "time"

// An outcome is what the repetitions of a case come to.
type outcome struct {
	id   string
	c    *benchCase
	kind string // of the broker; empty without one

	samples  []sample // ours
	ours     float64  // medians, in the case's unit
	baseline float64
	name     string // of the baseline that was the best

	ratio, low, high float64 // more is better
	noise            float64 // half the spread of the baseline against itself
	oursNoise        float64 // the same of ours, for goals that are no ratio

	counted        bool // whether the following are known
	allocs, bytes  float64
	baseAllocs     float64
	baseBytes      float64
	p50, p99       time.Duration
	baseP50, base9 time.Duration

	others []other
}

// other is a side that is shown for context.
type other struct {
	name   string
	figure float64
	allocs float64
}

func (o outcome) hasOurs() bool { return len(o.samples) > 0 }

// settle computes the figures of runs that alternated: bases has one run more
// than ours, each of ours between two of them.
func (o *outcome) settle(ours, bases []sample) {
	unit := o.c.unit
	better := func(mine, theirs float64) float64 {
		if unit == perElement {
			return theirs / mine
		}
		return mine / theirs
	}
	a := figures(bases, unit)
	o.baseline = median(a)
	o.noise = selfSpread(a)
	o.baseAllocs, o.baseBytes = perRecord(bases)
	o.baseP50, o.base9 = latencies(bases)

	if len(ours) == 0 {
		return
	}
	b := figures(ours, unit)
	o.samples = ours
	o.ours = median(b)
	o.oursNoise = selfSpread(b)
	o.ratio = better(o.ours, o.baseline)
	ratios := make([]float64, len(b))
	for i := range b {
		ratios[i] = better(b[i], (a[i]+a[min(i+1, len(a)-1)])/2)
	}
	o.low, o.high = bounds(ratios)
	o.allocs, o.bytes = perRecord(ours)
	o.p50, o.p99 = latencies(ours)
}
