package memory

import (
	"math/bits"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Lot is a delivery whose memory is used again: the client's records, and the blocks of elements
// that were made of them. The island that has any of it in hand adds to it.
type Lot struct {
	records []*kgo.Record
	blocks  []Block
}

// Block is memory of elements that goes back to where it came from.
type Block interface{ PutBack() }

// NewLot is the lot of a delivery.
func NewLot(records []*kgo.Record) *Lot { return &Lot{records: records} }

// Add adds a block; the island that has the delivery in hand calls it.
func (l *Lot) Add(b Block) { l.blocks = append(l.blocks, b) }

// Finished implements Recyclable. Everything is cleared, so that whoever keeps an element against
// the promise sees an empty one rather than another.
func (l *Lot) Finished() {
	for _, b := range l.blocks {
		b.PutBack()
	}
	for _, r := range l.records {
		r.Recycle()
	}
}

// Pools keeps the slices of records that the client decodes into, by size. Decompressed bytes are
// not kept: they may be lent to a record whose outcome nobody has waited for, and the client cannot
// tell beforehand how large they become.
type Pools [classes]sync.Pool

var _ kgo.PoolRecords = (*Pools)(nil)

// GetRecords implements kgo.PoolRecords.
func (p *Pools) GetRecords(n int) []kgo.Record {
	class, size := classFor(n)
	if s, ok := p[class].Get().(*[]kgo.Record); ok {
		return (*s)[:0]
	}
	return make([]kgo.Record, 0, size)
}

// PutRecords implements kgo.PoolRecords.
func (p *Pools) PutRecords(s []kgo.Record) { p[classOf(cap(s))].Put(&s) }

// classes is how many there are: sizes are put into classes, four to each power of two, so that a
// slice from a pool is a quarter larger than was asked for at most.
const classes = 8 * 62

// classFor is the smallest class that n fits into, and its size.
func classFor(n int) (class, size int) {
	n = max(n, 1)
	e := max(bits.Len(uint(n-1))-3, 0)
	size = ((n-1)>>e + 1) << e
	return classOf(size), size
}

// classOf is the largest class whose size is n or less.
func classOf(n int) int {
	e := max(bits.Len(uint(n))-3, 0)
	return 8*e + n>>e
}
