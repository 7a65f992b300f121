package consumer

import (
	"sync/atomic"

	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

// budget bounds what a run holds in memory: what was fetched and is not finished, and what the
// client fetches ahead meanwhile.
//
// Of the bytes that the user gives, three eighths are for what was delivered, and half of the
// records (the limits here); when they are used up, polling stops. Up to as much again goes to
// partitions that hold less than their part while slow ones hold all of it. The last quarter is for
// the client, which holds one response of each broker, decompressed, while another is on its way:
// its requests ask for that much less as records were compressed better (fetchsize.go).
//
// Memory is charged as it is held: 160 bytes for the client's record beside its key, value and
// headers, and the element of ours; per delivery, or, where values were not compressed and so point
// into the broker's whole response, for all of that together.
type budget struct {
	limit, records int64
	used, count    atomic.Int64
	bell           *feed.Bell
}

// recordBytes is what a record of the client's takes beside what it points at.
const recordBytes = 160

func newBudget(bytes, records int64, bell *feed.Bell) *budget {
	return &budget{limit: max(bytes*fetchesInLimit/fetchesInBudget, 1), records: max(records/2, 1), bell: bell}
}

// lease is for what one delivery, or one response, holds.
func (b *budget) lease() *tracker.Lease { return tracker.NewLease(b.free) }

func (b *budget) charge(bytes int64, records int) {
	b.used.Add(bytes)
	b.count.Add(int64(records))
}

func (b *budget) free(bytes int64, records int) {
	b.used.Add(-bytes)
	b.count.Add(-int64(records))
	b.bell.Ring()
}

// full reports whether nothing more should be fetched, except for partitions that hold less than
// their part.
func (b *budget) full() bool { return b.used.Load() >= b.limit || b.count.Load() >= b.records }

// exhausted reports whether nothing may be fetched at all.
func (b *budget) exhausted() bool { return b.used.Load() >= 2*b.limit || b.count.Load() >= 2*b.records }

// share is what one of n partitions may hold before it has more than its part. It is never so
// little that a partition would be stopped for every fetch.
func (b *budget) share(n int) load {
	parts := int64(max(n, 1))
	return load{max(b.limit/parts, 64<<10), max(b.records/parts, 16)}
}

// load is what a partition holds.
type load struct{ bytes, records int64 }

// exceeds reports whether it is more than so many times another, in bytes or in records.
func (l load) exceeds(times int64, other load) bool {
	return l.bytes > times*other.bytes || l.records > times*other.records
}
