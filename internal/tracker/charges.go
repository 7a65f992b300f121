package tracker

import (
	"math/bits"
	"slices"
	"sync/atomic"
)

// Lease is memory that several deliveries hold together: those of one response of a broker, where
// records point into it. It is given back when the last of them is finished.
type Lease struct {
	// left and bytes are changed by who finishes a delivery; the others are fixed when it is made.
	left    atomic.Int64
	bytes   atomic.Int64
	records int
	free    func(bytes int64, records int)
	parent  *Lease // held until this one is given back
}

// Under makes it a holder of another, which it keeps alive.
func (l *Lease) Under(parent *Lease) *Lease {
	parent.Hold()
	l.parent = parent
	return l
}

// Bytes is what it and what is above it hold.
func (l *Lease) Bytes() int64 {
	if l == nil {
		return 0
	}
	return l.bytes.Load() + l.parent.Bytes()
}

// NewLease makes a lease that its maker holds too, until he calls Done. free must not block.
func NewLease(free func(bytes int64, records int)) *Lease {
	l := &Lease{free: free}
	l.left.Store(1)
	return l
}

// Add puts one more delivery under the lease; its maker does.
func (l *Lease) Add(bytes int64, records int) {
	l.left.Add(1)
	l.bytes.Add(bytes)
	l.records += records
}

// Hold adds a holder, who calls Done later; any holder may.
func (l *Lease) Hold() { l.left.Add(1) }

// Done takes a holder off.
func (l *Lease) Done() {
	if l.left.Add(-1) == 0 {
		l.free(l.bytes.Load(), l.records)
		if l.parent != nil {
			l.parent.Done()
		}
	}
}

// Lot is what the elements of a delivery were made of. Finished is called once, by whoever finishes
// or collects the last of them, if each was done: none was given up, taken back or handed to user
// code, and the assignment has not ended before. From then on nobody has them. It must not block,
// and takes no lock but its own.
type Lot interface{ Finished() }

// charges remembers, for each delivery, what it holds in memory and how many of its positions are
// outstanding: a record that is stuck keeps the memory of its own delivery alive, and of no other.
type charges struct {
	all  []charge
	head int // charges before it are given back
	hint int // where the last position was found: marks come near each other
}

type charge struct {
	first, end uint64
	left       int
	bytes      int64
	lease      *Lease
	lot        Lot // nil where nobody asks
	kept       bool
}

// freed is what was given back and not told yet.
type freed struct {
	bytes   int64
	records int
	leases  []*Lease
	lots    []Lot
}

func (f *freed) add(c *charge) {
	f.bytes += c.bytes
	f.records += int(c.end - c.first)
	f.leases = append(f.leases, c.lease)
}

// add charges the n positions before end.
func (c *charges) add(end uint64, n int, bytes int64, lease *Lease, lot Lot) {
	if c.head > 16 && c.head > len(c.all)/2 {
		c.all = slices.Delete(c.all, 0, c.head)
		c.hint = max(0, c.hint-c.head)
		c.head = 0
	}
	c.all = append(c.all, charge{first: end - uint64(n), end: end, left: n, bytes: bytes, lease: lease, lot: lot})
}

// settle counts positions down that are not outstanding any more. Somebody may still have those of
// kept.
func (c *charges) settle(base, mask, kept uint64, f *freed) {
	if len(c.all) == c.head {
		return
	}
	for mask != 0 {
		first := base + uint64(bits.TrailingZeros64(mask))
		ch := c.find(first)
		if ch == nil {
			mask &= mask - 1 // delivered without a charge
			continue
		}
		part := mask
		if n := ch.end - base; n < 64 {
			part &= 1<<n - 1
		}
		mask &^= part
		ch.kept = ch.kept || part&kept != 0
		if ch.left -= bits.OnesCount64(part); ch.left == 0 {
			f.add(ch)
			if ch.lot != nil && !ch.kept {
				f.lots = append(f.lots, ch.lot)
			}
			ch.lot = nil
		}
	}
	for c.head < len(c.all) && c.all[c.head].left == 0 {
		c.head++
	}
}

// keep notes that somebody has positions that will count as done all the same.
func (c *charges) keep(base, mask uint64) {
	for ; mask != 0 && len(c.all) > c.head; mask &= mask - 1 {
		if ch := c.find(base + uint64(bits.TrailingZeros64(mask))); ch != nil {
			ch.kept = true
		}
	}
}

// find returns the charge of a position, or nil.
func (c *charges) find(position uint64) *charge {
	i := min(max(c.hint, c.head), len(c.all)-1)
	for i > c.head && position < c.all[i].first {
		i--
	}
	for i < len(c.all)-1 && position >= c.all[i].end {
		i++
	}
	c.hint = i
	if ch := &c.all[i]; ch.first <= position && position < ch.end {
		return ch
	}
	return nil
}

// pinned is what the leases hold under which anything is outstanding.
func (c *charges) pinned() (bytes int64) {
	for i := range c.all[c.head:] {
		if ch := &c.all[c.head+i]; ch.left > 0 {
			bytes += ch.lease.Bytes()
		}
	}
	return bytes
}

// drop gives everything back.
func (c *charges) drop(f *freed) {
	for i := range c.all[c.head:] {
		if ch := &c.all[c.head+i]; ch.left > 0 {
			f.add(ch)
		}
	}
	*c = charges{}
}
