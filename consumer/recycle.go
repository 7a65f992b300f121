package consumer

import (
	"math/bits"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

// lot is a delivery whose memory is used again: the client's records, and the blocks of elements
// that were made of them. The island that has any of it in hand adds to it.
type lot struct {
	records []*kgo.Record
	blocks  []interface{ putBack() }
}

var _ tracker.Lot = (*lot)(nil)

// recycles reports whether memory is used again. At most once, deliveries share what they were
// fetched with.
func (s *session[K, V, T]) recycles() bool { return s.c.opts.recycle && s.shape.ahead == 0 }

// newLot is the lot of a delivery; nil where nothing is used again.
func (s *session[K, V, T]) newLot(recs []*kgo.Record) tracker.Lot {
	if !s.recycles() {
		return nil
	}
	return &lot{records: recs}
}

// Finished implements tracker.Lot. Everything is cleared, so that who keeps an element against his
// promise sees an empty one rather than another.
func (l *lot) Finished() {
	for _, b := range l.blocks {
		b.putBack()
	}
	for _, r := range l.records {
		r.Recycle()
	}
}

// lotOf is the lot of a run of records that the island has in hand; nil where their elements are
// not used again. A block holds a whole chunk, and for a few records it would be more memory than
// they were charged with.
func (d *arrival) lotOf() *lot {
	if len(d.records) < feed.MaxChunk/2 {
		return nil
	}
	l, _ := d.assignment.Lot(d.first).(*lot)
	return l
}

// recordBlock holds a chunk's elements.
type recordBlock[K, V any] struct {
	elements [feed.MaxChunk]Record[K, V]
	used     int
	home     *sync.Pool
}

func (b *recordBlock[K, V]) putBack() {
	clear(b.elements[:b.used])
	b.home.Put(b)
}

// newRecords returns the elements of a run.
func (s *session[K, V, T]) newRecords(d *arrival) []Record[K, V] {
	l, n := d.lotOf(), len(d.records)
	if l == nil {
		return make([]Record[K, V], n)
	}
	b, _ := s.blocks.Get().(*recordBlock[K, V])
	if b == nil {
		b = &recordBlock[K, V]{home: s.blocks}
	}
	b.used = n
	l.blocks = append(l.blocks, b)
	return b.elements[:n]
}

// messageBlock holds a chunk's elements and what they have in common.
type messageBlock[K, V any] struct {
	delivery[K, V]
	elements [feed.MaxChunk]CommittableMessage[K, V]
	home     *sync.Pool
}

func (b *messageBlock[K, V]) putBack() {
	clear(b.messages)
	b.delivery = delivery[K, V]{}
	b.home.Put(b)
}

// newMessages returns the elements of a run and what they have in common.
func (s *session[K, V, T]) newMessages(d *arrival) ([]CommittableMessage[K, V], *delivery[K, V]) {
	l, n := d.lotOf(), len(d.records)
	if l == nil {
		slab := make([]CommittableMessage[K, V], n)
		return slab, &delivery[K, V]{messages: slab}
	}
	b, _ := s.blocks.Get().(*messageBlock[K, V])
	if b == nil {
		b = &messageBlock[K, V]{home: s.blocks}
	}
	b.messages = b.elements[:n]
	l.blocks = append(l.blocks, b)
	return b.messages, &b.delivery
}

// pools keeps the slices of records that the client decodes into, by size. Decompressed bytes are
// not kept: they may be lent to a record whose outcome nobody has waited for, and the client cannot
// tell beforehand how large they become.
type pools [classes]sync.Pool

var _ kgo.PoolRecords = (*pools)(nil)

// GetRecords implements kgo.PoolRecords.
func (p *pools) GetRecords(n int) []kgo.Record {
	class, size := classFor(n)
	if s, ok := p[class].Get().(*[]kgo.Record); ok {
		return (*s)[:0]
	}
	return make([]kgo.Record, 0, size)
}

// PutRecords implements kgo.PoolRecords.
func (p *pools) PutRecords(s []kgo.Record) { p[classOf(cap(s))].Put(&s) }

// Sizes are put into classes, four to each power of two, so that a slice from a pool is a quarter
// larger than was asked for at most.
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
