package tracker_test

import (
	"flag"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/bubble"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/memory"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

var (
	_ core.Assignment = (*tracker.Tracker)(nil)

	seedFlag = flag.Uint64("tracker.seed", 0, "run the model test with this seed alone")
)

// both are driven by the same bytes, and compared after each step.
type both struct {
	t      *testing.T
	real   *tracker.Tracker
	model  *plain
	events tracker.Event
	next   int64

	plainCharges
}

func newBoth(t *testing.T, limit int, noManual bool, start tracker.Mark) *both {
	b := &both{t: t, model: &plain{limit: limit, noManual: noManual, start: start}}
	b.memory = memory.NewCharges(func(bytes int64, records int) {
		b.freed += bytes
		b.records += records
	})
	b.real = tracker.New(tracker.Options{
		Topic: "t", Partition: 3, Limit: limit, Plain: noManual, Start: start,
		Notify:   func(ev tracker.Event) { b.events |= ev },
		Observer: b.memory,
	})
	return b
}

func (b *both) step(op, x, y byte) {
	before, wasFull, wasAbandoned, closed := b.model.was, b.model.full, b.model.abandoned(), b.model.closed
	outstanding := b.model.outstanding()
	b.events = 0
	base := uint64(x) / 4 * 64 % uint64(len(b.model.positions)/64*64+128)
	mask := uint64(y)<<(x%57) | uint64(x&y)
	if y > 200 {
		mask = ^uint64(0)
	}
	switch op % 16 {
	case 0, 1, 2:
		n := int(y) % 80
		if x%3 == 0 {
			b.next += int64(x)
		}
		first := b.next
		if x%2 == 0 {
			b.real.DeliveredRun(n, first, int32(x/64))
			for i := range n {
				b.model.delivered(first+int64(i), int32(x/64))
			}
			b.next += int64(n)
			b.charge(n, x, y)
			break
		}
		at := func(i int) (int64, int32) { return first + int64(i+i/5), int32(x / 64) }
		b.real.Delivered(n, at)
		for i := range n {
			b.model.delivered(at(i))
		}
		b.next += int64(n + n/5)
		b.charge(n, x, y)
	case 3, 4, 5, 6, 7:
		b.real.Done(base, mask)
		b.model.done(base, mask)
	case 8:
		base = uint64(b.model.was) &^ 63
		b.real.Done(base, ^uint64(0))
		b.model.done(base, ^uint64(0))
	case 9, 10:
		stage := "toChan"
		if y%5 == 0 {
			stage = []string{"all", "forEachManual"}[x%2]
		}
		b.real.HandOver(base, mask, stage)
		b.model.handOver(base, mask, stage)
	case 11:
		if at := base + uint64(y%64); x%2 == 0 {
			b.real.Answer(at)
			b.model.withdraw(at&^63, 1<<(at&63))
			break
		}
		b.real.Withdraw(base, mask)
		if !b.model.noManual {
			b.model.withdraw(base, mask)
		}
	case 12, 13:
		at := base + uint64(y%64)
		b.real.Commit(at)
		b.model.commit(at)
	case 14:
		if x < 40 {
			b.real.Abandon(base, mask)
			b.model.abandon(base, mask)
		}
	case 15:
		switch {
		case x < 20:
			from := uint64(y) * 4
			b.real.Reclaim(from)
			if !closed {
				b.model.reclaim(from)
			}
		case x > 250:
			mark, ok, left := b.real.Close()
			wantMark, wantOK := b.model.committable()
			require.Equal(b.t, wantOK, ok)
			require.Equal(b.t, wantMark, mark)
			require.Equal(b.t, outstanding, left)
			b.model.closed = true
		}
	}
	b.compare()
	if closed {
		require.Zero(b.t, b.events, "a closed tracker tells nothing")
		return
	}
	if b.model.was != before {
		require.NotZero(b.t, b.events&tracker.Moved)
	}
	if outstanding > 0 && b.model.outstanding() == 0 {
		require.NotZero(b.t, b.events&tracker.Zero)
	}
	if wasFull && !b.model.full {
		require.NotZero(b.t, b.events&tracker.Room)
	}
	if !wasAbandoned && b.model.abandoned() {
		require.NotZero(b.t, b.events&tracker.Abandoned)
	}
}

func (b *both) compare() {
	t, m := b.t, b.model
	mark, ok := b.real.Committable()
	wantMark, wantOK := m.committable()
	require.Equal(t, wantOK, ok)
	require.Equal(t, wantMark, mark)
	require.Equal(t, m.outstanding(), b.real.Outstanding())
	require.Equal(t, m.travelling(), b.real.Travelling())
	require.Equal(t, m.abandoned(), b.real.Abandoned())
	require.Equal(t, m.full && !m.closed, b.real.Full())
	b.compareCharges()
	require.EqualValues(t, len(m.positions), b.real.Position())
	answers, by := m.unanswered()
	u, ok := b.real.Unanswered()
	require.Equal(t, answers > 0, ok)
	if ok {
		require.Equal(t, m.positions[m.was].offset, u.Offset)
		require.Equal(t, answers, u.Answers)
		require.Subset(t, by, u.Stages)
		require.Contains(t, u.Stages, by[len(by)-1], "the last that handed it over")
	}
	offset, _, ok := b.real.Oldest()
	require.Equal(t, !m.closed && m.was < len(m.positions), ok)
	if ok {
		require.Equal(t, m.positions[m.was].offset, offset)
		topic, partition, located, ok := b.real.Locate(uint64(m.was))
		require.True(t, ok)
		require.Equal(t, "t", topic)
		require.EqualValues(t, 3, partition)
		require.Equal(t, offset, located)
	}
}

// The tracker does what the plain one does, whatever comes in whatever order.
func TestTrackerIsThePlainOne(t *testing.T) {
	seeds := uint64(300)
	first := *seedFlag
	if first != 0 {
		seeds = 1
	}
	for seed := first; seed < first+seeds; seed++ {
		r := rand.New(rand.NewPCG(seed, 7))
		var start tracker.Mark
		if r.IntN(3) == 0 {
			start = tracker.Mark{Offset: 5, Epoch: 1}
		}
		b := newBoth(t, 1+r.IntN(300), r.IntN(4) == 0, start)
		t.Logf("-tracker.seed=%d", seed)
		for range 60 + r.IntN(100) {
			b.step(byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()))
		}
	}
}

