package main

import (
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestTallyTellsWhatIsWrong(t *testing.T) {
	tr := &trial{n: 3, load: load{valueBytes: 2}, ends: map[int32]int64{0: 2, 1: 1}}
	read := func(offsets ...int64) error {
		var got tally
		for _, o := range offsets {
			got.take([]byte("xx"), o)
		}
		return got.check(tr)
	}
	require.NoError(t, read(0, 1, 0))
	require.Error(t, read(0, 1), "one is missing")
	require.Error(t, read(0, 0, 0), "one came twice instead of another")
	require.Error(t, read(0, 1, 0, 0), "one too many")
	tr.load.valueBytes = 3
	require.Error(t, read(0, 1, 0), "another value")
	tr.load.valueBytes, tr.ends = 2, nil
	require.NoError(t, read(7, 8, 9), "without an end any offsets will do")
}

// Whatever the order of the acknowledgements, only what has none missing before it
// is committable.
func TestFlowingCommitsNoGaps(t *testing.T) {
	f := &flowing{lines: map[int32]*line{}}
	records := func(from, n int64) (recs []*kgo.Record) {
		for o := from; o < from+n; o++ {
			recs = append(recs, &kgo.Record{Offset: o, LeaderEpoch: 7})
		}
		return recs
	}
	first, second := f.block(0, records(10, 3)), f.block(0, records(13, 2))
	other := f.block(1, records(0, 1))

	second.promise(nil, nil)
	second.promise(nil, nil)
	require.False(t, f.moved)
	other.promise(nil, nil)
	require.True(t, f.moved)
	require.EqualValues(t, 1, f.lines[1].at.Offset)
	require.Zero(t, f.lines[0].at.Offset)

	for range 3 {
		first.promise(nil, nil)
	}
	require.Equal(t, kgo.EpochOffset{Epoch: 7, Offset: 15}, f.lines[0].at)
	require.Len(t, f.idle, 3)
	require.NoError(t, f.err())

	failed := f.block(0, records(15, 1))
	failed.promise(nil, io.ErrUnexpectedEOF)
	require.ErrorIs(t, f.err(), io.ErrUnexpectedEOF)
	require.EqualValues(t, 15, f.lines[0].at.Offset)
}

// What one mapping counts, another one reads.
func TestCounterIsShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "count")
	here, err := openCounter(path)
	require.NoError(t, err)
	defer here.close()
	there, err := openCounter(path)
	require.NoError(t, err)
	defer there.close()
	there.OnProduceRecordUnbuffered(nil, nil)
	there.OnProduceRecordUnbuffered(nil, nil)
	there.OnProduceRecordUnbuffered(nil, io.EOF)
	require.EqualValues(t, 2, here.load())
}

// A copier in a process of its own copies everything, and counts it.
func TestCopierCopies(t *testing.T) {
	embedded(t)
	bs := &brokers{log: io.Discard}
	defer func() { require.NoError(t, bs.close()) }()
	b, err := bs.apart(t.Context(), stored)
	require.NoError(t, err)
	c := &benchCase{load: func(kind string) load { return standardLoad(kind, 100) }, reads: stored, commits: true}
	for name, wanted := range map[string]*side{copierByHand: {}, copierOurs: oursKilled(1)} {
		if wanted == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			tr, err := b.trial(t.Context(), c, 5_000)
			require.NoError(t, err)
			task := copyTask{
				Copier: name, Kind: b.kind, Addrs: b.addrs, Source: tr.source, Topic: tr.topic, Group: tr.group,
				N: tr.n, Counter: filepath.Join(t.TempDir(), "count"),
			}
			require.NoError(t, toTheEnd(t.Context(), task))
			m := &meter{brokers: bs, progress: io.Discard}
			require.NoError(t, m.aftermath(t.Context(), c, b, tr))
			count, err := openCounter(task.Counter)
			require.NoError(t, err)
			defer count.close()
			require.EqualValues(t, tr.n, count.load())
		})
	}
}

