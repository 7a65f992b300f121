package main

import (
	"fmt"
	"strings"
)

// A goal is what a case is to reach. Zero fields are no goals.
type goal struct {
	ratio    float64 // at least
	atMost   float64 // the figure itself, in the case's unit
	allocs   float64 // allocations a record, at most; none says 0
	noAllocs bool
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
	if g.ratio > 0 {
		add(fmt.Sprintf("ratio ≥ %.3g", g.ratio), 1-o.ratio/g.ratio, o.noise)
	}
	if g.atMost > 0 {
		limit, note := g.atMost, ""
		if loopNS > referenceLoop {
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
