package tracker_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/memory"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

// A cut gives back what is outstanding from it on: that is not outstanding, not done, and nobody is
// told that it was given up.
func TestCut(t *testing.T) {
	var events tracker.Event
	tr := tracker.New(tracker.Options{Notify: func(ev tracker.Event) { events |= ev }})
	tr.DeliveredRun(200, 1000, 0)
	tr.Done(0, 0b11)
	tr.Done(64, 1<<36) // 100
	require.Equal(t, 200-70-1, tr.Cut(70, 70, false))
	require.Equal(t, 68, tr.Outstanding())
	require.False(t, tr.Abandoned())
	require.Zero(t, events&(tracker.Zero|tracker.Abandoned))
	require.Zero(t, tr.Cut(70, 70, false), "they have been given back")
	require.Zero(t, tr.Cut(150, 70, false), "a cut is never raised")
	tr.Done(64, 1<<40) // 104, too late
	tr.Done(0, ^uint64(0))
	require.Zero(t, events&tracker.Zero)
	tr.Done(64, 0b111111)
	require.NotZero(t, events&tracker.Zero, "all before the cut is finished")
	require.Zero(t, tr.Outstanding())
	mark, ok := tr.Committable()
	require.True(t, ok)
	require.EqualValues(t, 1070, mark.Offset, "the frontier does not pass it")
}

// The last of what is outstanding is given back by the cut itself, and that is told.
func TestCutOfTheLast(t *testing.T) {
	var events tracker.Event
	tr := tracker.New(tracker.Options{Notify: func(ev tracker.Event) { events |= ev }})
	tr.DeliveredRun(5, 0, 0)
	require.Equal(t, 5, tr.Cut(0, 0, false))
	require.Equal(t, tracker.Zero, events)
}

// A cut before the frontier is usual (what was left out has not begun): nothing goes back.
func TestCutBeforeTheFrontier(t *testing.T) {
	tr := tracker.New(tracker.Options{})
	tr.DeliveredRun(100, 0, 0)
	tr.Done(0, ^uint64(0))
	require.Equal(t, 36, tr.Cut(10, 10, false))
	require.Zero(t, tr.Outstanding())
	mark, _ := tr.Committable()
	require.EqualValues(t, 64, mark.Offset)
	offset, any := tr.Begun()
	require.True(t, any)
	require.EqualValues(t, 64, offset)
	offset, _, ok := tr.Oldest()
	require.True(t, ok)
	require.EqualValues(t, 64, offset)
	require.Zero(t, tr.Travelling())
	mark, ok, left := tr.Close()
	require.True(t, ok)
	require.EqualValues(t, 64, mark.Offset)
	require.Zero(t, left)
}

// What is delivered after a cut is given back at once; that may have been on its way.
func TestDeliveredAfterACut(t *testing.T) {
	tr := tracker.New(tracker.Options{})
	tr.DeliveredRun(10, 0, 0)
	require.Equal(t, 6, tr.Cut(4, 4, false))
	tr.DeliveredRun(100, 10, 0)
	require.Equal(t, 4, tr.Outstanding())
	tr.Done(0, 0b1111)
	require.Zero(t, tr.Outstanding())
	mark, _ := tr.Committable()
	require.EqualValues(t, 4, mark.Offset)
}

