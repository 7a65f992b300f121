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

	goals          []ratioGoal // one for each ratio to reach
	baseP50s       []float64   // of the baseline's runs, in milliseconds
	baseP99s       []float64
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
		if unit == perKill {
			mine, theirs = max(mine, 1), max(theirs, 1) // none at all is possible
		}
		if lessIsBetter(unit) {
			return theirs / mine
		}
		return mine / theirs
	}
	a := figures(bases, unit)
	o.baseline = median(a)
	o.noise = selfSpread(a)
	o.baseAllocs, o.baseBytes = perRecord(bases)
	o.baseP50, o.base9 = latencies(bases)
	for _, x := range bases {
		o.baseP50s = append(o.baseP50s, float64(x.p50)/float64(time.Millisecond))
		o.baseP99s = append(o.baseP99s, float64(x.p99)/float64(time.Millisecond))
	}

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

// A ratioGoal is what became of one ratio that is to be reached: against the best
// of the baselines that share it.
type ratioGoal struct {
	against      string
	want         float64
	ratio, noise float64
	only         bool // no other one is asked for
}

// goalsOf compares ours with the best baseline for each ratio that is asked for.
func goalsOf(c *benchCase, baselines []side, ours []sample, bases [][]sample) []ratioGoal {
	var wants []float64
	groups := map[float64][]int{}
	for i, sd := range baselines {
		want := sd.atLeast
		if want == 0 {
			want = c.goal.ratio
		}
		if want == 0 {
			continue
		}
		if groups[want] == nil {
			wants = append(wants, want)
		}
		groups[want] = append(groups[want], i)
	}
	var goals []ratioGoal
	for _, want := range wants {
		var group [][]sample
		for _, i := range groups[want] {
			group = append(group, bases[i])
		}
		best := groups[want][bestOf(group, c.unit)]
		o := outcome{c: c}
		o.settle(ours, bases[best])
		goals = append(goals, ratioGoal{
			against: baselines[best].name, want: want, ratio: o.ratio, noise: o.noise, only: len(wants) == 1,
		})
	}
	return goals
}
