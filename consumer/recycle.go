package consumer

import (
	"sync"

	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/memory"
)

// lotOf is the lot of a run of records that the island has in hand; nil where their elements are
// not used again. A block holds a whole chunk, and for a few records it would be more memory than
// they were charged with.
func (d *arrival) lotOf() *memory.Lot {
	if len(d.records) < feed.MaxChunk/2 {
		return nil
	}
	l, _ := d.assignment.Charges().Lot(d.first).(*memory.Lot)
	return l
}

// recordBlock holds a chunk's elements.
type recordBlock[K, V any] struct {
	elements [feed.MaxChunk]Record[K, V]
	used     int
	home     *sync.Pool
}

func (b *recordBlock[K, V]) PutBack() {
	clear(b.elements[:b.used])
	b.home.Put(b)
}

// newRecords returns the elements of a run.
func (r *reading[K, V, T]) newRecords(d *arrival) []Record[K, V] {
	l, n := d.lotOf(), len(d.records)
	if l == nil {
		return make([]Record[K, V], n)
	}
	b, _ := r.blocks.Get().(*recordBlock[K, V])
	if b == nil {
		b = &recordBlock[K, V]{home: r.blocks}
	}
	b.used = n
	l.Add(b)
	return b.elements[:n]
}

// messageBlock holds a chunk's elements and what they have in common.
type messageBlock[K, V any] struct {
	delivery[K, V]
	elements [feed.MaxChunk]CommittableMessage[K, V]
	home     *sync.Pool
}

func (b *messageBlock[K, V]) PutBack() {
	clear(b.messages)
	b.delivery = delivery[K, V]{}
	b.home.Put(b)
}

// newMessages returns the elements of a run and what they have in common.
func (r *reading[K, V, T]) newMessages(d *arrival) ([]CommittableMessage[K, V], *delivery[K, V]) {
	l, n := d.lotOf(), len(d.records)
	if l == nil {
		slab := make([]CommittableMessage[K, V], n)
		return slab, &delivery[K, V]{messages: slab}
	}
	b, _ := r.blocks.Get().(*messageBlock[K, V])
	if b == nil {
		b = &messageBlock[K, V]{home: r.blocks}
	}
	b.messages = b.elements[:n]
	l.Add(b)
	return b.messages, &b.delivery
}