// What lies after the cut holds its memory until it is thrown away, or the assignment ends:
// somebody may have it. Its lot is not used again.
func TestReturnGivesChargesBack(t *testing.T) {
	for name, end := range map[string]func(tr *tracker.Tracker){
		"returned":   func(tr *tracker.Tracker) { tr.Return(0, 0xff00) },
		"abandoned":  func(tr *tracker.Tracker) { tr.Abandon(0, 0xff00) },
		"done":       func(tr *tracker.Tracker) { tr.Done(0, 0xff00) },
		"reclaimed":  func(tr *tracker.Tracker) { tr.Reclaim(8) },
		"closed":     func(tr *tracker.Tracker) { tr.Close() },
		"one by one": func(tr *tracker.Tracker) { tr.Return(0, 0xff<<4); tr.Return(0, 0xff<<8); tr.Return(0, 0xff<<8) },
	} {
		t.Run(name, func(t *testing.T) {
			freed, records, leases := int64(0), 0, 0
			charges := memory.NewCharges(func(b int64, n int) { freed, records = freed+b, records+n })
			tr := tracker.New(tracker.Options{Observer: charges})
			lots := [3]plainLot{}
			for i := range 3 { // 0-3, 4-11, 12-15
				n := []int{4, 8, 4}[i]
				l := memory.NewLease(func(int64, int) { leases++ })
				first := tr.DeliveredRun(n, int64([]int{0, 4, 12}[i]), 0)
				require.True(t, charges.Add(first, n, int64(10+i), l, &lots[i]))
				l.Done()
			}
			tr.Done(0, 0x00ff)
			require.EqualValues(t, 10, freed)
			require.Equal(t, 1, lots[0].finished)
			require.Equal(t, 8, tr.Cut(8, 8, false))
			require.Zero(t, tr.Outstanding())
			require.EqualValues(t, 10, freed, "somebody holds them")
			require.Equal(t, 1, leases)
			require.Positive(t, charges.Pinned())
			end(tr)
			require.EqualValues(t, 33, freed)
			require.Equal(t, 16, records)
			require.Equal(t, 3, leases)
			require.Zero(t, charges.Pinned())
			tr.Close()
			require.EqualValues(t, 33, freed)
			require.Equal(t, [3]plainLot{{finished: 1}, {}, {}}, lots, "one in which anything was given back is nobody's to use again")
		})
	}
}

// What is given up makes a gap: its cut comes first, and has given it back; then it counts as given
// up.
func TestAbandonAfterACut(t *testing.T) {
	var events tracker.Event
	tr := tracker.New(tracker.Options{Notify: func(ev tracker.Event) { events |= ev }})
	tr.DeliveredRun(10, 0, 0)
	require.Equal(t, 5, tr.Cut(5, 8, false))
	require.False(t, tr.Abandoned())
	tr.Abandon(0, 1<<5)
	require.True(t, tr.Abandoned())
	require.NotZero(t, events&tracker.Abandoned)
	require.Equal(t, 5, tr.Outstanding())
	events = 0
	tr.Abandon(0, 1<<5)
	require.Zero(t, events&tracker.Abandoned, "once")
	require.Equal(t, 3, tr.Cut(2, 8, false), "lower")
	tr.Done(0, 0b11)
	require.Zero(t, tr.Outstanding())
	mark, _ := tr.Committable()
	require.EqualValues(t, 2, mark.Offset)
}

// At most once goes on after what has begun, or has ended as done.
func TestBegun(t *testing.T) {
	for name, row := range map[string]struct {
		before func(tr *tracker.Tracker)
		offset int64
		any    bool
	}{
		"no cut":                 {func(*tracker.Tracker) {}, 0, false},
		"nothing has begun":      {func(tr *tracker.Tracker) { tr.Cut(0, 0, false) }, 100, true},
		"some has":               {func(tr *tracker.Tracker) { tr.Cut(4, 4, false) }, 104, true},
		"some had, and a gap":    {func(tr *tracker.Tracker) { tr.Cut(2, 7, false) }, 107, true},
		"a gap after a freeze":   {func(tr *tracker.Tracker) { tr.Cut(7, 7, false); tr.Cut(2, 0, false) }, 107, true},
		"some has ended":         {func(tr *tracker.Tracker) { tr.Done(0, 0b110); tr.Cut(1, 1, false) }, 103, true},
		"everything has":         {func(tr *tracker.Tracker) { tr.Cut(10, 10, false) }, 110, false},
		"everything, with a gap": {func(tr *tracker.Tracker) { tr.Cut(3, 10, false) }, 110, false},
	} {
		t.Run(name, func(t *testing.T) {
			tr := tracker.New(tracker.Options{})
			tr.DeliveredRun(10, 100, 0)
			row.before(tr)
			offset, any := tr.Begun()
			require.Equal(t, row.any, any)
			require.Equal(t, row.offset, offset)
		})
	}
}
