package main

import (
	"context"
	"fmt"
	"time"
)

// P14: how long an end takes beside slow calls, and how long a member that joins
// waits for its partitions. No machine has a part in these figures: the library's
// own tests of ends give them, on the embedded broker in virtual time.

// endShapes are what stands before the calls; an end may take one call after
// another behind some, and a little beside them.
var endShapes = []struct {
	name  string
	calls int
	slack time.Duration
}{
	{"alone", 1, 100 * time.Millisecond},
	{"filter", 2, 200 * time.Millisecond},
	{"flatMap", 2, 200 * time.Millisecond},
	{"batch", 2, 200 * time.Millisecond},
	{"lanes", 2, 200 * time.Millisecond},
	{"tryMap", 2, 200 * time.Millisecond},
}

// joinSlack is what a join may take beyond an end: the group's own rounds.
const joinSlack = 900 * time.Millisecond

func endsBesideSlowCalls() scenario {
	sc := scenario{id: "P14", title: "MapAsync(4) with slow calls and 5,000 records waiting, virtual time: a drain, and a join"}
	for _, call := range []time.Duration{50 * time.Millisecond, 500 * time.Millisecond} {
		for _, s := range endShapes {
			most := time.Duration(s.calls)*call + s.slack
			sc.cases = append(sc.cases, endCase("drain", s.name, call, most), endCase("join", s.name, call, most+joinSlack))
		}
	}
	return sc
}

func endCase(what, shape string, call, most time.Duration) *benchCase {
	return &benchCase{
		name: fmt.Sprintf("%s-%s-%v", what, shape, call), unit: medianTime,
		goal:    goal{atMost: float64(most) / float64(time.Millisecond)},
		latency: true, uncounted: true, maxReps: 1, // each run gives the same
		sides: func(sizing) sides {
			return sides{
				ours:      oursEnd(what, shape, call),
				baselines: []side{{name: "the longest call", n: 1, run: theCall(call)}},
			}
		},
	}
}

// theCall is a figure and no measurement.
func theCall(call time.Duration) func(ctx context.Context, t *trial) error {
	return func(_ context.Context, t *trial) error {
		t.latency[0] = call
		return t.measure(func() error { time.Sleep(time.Microsecond); return nil })
	}
}
