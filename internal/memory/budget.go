package memory

import "sync/atomic"

// Budget bounds what a run holds in memory: what was fetched and is not finished, and what the
// client fetches ahead meanwhile.
//
// Of the bytes that the user gives, three eighths are for what was delivered, and half of the
// records (the limits here); when they are used up, polling stops. Up to as much again goes to
// partitions that hold less than their share while slow ones hold all of it. The last quarter is
// for the client, which holds one response of each broker, decompressed, while another is on its
// way: its requests ask for that much less as records were compressed better (FetchSize).
//
// Memory is charged as it is held: RecordBytes for the client's record beside its key, value and
// headers, and the element of ours; per delivery, or, where values were not compressed and so point
// into the broker's whole response, for all of that together.
type Budget struct {
	limits Load         // written by NewBudget
	used   atomic.Int64 // bytes; changed by whoever charges or frees
	count  atomic.Int64 // records, likewise
	freed  func()       // written by NewBudget
}

// RecordBytes is what a record of the client's takes beside what it points at.
const RecordBytes = 160

// So many responses are in the budget, and in what of it is for records that were delivered.
const (
	fetchesInBudget = 8
	fetchesInLimit  = 3
)

// NewBudget makes the budget of a run of what the user gives. freed is called whenever something
// was given back; it must not block.
func NewBudget(total Load, freed func()) *Budget {
	return &Budget{limits: Load{max(total.Bytes*fetchesInLimit/fetchesInBudget, 1), max(total.Records/2, 1)}, freed: freed}
}

// Lease is for what one delivery, or one response, holds.
func (b *Budget) Lease() *Lease { return NewLease(b.Free) }

// Charge counts bytes and records as held.
func (b *Budget) Charge(bytes int64, records int) {
	b.used.Add(bytes)
	b.count.Add(int64(records))
}

// Free gives them back.
func (b *Budget) Free(bytes int64, records int) {
	b.used.Add(-bytes)
	b.count.Add(-int64(records))
	b.freed()
}

// Used is what is charged now.
func (b *Budget) Used() int64 { return b.used.Load() }

// Full reports whether nothing more should be fetched, except for partitions that hold less than
// their share.
func (b *Budget) Full() bool { return b.uses(1) }

// Exhausted reports whether nothing may be fetched at all.
func (b *Budget) Exhausted() bool { return b.uses(2) }

// uses reports whether so many times the limits are used.
func (b *Budget) uses(times int64) bool {
	return b.used.Load() >= times*b.limits.Bytes || b.count.Load() >= times*b.limits.Records
}

// Share is what one of n partitions may hold before it has more than its share. It is not so little
// that a partition would be stopped for every fetch; but while the budget is strained it is what
// there is for each, however little. What a strained budget has left is as much as its limits, and
// a partition that gets stuck now holds its share and half of one more, which a fetch may bring
// (FetchSize): half of all partitions take three quarters of it, and the rest is for the others.
func (b *Budget) Share(n int, strained bool) Load {
	parts, least := int64(max(n, 1)), Load{leastShareBytes, leastShareRecords}
	if strained {
		least = Load{smallestOfPartition, 1}
	}
	return Load{max(b.limits.Bytes/parts, least.Bytes), max(b.limits.Records/parts, least.Records)}
}

// The least that a share is, unless the budget is strained.
const (
	leastShareBytes   = 64 << 10
	leastShareRecords = 16
)

// Load is memory: bytes, and records.
type Load struct{ Bytes, Records int64 }

// Exceeds reports whether it is more than so many times another, in bytes or in records.
func (l Load) Exceeds(times int64, other Load) bool {
	return l.Bytes > times*other.Bytes || l.Records > times*other.Records
}
