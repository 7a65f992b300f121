package main

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
	"time"
)

// writeTable prints a scenario's cases, what each is compared with for context,
// and what became of the goals.
func writeTable(w io.Writer, sc scenario, done []outcome) {
	fmt.Fprintf(w, "\n%s  %s\n", sc.id, sc.title)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "case\tbroker\tunit\tours\tbaseline\tratio\tlow–high\tA/A\tallocs\tbytes\tp50 ms\tp99 ms\t")
	for _, o := range done {
		kind := o.kind
		if kind == "" {
			kind = "none"
		}
		ours, ratio, span, allocs, bytes, p50, p99 := "–", "–", "–", "–", "–", "–", "–"
		if o.hasOurs() {
			ours = show(o.ours, o.c.unit)
			ratio = fmt.Sprintf("%.3f", o.ratio)
			if o.ratio >= 10 {
				ratio = fmt.Sprintf("%.0f", o.ratio)
			}
			span = fmt.Sprintf("%.3g–%.3g", o.low, o.high)
			if o.counted {
				allocs, bytes = fmt.Sprintf("%.3f", o.allocs), fmt.Sprintf("%.0f", o.bytes)
			}
			if o.c.latency {
				p50, p99 = showMillis(o.p50), showMillis(o.p99)
			}
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t± %.3f\t%s\t%s\t%s\t%s\t\n",
			o.c.name, kind, o.c.unit, ours, show(o.baseline, o.c.unit), ratio, span, o.noise, allocs, bytes, p50, p99)
	}
	_ = tw.Flush() // as the other writes: the figures are in the results file too
}

// writeVerdicts prints, case by case, the baseline's other figures and the goals.
func writeVerdicts(w io.Writer, done []outcome, loopNS float64) {
	for _, o := range done {
		fmt.Fprintf(w, "  %s: %s\n", o.c.name, o.c.goal.verdict(o, loopNS))
		base := fmt.Sprintf("baseline %q: %s", o.name, show(o.baseline, o.c.unit))
		if o.counted {
			base += fmt.Sprintf(", %.3f allocations and %.0f bytes each", o.baseAllocs, o.baseBytes)
		}
		if o.c.latency {
			base += fmt.Sprintf(", p50 %s ms, p99 %s ms", showMillis(o.baseP50), showMillis(o.base9))
		}
		fmt.Fprintf(w, "    %s\n", base)
		for _, x := range o.others {
			fmt.Fprintf(w, "    context %q: %s", x.name, show(x.figure, o.c.unit))
			if o.kind == "" {
				fmt.Fprintf(w, ", %.3f allocations each", x.allocs)
			}
			fmt.Fprintln(w)
		}
	}
}

// show writes a figure for people: 2.71 M, 512 k, 9.72.
func show(x float64, unit string) string {
	switch {
	case unit == perElement && x >= 100:
		return fmt.Sprintf("%.0f", x)
	case unit == perElement:
		return fmt.Sprintf("%.2f", x)
	case unit == medianTime:
		return fmt.Sprintf("%.3f", x)
	case math.Abs(x) >= 1e6:
		return fmt.Sprintf("%.3f M", x/1e6)
	case math.Abs(x) >= 1e3:
		return fmt.Sprintf("%.1f k", x/1e3)
	default:
		return fmt.Sprintf("%.1f", x)
	}
}

func showMillis(d time.Duration) string {
	return fmt.Sprintf("%.3f", float64(d)/float64(time.Millisecond))
}
