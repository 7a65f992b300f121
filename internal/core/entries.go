package core

import "sync/atomic"

// entries finds assignments by their index. Indexes only grow and every element looks one up, so
// they lie in pages: looking up takes no lock, adding and removing is constant work however many
// there are, and a page whose assignments have all ended is let go. Adding and removing happen
// under Ledger.mu.
type entries struct {
	pages atomic.Pointer[[]atomic.Pointer[page]] // written under Ledger.mu, read by everybody
	live  int                                    // under Ledger.mu
}

const pageSize = 1024

type page struct {
	slots [pageSize]atomic.Pointer[entry]
	gone  int // under Ledger.mu
}

// at returns the entry of an index, or nil where the assignment has ended.
func (es *entries) at(index uint32) *entry {
	pages := es.pages.Load()
	i := index / pageSize
	if pages == nil || int(i) >= len(*pages) {
		return nil
	}
	p := (*pages)[i].Load()
	if p == nil {
		return nil
	}
	return p.slots[index%pageSize].Load()
}

func (es *entries) add(index uint32, e *entry) {
	i := int(index / pageSize)
	pages := es.pages.Load()
	if pages == nil || i >= len(*pages) {
		grown := make([]atomic.Pointer[page], max(4, 2*i))
		if pages != nil {
			for k := range *pages {
				grown[k].Store((*pages)[k].Load())
			}
		}
		pages = &grown
		es.pages.Store(pages)
	}
	p := (*pages)[i].Load()
	if p == nil {
		p = &page{}
		if i == 0 {
			p.gone = firstIndex // nobody gets those
		}
		(*pages)[i].Store(p)
	}
	p.slots[index%pageSize].Store(e)
	es.live++
}

func (es *entries) remove(index uint32) {
	if es.at(index) == nil {
		return
	}
	slot := &(*es.pages.Load())[index/pageSize]
	p := slot.Load()
	p.slots[index%pageSize].Store(nil)
	p.gone++
	es.live--
	if p.gone == pageSize {
		slot.Store(nil)
	}
}

// each calls f with every entry; those that are added or removed meanwhile may be among them or
// not.
func (es *entries) each(f func(*entry)) {
	pages := es.pages.Load()
	if pages == nil {
		return
	}
	for i := range *pages {
		p := (*pages)[i].Load()
		if p == nil {
			continue
		}
		for k := range p.slots {
			if e := p.slots[k].Load(); e != nil {
				f(e)
			}
		}
	}
}
