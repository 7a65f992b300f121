package tracker

import (
	"slices"
	"time"
)

// offsets maps positions to offsets. Most offsets follow their neighbours, so runs are kept instead
// of one number each.
type offsets struct {
	runs []run
	head int // runs before it are below the frontier
}

type run struct {
	first  uint64
	offset int64
	epoch  int32
}

func (o *offsets) add(first uint64, n int, offset int64, epoch int32) {
	if n == 0 {
		return
	}
	if len(o.runs) > o.head {
		if r := o.runs[len(o.runs)-1]; r.epoch == epoch && r.offset+int64(first-r.first) == offset {
			return
		}
	}
	o.runs = append(o.runs, run{first, offset, epoch})
}

// trim forgets what lies before the last position that is below the frontier.
func (o *offsets) trim(frontier uint64) {
	for len(o.runs) > o.head+1 && o.runs[o.head+1].first < frontier {
		o.head++
	}
	if o.head > 16 && o.head > len(o.runs)/2 {
		o.runs = slices.Delete(o.runs, 0, o.head)
		o.head = 0
	}
}

func (o *offsets) at(position uint64) (offset int64, epoch int32, ok bool) {
	live := o.runs[o.head:]
	i, found := slices.BinarySearchFunc(live, position, func(r run, p uint64) int {
		switch {
		case r.first < p:
			return -1
		case r.first > p:
			return 1
		}
		return 0
	})
	if !found {
		i--
	}
	if i < 0 {
		return 0, 0, false
	}
	return live[i].offset + int64(position-live[i].first), live[i].epoch, true
}

// polls remembers when positions were delivered, to a millisecond.
type polls struct {
	all  []poll
	head int
}

type poll struct {
	end   uint64
	first time.Time
}

func (p *polls) add(end uint64, now time.Time) {
	if n := len(p.all); n > p.head && now.Sub(p.all[n-1].first) < time.Millisecond {
		p.all[n-1].end = end
		return
	}
	p.all = append(p.all, poll{end, now})
}

func (p *polls) trim(frontier uint64) {
	for len(p.all) > p.head && p.all[p.head].end <= frontier {
		p.head++
	}
	if p.head > 16 && p.head > len(p.all)/2 {
		p.all = slices.Delete(p.all, 0, p.head)
		p.head = 0
	}
}

func (p *polls) at(position uint64) time.Time {
	for _, poll := range p.all[p.head:] {
		if position < poll.end {
			return poll.first
		}
	}
	return time.Now()
}
