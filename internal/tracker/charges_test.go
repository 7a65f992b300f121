package tracker_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/memory"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

// plainCharges remembers what deliveries were charged with, and counts everything from the start.
type plainCharges struct {
	charges []plainCharge
	leases  []*plainLease
	memory  *memory.Charges
	freed   int64 // what that has told
	records int
}

type plainCharge struct {
	first, end int
	bytes      int64
	lease      *plainLease
	lot        *plainLot
}

// plainLot counts how often it was told that nobody has anything of it.
type plainLot struct{ finished, want int }

func (l *plainLot) Finished() { l.finished++ }

type plainLease struct {
	real         *memory.Lease
	done         bool // its maker holds it no more
	times        int  // it was given back
	bytes        int64
	records      int
	freedBytes   int64
	freedRecords int
}

// charge may charge the n positions that were just delivered, under a lease of their own or that of
// the delivery before.
func (b *both) charge(n int, x, y byte) {
	if x%8 == 7 {
		return // without
	}
	var l *plainLease
	if k := len(b.leases); x%4 == 1 && k > 0 && !b.leases[k-1].done {
		l = b.leases[k-1]
	} else {
		if k > 0 && !b.leases[k-1].done {
			b.leases[k-1].done = true
			b.leases[k-1].real.Done()
		}
		l = &plainLease{}
		l.real = memory.NewLease(func(bytes int64, records int) {
			l.times++
			l.freedBytes, l.freedRecords = bytes, records
		})
		b.leases = append(b.leases, l)
	}
	bytes := int64(y) + 1
	lot := &plainLot{}
	ok := b.memory.Add(b.real.Position()-uint64(n), n, bytes, l.real, lot)
	require.Equal(b.t, n > 0 && !b.model.closed, ok)
	if ok {
		end := len(b.model.positions)
		b.charges = append(b.charges, plainCharge{end - n, end, bytes, l, lot})
		l.bytes += bytes
		l.records += n
	}
	if y%2 == 0 {
		l.done = true
		l.real.Done()
	}
}

// compareCharges says that what is given back is what holds no position any more, that a lease goes
// with its last holder, once and whole, and that a lot is told when all of it is done and nobody
// has any.
func (b *both) compareCharges() {
	freed, records := int64(0), 0
	held := map[*plainLease]bool{}
	for _, c := range b.charges {
		outstanding, kept := false, false
		for i, x := range b.model.positions[c.first:c.end] {
			outstanding = outstanding || !x.settled && !b.model.closed
			kept = kept || x.kept
			if at := uint64(c.first + i); !x.settled && !b.model.closed {
				require.Same(b.t, c.lot, b.memory.Lot(at))
			}
		}
		if !outstanding && !kept && !b.model.closed {
			c.lot.want = 1
		}
		require.Equal(b.t, c.lot.want, c.lot.finished)
		if outstanding {
			held[c.lease] = true
		} else {
			freed += c.bytes
			records += c.end - c.first
		}
	}
	require.Equal(b.t, freed, b.freed)
	require.Equal(b.t, records, b.records)
	for _, l := range b.leases {
		if held[l] || !l.done {
			require.Zero(b.t, l.times)
			continue
		}
		require.Equal(b.t, 1, l.times)
		require.Equal(b.t, l.bytes, l.freedBytes)
		require.Equal(b.t, l.records, l.freedRecords)
	}
}

// A record that is stuck holds what came with it, and nothing else, however much comes behind it.
func TestStuckRecordHoldsItsOwnDelivery(t *testing.T) {
	freed := int64(0)
	charges := memory.NewCharges(func(bytes int64, _ int) { freed += bytes })
	tr := tracker.New(tracker.Options{Observer: charges})
	leases := 0
	const deliveries = 5000
	for i := range deliveries {
		l := memory.NewLease(func(bytes int64, records int) {
			require.EqualValues(t, 10, bytes)
			require.Equal(t, 100, records)
			leases++
		})
		require.True(t, charges.Add(tr.DeliveredRun(100, int64(i)*100, 0), 100, 10, l, nil))
		l.Done()
	}
	for base := uint64(0); base < deliveries*100; base += 64 {
		mask := ^uint64(0)
		if base == 128 {
			mask &^= 1 << 10 // position 138
		}
		tr.Done(base, mask)
	}
	require.EqualValues(t, (deliveries-1)*10, freed)
	require.Equal(t, deliveries-1, leases)
	tr.Done(128, 1<<10)
	require.EqualValues(t, deliveries*10, freed)
	require.Equal(t, deliveries, leases)
}

// Closing gives everything back; what comes after it is not charged.
func TestCloseGivesBack(t *testing.T) {
	freed := int64(0)
	charges := memory.NewCharges(func(bytes int64, _ int) { freed += bytes })
	tr := tracker.New(tracker.Options{Observer: charges})
	gone := 0
	l := memory.NewLease(func(int64, int) { gone++ })
	charges.Add(tr.DeliveredRun(10, 0, 0), 10, 7, l, nil)
	charges.Add(tr.DeliveredRun(10, 10, 0), 10, 8, l, nil)
	l.Done()
	tr.Done(0, 1<<10-1)
	require.EqualValues(t, 7, freed)
	require.Zero(t, gone)
	_, _, left := tr.Close()
	require.Equal(t, 10, left)
	require.EqualValues(t, 15, freed)
	require.Equal(t, 1, gone)
	require.False(t, charges.Add(tr.DeliveredRun(10, 20, 0), 10, 8, l, nil))
	tr.Close()
	require.EqualValues(t, 15, freed)
	require.Equal(t, 1, gone)
}
