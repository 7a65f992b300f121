package main

import (
	"fmt"
	"strings"
	"time"
)

// A goal is what a case is to reach. Zero fields are no goals.
type goal struct {
	ratio    float64 // at least, where a baseline has none of its own
	atMost   float64 // the figure itself, in the case's unit
	allocs   float64 // allocations a record, at most; none says 0
	noAllocs bool
	// slower is how much p50 and p99 may be above the baseline's, unless that
	// spreads by more itself.
	slower time.Duration
	// ofRate is how long the run's own rate takes for the figure, at most.
	ofRate time.Duration
}

// referenceLoop is the time of a plain loop over the elements of P9, in
// nanoseconds, on the machine for which its goals in nanoseconds were set. On a
// slower one they grow with the loop.
const referenceLoop = 1.3

// tooNoisy is a noise that says more about the machine than about either side.
const tooNoisy = 0.15

// allocFree is what counts as no allocation an element: the few of a run's start,
// spread over its elements.
const allocFree = 0.005

// verdict says of each part of a goal whether it was reached, and if not, by how
// much it was missed, compared with the noise.
func (g goal) verdict(o outcome, loopNS float64) string {
	if !o.hasOurs() {
		return "not measured"
	}
	var parts []string
	add := func(want string, miss float64, noise float64) {
		switch {
		case miss <= 0:
			parts = append(parts, want+" reached")
		case noise > tooNoisy && miss < 2*noise:
			parts = append(parts, fmt.Sprintf("%s undecided: %.1f %% off, and a noise of %.1f %% is too much to tell", want, 100*miss, 100*noise))
		case miss <= noise:
			parts = append(parts, fmt.Sprintf("%s reached within the noise (%.1f %% off, noise %.1f %%)", want, 100*miss, 100*noise))
		default:
			parts = append(parts, fmt.Sprintf("%s MISSED by %.1f %% (noise %.1f %%)", want, 100*miss, 100*noise))
		}
	}
	for _, r := range o.goals {
		want := fmt.Sprintf("ratio ≥ %.3g", r.want)
		if !r.only {
			want += fmt.Sprintf(" to %q (%.3f)", r.against, r.ratio)
		}
		add(want, 1-r.ratio/r.want, r.noise)
	}
	if g.slower > 0 {
		latency := func(name string, mine, theirs time.Duration, spread []float64) {
			room := float64(g.slower) / float64(time.Millisecond)
			if low, high := bounds(spread); high-low > room {
				room = high - low
			}
			raw := float64(theirs) / float64(time.Millisecond)
			add(fmt.Sprintf("%s ≤ raw + %.2f ms", name, room), float64(mine)/float64(time.Millisecond)/(raw+room)-1, 0)
		}
		latency("p50", o.p50, o.baseP50, o.baseP50s)
		latency("p99", o.p99, o.base9, o.baseP99s)
	}
	if g.ofRate > 0 {
		var times []float64 // in milliseconds of the run's own throughput
		for _, x := range o.samples {
			times = append(times, 1000*x.value/x.rate)
		}
		_, worst := bounds(times)
		want := fmt.Sprintf("≤ %v of throughput (median %.2f ms, worst %.2f ms)", g.ofRate, median(times), worst)
		add(want, median(times)/1000/g.ofRate.Seconds()-1, 0)
	}
	if g.atMost > 0 {
		limit, note := g.atMost, ""
		if o.c.unit == perElement && loopNS > referenceLoop {
			limit *= loopNS / referenceLoop
			note = fmt.Sprintf(" (× %.2f for this machine)", loopNS/referenceLoop)
		}
		add(fmt.Sprintf("≤ %.4g%s", g.atMost, note), o.ours/limit-1, o.oursNoise)
	}
	if g.allocs > 0 {
		add(fmt.Sprintf("≤ %.2g allocations", g.allocs), o.allocs/g.allocs-1, 0)
	}
	if g.noAllocs {
		want := "no allocations"
		if o.allocs < allocFree {
			parts = append(parts, want+" reached")
		} else {
			parts = append(parts, fmt.Sprintf("%s MISSED: %.3f an element", want, o.allocs))
		}
	}
	if len(parts) == 0 {
		return "context, no goal"
	}
	return strings.Join(parts, "; ")
}
