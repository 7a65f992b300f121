package main

import (
	"slices"
	"time"
)

func median(xs []float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(xs))
	mid := len(s) / 2
	if len(s)%2 == 1 {
		return s[mid]
	}
	return (s[mid-1] + s[mid]) / 2
}

func bounds(xs []float64) (low, high float64) {
	return slices.Min(xs), slices.Max(xs)
}

// selfSpread compares each run with the next one of the same side and returns
// half the distance between the smallest and the largest of these ratios, 1 among
// them: what two runs of the same thing differ by. A figure of 0 has no ratio.
func selfSpread(xs []float64) float64 {
	ratios := []float64{1}
	for i := 1; i < len(xs); i++ {
		if xs[i-1] > 0 && xs[i] > 0 {
			ratios = append(ratios, xs[i]/xs[i-1])
		}
	}
	low, high := bounds(ratios)
	return (high - low) / 2
}

func figures(ss []sample, unit string) []float64 {
	out := make([]float64, len(ss))
	for i, s := range ss {
		out[i] = s.figure(unit)
	}
	return out
}

// perRecord returns the medians of allocations and bytes a record.
func perRecord(ss []sample) (allocs, bytes float64) {
	a, b := make([]float64, len(ss)), make([]float64, len(ss))
	for i, s := range ss {
		a[i] = float64(s.mallocs) / float64(s.n)
		b[i] = float64(s.bytes) / float64(s.n)
	}
	return median(a), median(b)
}

// latencies returns the medians of the runs' percentiles.
func latencies(ss []sample) (p50, p99 time.Duration) {
	a, b := make([]float64, len(ss)), make([]float64, len(ss))
	for i, s := range ss {
		a[i], b[i] = float64(s.p50), float64(s.p99)
	}
	return time.Duration(median(a)), time.Duration(median(b))
}

// percentile of durations that are sorted.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(p*float64(len(sorted))), len(sorted)-1)]
}