func FuzzTracker(f *testing.F) {
	f.Add([]byte{1, 2, 79, 8, 0, 0, 3, 4, 255, 14, 3, 3, 9, 1, 1, 12, 1, 1})
	f.Fuzz(func(t *testing.T, ops []byte) {
		b := newBoth(t, 100, len(ops)%5 == 0, tracker.Mark{})
		for steps := 0; len(ops) >= 3 && len(b.model.positions) < 500 && steps < 100; ops, steps = ops[3:], steps+1 {
			b.step(ops[0], ops[1], ops[2])
		}
	})
}

// What many goroutines mark is counted once.
func TestMarksFromManyGoroutines(t *testing.T) {
	const n = 64 * 500
	tr := tracker.New(tracker.Options{})
	tr.DeliveredRun(n, 100, 2)
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(k), 1))
			for _, w := range r.Perm(n / 64) {
				tr.Done(uint64(w)*64, 0xaaaaaaaaaaaaaaaa)
				tr.Done(uint64(w)*64, ^uint64(0))
				tr.HandOver(uint64(w)*64, 1, "a")
				tr.Commit(uint64(w) * 64)
				tr.Committable()
			}
		})
	}
	wg.Wait()
	mark, ok := tr.Committable()
	require.True(t, ok)
	require.Equal(t, tracker.Mark{Offset: 100 + n, Epoch: 2}, mark)
	require.Zero(t, tr.Outstanding())
}

