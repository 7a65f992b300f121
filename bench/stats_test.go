package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func runs(n int, elapsed ...time.Duration) []sample {
	out := make([]sample, len(elapsed))
	for i, d := range elapsed {
		out[i] = sample{n: n, elapsed: d}
	}
	return out
}

func TestSettleRates(t *testing.T) {
	o := outcome{c: &benchCase{unit: perSecond}}
	o.settle(
		runs(1000, 100*time.Millisecond, 200*time.Millisecond),
		runs(1000, 200*time.Millisecond, 200*time.Millisecond, 100*time.Millisecond),
	)
	require.InDelta(t, 7500, o.ours, 1)
	require.InDelta(t, 5000, o.baseline, 1)
	require.InDelta(t, 1.5, o.ratio, 0.001)
	require.InDelta(t, 5000.0/7500, o.low, 0.001)
	require.InDelta(t, 2, o.high, 0.001)
	require.InDelta(t, 0.5, o.noise, 0.001)
}

func TestSettleTimesSoThatMoreIsBetter(t *testing.T) {
	o := outcome{c: &benchCase{unit: perElement}}
	o.settle(runs(1000, 10*time.Microsecond), runs(1000, 1000*time.Microsecond, 1000*time.Microsecond))
	require.InDelta(t, 10, o.ours, 0.001)
	require.InDelta(t, 1000, o.baseline, 0.001)
	require.InDelta(t, 100, o.ratio, 0.001)
	require.Zero(t, o.noise)
}

func TestBestBaseline(t *testing.T) {
	slow, fast := runs(1000, time.Second), runs(1000, time.Millisecond)
	require.Equal(t, 1, bestOf([][]sample{slow, fast}, perSecond))
	require.Equal(t, 1, bestOf([][]sample{slow, fast}, perElement))
	require.Equal(t, 0, bestOf([][]sample{fast, slow}, perSecond))
}

func TestVerdicts(t *testing.T) {
	o := outcome{c: &benchCase{unit: perElement}, samples: runs(1, 1), ours: 16.5, allocs: 0.2}
	ratio := func(want float64) string {
		o := o
		o.goals = []ratioGoal{{want: want, ratio: 0.97, noise: 0.05, only: true}}
		return goal{}.verdict(o, 1)
	}
	require.Contains(t, ratio(0.95), "reached")
	require.Contains(t, ratio(1), "within the noise")
	require.Contains(t, ratio(1.1), "MISSED by 11.8 %")
	o.oursNoise = 0.3
	require.Contains(t, goal{atMost: 15}.verdict(o, 1), "undecided")
	o.oursNoise = 0
	require.Contains(t, goal{atMost: 15}.verdict(o, 1), "MISSED by 10.0 %")
	require.Contains(t, goal{atMost: 15}.verdict(o, 2*referenceLoop), "reached")
	o.c = &benchCase{unit: mebibytes} // no faster or slower on any machine
	require.Contains(t, goal{atMost: 15}.verdict(o, 2*referenceLoop), "MISSED by 10.0 %")
	o.c = &benchCase{unit: perSecond}
	require.Contains(t, goal{allocs: 0.1}.verdict(o, 1), "MISSED")
	require.Contains(t, goal{noAllocs: true}.verdict(o, 1), "MISSED")
	require.Equal(t, "not measured", goal{ratio: 1}.verdict(outcome{}, 1))
}

func TestSignificant(t *testing.T) {
	require.InDelta(t, 1.2346, significant(1.23456789), 1e-9)
	require.InDelta(t, 2_345_700, significant(2_345_678), 1e-6)
	require.Zero(t, significant(0))
}

func TestPercentile(t *testing.T) {
	var ds []time.Duration
	for i := range 100 {
		ds = append(ds, time.Duration(i))
	}
	require.Equal(t, time.Duration(50), percentile(ds, 0.50))
	require.Equal(t, time.Duration(99), percentile(ds, 0.99))
	require.Zero(t, percentile(nil, 0.5))
}