// Each look at what a run has left can fail.
func TestAftermathTellsWhatIsWrong(t *testing.T) {
	embedded(t)
	bs := &brokers{log: io.Discard}
	defer func() { require.NoError(t, bs.close()) }()
	b, err := bs.throughput(t.Context(), stored)
	require.NoError(t, err)
	c := &benchCase{load: func(kind string) load { return standardLoad(kind, 100) }, reads: stored, commits: true}
	m := &meter{brokers: bs, progress: io.Discard}

	tr, err := b.trial(t.Context(), c, 1_000)
	require.NoError(t, err)
	require.ErrorContains(t, m.aftermath(t.Context(), c, b, tr), "holds 0 records and not 1000")
	require.NoError(t, copyFlowing(t.Context(), tr))
	require.NoError(t, m.aftermath(t.Context(), c, b, tr))

	tr, err = b.trial(t.Context(), c, 1_000)
	require.NoError(t, err)
	tr.topic = ""
	require.ErrorContains(t, m.aftermath(t.Context(), c, b, tr), "is committed up to 0")
}

// What a case stored is gone before the next one; what stores nothing stays.
func TestBrokersSettle(t *testing.T) {
	embedded(t)
	bs := &brokers{log: io.Discard}
	defer func() { require.NoError(t, bs.close()) }()
	for _, reads := range []reading{nothing, stored, live, repeated} {
		_, err := bs.throughput(t.Context(), reads)
		require.NoError(t, err)
	}
	require.NoError(t, bs.settle(t.Context()))
	require.Len(t, bs.embedded, 1)
	require.Contains(t, bs.embedded, station{reads: nothing})
}

func TestGoalsForEachBaseline(t *testing.T) {
	c := &benchCase{unit: perSecond, goal: goal{ratio: 1}}
	baselines := []side{{name: "slow"}, {name: "faster"}, {name: "fastest", atLeast: 0.95}}
	bases := [][]sample{
		runs(1000, 400*time.Millisecond, 400*time.Millisecond),
		runs(1000, 200*time.Millisecond, 200*time.Millisecond),
		runs(1000, 100*time.Millisecond, 100*time.Millisecond),
	}
	ours := runs(1000, 125*time.Millisecond)
	goals := goalsOf(c, baselines, ours, bases)
	require.Len(t, goals, 2)
	require.Equal(t, "faster", goals[0].against)
	require.InDelta(t, 1.6, goals[0].ratio, 0.001)
	require.Equal(t, "fastest", goals[1].against)
	require.InDelta(t, 0.8, goals[1].ratio, 0.001)

	text := c.goal.verdict(outcome{c: c, samples: ours, goals: goals}, 1)
	require.Contains(t, text, `ratio ≥ 1 to "faster" (1.600) reached`)
	require.Contains(t, text, `ratio ≥ 0.95 to "fastest" (0.800) MISSED by 15.8 %`)
}

func TestLatencyVerdict(t *testing.T) {
	run := func(p50, p99 time.Duration) sample { return sample{n: 1, elapsed: 1, p50: p50, p99: p99} }
	verdict := func(p50, p99 time.Duration) string {
		o := outcome{c: &benchCase{unit: medianTime}}
		o.settle([]sample{run(p50, p99)}, []sample{run(1e6, 3e6), run(1e6, 4e6), run(1e6, 5e6)})
		return goal{slower: 200 * time.Microsecond}.verdict(o, 1)
	}
	require.Contains(t, verdict(1_100_000, 4_000_000), "p50 ≤ raw + 0.20 ms reached")
	require.Contains(t, verdict(1_300_000, 4_000_000), "p50 ≤ raw + 0.20 ms MISSED by 8.3 %")
	require.Contains(t, verdict(1_100_000, 5_900_000), "p99 ≤ raw + 2.00 ms reached")
	require.Contains(t, verdict(1_100_000, 6_600_000), "p99 ≤ raw + 2.00 ms MISSED by 10.0 %")
}

func TestReplayVerdict(t *testing.T) {
	o := outcome{c: &benchCase{unit: perKill}}
	o.settle(
		[]sample{{value: 0, rate: 2e6}, {value: 8_000, rate: 2e6}, {value: 9_000, rate: 2e6}},
		[]sample{{value: 100_000}, {value: 0}, {value: 200_000}, {value: 200_000}},
	)
	require.InDelta(t, 8_000, o.ours, 0.1)
	require.InDelta(t, 18.75, o.ratio, 0.01)
	g := goal{ofRate: 5 * time.Millisecond}
	require.Contains(t, g.verdict(o, 1), "≤ 5ms of throughput (median 4.00 ms, worst 4.50 ms) reached")
	o.samples[1].value, o.samples[2].value = 12_000, 12_000
	require.Contains(t, g.verdict(o, 1), "MISSED by 20.0 %")
}
