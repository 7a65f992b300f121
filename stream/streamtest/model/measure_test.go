package model

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Some rules make nothing wrong when they are left out: ends take longer. How long they take is
// measured in ticks, in worlds in the middle of whose work a drain or a revoke falls.

// measure is a rule with a graph that shows it, and what grows without it.
type measure struct {
	rule    string
	islands []islandSpec
	from    int     // the tick in which the end may begin
	revokes bool    // with a deadline; counted is how many meet it, else the ticks of drains
	factor  float64 // by how much it grows at least
}

func fused(capacity int, stages ...stage) islandSpec {
	return islandSpec{stages: stages, capacity: capacity, producers: 1, branch: -1, order: true}
}

func working(kind workers, calls int, late bool, stages ...stage) islandSpec {
	s := fused(3, stages...)
	s.workers, s.calls, s.late = kind, calls, late
	return s
}

func queued(capacity int, s islandSpec) islandSpec {
	s.capacity = capacity
	return s
}

func retrying(s islandSpec) islandSpec {
	s.retries = true
	return s
}

func to(island int) stage { return stage{kind: kBoundary, to: []int{island}} }

var (
	slowSink = stage{kind: kForEach, policy: pStop}
	batch    = stage{kind: kBatch, n: 12}
	effect   = stage{kind: kMap, policy: pStop, effect: true}
	retry    = stage{kind: kMap, policy: pRetry, effect: true}
	flatten  = stage{kind: kFlatMap}
)

var measures = []measure{
	{"TakenInIsGivenBack", []islandSpec{fused(3, to(1)), working(inOrder, 2, false, slowSink)}, 15, false, 2},
	{"HoldersGiveBack", []islandSpec{fused(3, batch, flatten, slowSink)}, 0, false, 1.3},
	{"AheadIsBounded", []islandSpec{fused(3, to(1)), working(inOrder, 6, false, to(2)), working(inOrder, 2, true, stage{kind: kKafka})}, 15, false, 1.1},
	{"ResultsAreBounded", []islandSpec{fused(3, to(1)), working(inOrder, 6, false, to(2)), working(inOrder, 2, true, stage{kind: kKafka})}, 15, false, 1.3},
	{"EndsAfterAGap", []islandSpec{fused(3, to(1)), fused(9, stage{kind: kTake, n: 24}, to(2)), queued(24, working(inOrder, 2, false, slowSink))}, 15, false, 2},
	{"LeavingPassKept", []islandSpec{fused(3, to(1)), retrying(working(inOrder, 3, false, slowSink))}, 15, true, 1.5},
	{"RetryGoesAhead", []islandSpec{fused(3, effect, to(1)), fused(3, retry, slowSink)}, 15, true, 1.2},
}

func isMeasured(rule string) bool {
	return slices.ContainsFunc(measures, func(m measure) bool { return m.rule == rule })
}

// newMeasuredWorld is one with a given graph, enough records and slow calls, and one end of a kind.
func newMeasuredWorld(seed uint64, rl *rules, m measure) *world {
	r := rand.New(rand.NewPCG(seed, 0x656e6473))
	w := drawWorld(r, rl)
	w.slow, w.mixed, w.faults, w.events, w.records, w.budget, w.eventful = true, false, 0, 1, 24, 60, true
	w.measured = &m
	w.build(&graph{islands: m.islands}, 3)
	return w
}

// measuredEvent is the end that is measured: it comes when much has been taken in.
func (w *world) measuredEvent() {
	if w.rests || w.charged < 12 || w.now < w.measured.from || w.measured.revokes && !w.keptFails() {
		return
	}
	w.events--
	if w.measured.revokes {
		w.revoke(w.run.parts[:1], 30)
	} else {
		w.drain(0)
	}
}

// keptFails tells whether the calls for a partition that is kept will fail for longer than the
// revoke lasts.
func (w *world) keptFails() bool {
	for k, until := range w.outages {
		if k[1] > 0 && until > w.now+30 {
			return true
		}
	}
	return false
}

// cost is what the ends of many worlds take: the mean of ticks, or the share of revokes that meet
// their deadline.
func (m measure) cost(t *testing.T, rl *rules, worlds int) float64 {
	sum, n := 0, 0
	for seed := range uint64(worlds) {
		w := newMeasuredWorld(seed, rl, m)
		v := w.simulate()
		require.Nil(t, v, "seed %d of %s", seed, m.rule)
		if m.revokes {
			n += len(w.waits) + w.missed
			sum += w.missed
			continue
		}
		n += len(w.drains)
		for _, d := range w.drains {
			sum += d
		}
	}
	require.Positive(t, n)
	return float64(sum) / float64(n)
}

// Without each of these rules ends take longer.
func TestEndsAreShort(t *testing.T) {
	for _, m := range measures {
		t.Run(m.rule, func(t *testing.T) {
			worlds := max(60, *worldsFlag/10)
			with, without := m.cost(t, allRules(), worlds), m.cost(t, rulesWithout(t, m.rule), worlds)
			t.Logf("%-20s %.2f with it, %.2f without", m.rule, with, without)
			require.Greater(t, without, with*m.factor)
		})
	}
}
