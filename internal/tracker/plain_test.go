package tracker_test

import (
	"slices"

	"github.com/vicuna-go/vicuna/internal/tracker"
)

// plain is a tracker that is obviously right: a struct for each position, everything counted from
// the start.
type plain struct {
	limit     int
	noManual  bool
	start     tracker.Mark
	positions []position
	was       int // the frontier never goes back
	full      bool
	closed    bool
}

type position struct {
	offset                                      int64
	epoch                                       int32
	ended, abandoned, given, committed, settled bool
	handed                                      int
	by                                          []string
	kept                                        bool // somebody may have it after its end
}

func (p *plain) delivered(offset int64, epoch int32) {
	if p.closed {
		return
	}
	p.positions = append(p.positions, position{offset: offset, epoch: epoch})
	if len(p.positions)-p.was >= p.limit {
		p.full = true
	}
}

func (p *plain) each(base, mask uint64, f func(*position)) {
	if p.closed {
		return
	}
	for i := range uint64(64) {
		if at := base + i; mask>>i&1 == 1 && at >= uint64(p.was) && at < uint64(len(p.positions)) {
			f(&p.positions[at])
		}
	}
	for i := range p.positions {
		x := &p.positions[i]
		if !x.settled && (x.abandoned || x.given || x.ended && (x.handed == 0 || x.committed)) {
			x.settled = true
			x.kept = x.kept || x.abandoned || x.given || x.handed > 0
		}
	}
	for p.was < len(p.positions) && p.positions[p.was].settled && !p.positions[p.was].abandoned && !p.positions[p.was].given {
		p.was++
	}
	if len(p.positions)-p.was <= p.limit-(p.limit+3)/4 {
		p.full = false
	}
}

func (p *plain) done(base, mask uint64) { p.each(base, mask, func(x *position) { x.ended = true }) }
func (p *plain) abandon(base, mask uint64) {
	p.each(base, mask, func(x *position) { x.abandoned = x.abandoned || !x.given })
}

func (p *plain) commit(at uint64) {
	p.each(at&^63, 1<<(at&63), func(x *position) { x.committed = true })
}

func (p *plain) handOver(base, mask uint64, stage string) {
	p.each(base, mask, func(x *position) {
		switch {
		case p.noManual:
			x.kept = true
		case !x.settled:
			x.handed++
			if !slices.Contains(x.by, stage) {
				x.by = append(x.by, stage)
			}
		}
	})
}

func (p *plain) unanswered() (answers int, by []string) {
	if p.closed || p.was == len(p.positions) {
		return 0, nil
	}
	if x := p.positions[p.was]; x.ended && !x.settled {
		return x.handed, x.by
	}
	return 0, nil
}

func (p *plain) withdraw(base, mask uint64) {
	p.each(base, mask, func(x *position) {
		if x.handed > 0 {
			x.handed, x.kept = x.handed-1, true
		}
	})
}

func (p *plain) reclaim(from uint64) {
	for base := from &^ 63; base < uint64(len(p.positions)); base += 64 {
		p.each(base, ^uint64(0), func(x *position) {})
		for i := range uint64(64) {
			if base+i >= from {
				p.each(base, 1<<i, func(x *position) { x.given = true })
			}
		}
	}
}

func (p *plain) outstanding() (n int) {
	for _, x := range p.positions {
		if !x.settled && !p.closed {
			n++
		}
	}
	return n
}

func (p *plain) travelling() (n int) {
	for _, x := range p.positions {
		if !x.settled && !p.closed && !(x.ended && x.handed > 0 && !x.committed) {
			n++
		}
	}
	return n
}

func (p *plain) abandoned() bool {
	for _, x := range p.positions {
		if x.abandoned && !p.closed {
			return true
		}
	}
	return false
}

func (p *plain) committable() (tracker.Mark, bool) {
	switch {
	case p.closed:
		return tracker.Mark{}, false
	case p.was == 0:
		return p.start, p.start != tracker.Mark{}
	}
	x := p.positions[p.was-1]
	return tracker.Mark{Offset: x.offset + 1, Epoch: x.epoch}, true
}