// Each answer is for one hand-over, whichever; Commit is for all of them, also for those to come.
// What was not handed over cannot be answered beforehand.
func TestAnswersAreCounted(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(*tracker.Tracker)
		done bool
		left int
	}{
		"handed over once, answered":             {func(t *tracker.Tracker) { hand(t, 1); answer(t, 1) }, true, 0},
		"twice, answered once":                   {func(t *tracker.Tracker) { hand(t, 2); answer(t, 1) }, false, 1},
		"five times, answered three times":       {func(t *tracker.Tracker) { hand(t, 5); answer(t, 3) }, false, 2},
		"twice, answered twice":                  {func(t *tracker.Tracker) { hand(t, 2); answer(t, 2) }, true, 0},
		"answered between":                       {func(t *tracker.Tracker) { hand(t, 1); answer(t, 1); hand(t, 1) }, false, 1},
		"answered before, which is for nothing":  {func(t *tracker.Tracker) { answer(t, 3); hand(t, 1) }, false, 1},
		"committed":                              {func(t *tracker.Tracker) { hand(t, 3); t.Commit(70) }, true, 0},
		"committed before":                       {func(t *tracker.Tracker) { t.Commit(70); hand(t, 3) }, true, 0},
		"committed between":                      {func(t *tracker.Tracker) { hand(t, 2); answer(t, 1); t.Commit(70); hand(t, 1) }, true, 0},
		"one withdrawn":                          {func(t *tracker.Tracker) { hand(t, 2); t.Withdraw(64, 1<<6) }, false, 1},
		"one withdrawn, one answered":            {func(t *tracker.Tracker) { hand(t, 2); t.Withdraw(64, 1<<6); answer(t, 1) }, true, 0},
		"withdrawn, and answered all the same":   {func(t *tracker.Tracker) { hand(t, 1); answer(t, 1); t.Withdraw(64, 1<<6) }, true, 0},
		"abandoned, then answered, is not done":  {func(t *tracker.Tracker) { hand(t, 1); t.Abandon(64, 1<<6); answer(t, 1) }, false, 0},
		"never handed over, and answered, stays": {func(t *tracker.Tracker) { answer(t, 1) }, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			tr := tracker.New(tracker.Options{})
			tr.DeliveredRun(71, 0, 0)
			tr.Done(0, ^uint64(0))
			tr.Done(64, 1<<6-1)
			c.do(tr)
			mark, _ := tr.Committable()
			require.EqualValues(t, 70, mark.Offset, "a part still travels")
			tr.Done(64, 1<<6)
			mark, _ = tr.Committable()
			require.Equal(t, c.done, mark.Offset == 71)
			u, ok := tr.Unanswered()
			require.Equal(t, c.left > 0, ok)
			require.Equal(t, c.left, u.Answers)
			if ok {
				require.EqualValues(t, 70, u.Offset)
				require.Equal(t, []string{"toChan"}, u.Stages)
			}
		})
	}
}

func hand(t *tracker.Tracker, n int) {
	for range n {
		t.HandOver(64, 1<<6, "toChan")
	}
}

func answer(t *tracker.Tracker, n int) {
	for range n {
		t.Answer(70)
	}
}

func TestOldestTellsItsAge(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		tr := tracker.New(tracker.Options{})
		tr.DeliveredRun(3, 0, 0)
		<-time.After(time.Second)
		tr.DeliveredRun(3, 10, 0)
		<-time.After(time.Second)
		offset, age, ok := tr.Oldest()
		require.True(t, ok)
		require.Zero(t, offset)
		require.Equal(t, 2*time.Second, age)
		tr.Done(0, 0b1111)
		offset, age, _ = tr.Oldest()
		require.EqualValues(t, 11, offset)
		require.Equal(t, time.Second, age)
	})
}
