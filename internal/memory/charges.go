package memory

import (
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

// Recyclable is what the elements of a delivery were made of. Finished is called once, by whoever
// finishes or collects the last of them, if each was done: none was given up, taken back or handed
// to user code, and the assignment has not ended before. From then on nobody has them. It must not
// block, and takes no lock but its own.
type Recyclable interface{ Finished() }

// Charges remembers, for each delivery of an assignment, what it holds in memory and how many of
// its positions are outstanding: a record that is stuck keeps the memory of its own delivery alive,
// and of no other. It is the tracker's observer: Settled, Kept and Closed are called under the
// tracker's lock, Tell without any. Its own lock is the innermost; all methods may be called from
// any goroutine.
type Charges struct {
	freed func(bytes int64, records int) // told of deliveries that nobody holds; must not block
	keeps atomic.Bool                    // some delivery is to be used again

	bytes, records atomic.Int64 // of what is charged and not given back; written under mu
	untold         atomic.Bool  // something was given back and not told; set under mu

	mu     sync.Mutex // guards what follows
	all    []charge
	head   int // charges before it are given back
	hint   int // where the last position was found: marks come near each other
	closed bool
	back   givenBack
}

// charge is what one delivery holds.
type charge struct {
	first, end uint64
	left       int
	bytes      int64
	lease      *Lease
	lot        Recyclable // nil where nobody asks
	kept       bool
}

// givenBack is what was given back and not told yet.
type givenBack struct {
	bytes   int64
	records int
	leases  []*Lease
	lots    []Recyclable
}

// NewCharges makes the charges of an assignment. freed is told of the bytes and records that are
// given back; nil is nobody.
func NewCharges(freed func(bytes int64, records int)) *Charges {
	if freed == nil {
		freed = func(int64, int) {}
	}
	return &Charges{freed: freed}
}

// Add says what the n positions from first on, which were just delivered, hold in memory, under
// which lease, and what they were made of (nil where that is nobody's business). It is given back
// as a whole when none of them is outstanding. It reports false, and nothing has happened, after
// the assignment's end.
func (c *Charges) Add(first uint64, n int, bytes int64, lease *Lease, lot Recyclable) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || n == 0 {
		return false
	}
	lease.Add(bytes, n)
	if lot != nil {
		c.keeps.Store(true)
	}
	if c.head > 16 && c.head > len(c.all)/2 {
		c.all = slices.Delete(c.all, 0, c.head)
		c.hint = max(0, c.hint-c.head)
		c.head = 0
	}
	c.all = append(c.all, charge{first: first, end: first + uint64(n), left: n, bytes: bytes, lease: lease, lot: lot})
	c.bytes.Add(bytes)
	c.records.Add(int64(n))
	return true
}

// Charged is what deliveries were charged with that is not given back: bytes, and all of their
// elements.
func (c *Charges) Charged() Load { return Load{c.bytes.Load(), c.records.Load()} }

// Lot is what the element at an outstanding position was made of, or nil.
func (c *Charges) Lot(position uint64) Recyclable {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ch := c.find(position); ch != nil {
		return ch.lot
	}
	return nil
}

// Pinned is how many bytes the leases hold together under which anything is outstanding.
func (c *Charges) Pinned() (bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.all[c.head:] {
		if ch := &c.all[c.head+i]; ch.left > 0 {
			bytes += ch.lease.Bytes()
		}
	}
	return bytes
}

// Settled counts positions down that are not outstanding any more: bit i of mask stands for base+i.
// Somebody may still have those of kept.
func (c *Charges) Settled(base, mask, kept uint64) {
	if c.records.Load() == 0 {
		return // nothing is charged: a source that holds no memory of its own
	}
	c.mu.Lock()
	defer c.mu.Unlock()
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
			c.giveBack(ch)
			if ch.lot != nil && !ch.kept {
				c.back.lots = append(c.back.lots, ch.lot)
			}
			ch.lot = nil
		}
	}
	for c.head < len(c.all) && c.all[c.head].left == 0 {
		c.head++
	}
}

// Kept notes that somebody has positions that will count as done all the same.
func (c *Charges) Kept(base, mask uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ; mask != 0; mask &= mask - 1 {
		if ch := c.find(base + uint64(bits.TrailingZeros64(mask))); ch != nil {
			ch.kept = true
		}
	}
}

// Keeps reports whether it matters that somebody has a position: something is to be used again.
func (c *Charges) Keeps() bool { return c.keeps.Load() }

// Closed gives everything back: the assignment has ended.
func (c *Charges) Closed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for i := range c.all[c.head:] {
		if ch := &c.all[c.head+i]; ch.left > 0 {
			c.giveBack(ch)
		}
	}
	c.all, c.head, c.hint = nil, 0, 0
}

// Tell tells of what was given back. It is called with no lock held, after the others.
func (c *Charges) Tell() {
	if !c.untold.Load() {
		return // as after most marks: a delivery is given back as a whole
	}
	c.mu.Lock()
	back := c.back
	c.back = givenBack{}
	c.untold.Store(false)
	c.mu.Unlock()
	if len(back.leases) == 0 {
		return
	}
	c.freed(back.bytes, back.records)
	for _, l := range back.leases {
		l.Done()
	}
	for _, l := range back.lots {
		l.Finished()
	}
}

// giveBack notes what a charge holds; the caller holds the lock.
func (c *Charges) giveBack(ch *charge) {
	n := int(ch.end - ch.first)
	c.back.bytes += ch.bytes
	c.back.records += n
	c.back.leases = append(c.back.leases, ch.lease)
	c.untold.Store(true)
	c.bytes.Add(-ch.bytes)
	c.records.Add(-int64(n))
}

// find returns the charge of a position, or nil; the caller holds the lock.
func (c *Charges) find(position uint64) *charge {
	if len(c.all) == c.head {
		return nil
	}
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
