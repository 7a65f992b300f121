package commit

import (
	"context"
	"time"

	"github.com/vicuna-go/vicuna/internal/topics"
)

// Wake implements core.CommitGroup.
func (d *Door) Wake() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Flush implements core.CommitGroup. The loop commits: what waits for a broker's answer cannot be
// given up, waiting for it can. An answer counts, and so does the end of the door, also where ctx
// has ended at the same time.
func (d *Door) Flush(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, d.o.Timeout)
	defer cancel()
	limit := func() string {
		if ctx.Err() != nil {
			return "" // it is not ours that was too short
		}
		return d.timeout()
	}
	var open []topics.Partition
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		next := make(chan Made, 1)
		if d.Ended() || !d.await(next) {
			return nil
		}
		d.Wake()
		got, answered := d.answer(within, next)
		switch {
		case answered && (got.err != nil || !got.Again()):
			return got.err
		case answered:
			open = got.Open
			d.pause(within, pause)
		}
		switch {
		case d.Ended():
			return nil
		case within.Err() != nil:
			return d.late(within, limit(), open)
		}
	}
}

// answer waits for what has come of a round of the loop; false: the door or ctx has ended before.
func (d *Door) answer(ctx context.Context, next <-chan Made) (got Made, answered bool) {
	select {
	case got = <-next:
		return got, true
	case <-d.gone:
	case <-ctx.Done():
	}
	select {
	case got = <-next:
		return got, true
	default:
		return got, false
	}
}

// pause waits for so long, or until the door or ctx has ended.
func (d *Door) pause(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-d.gone:
	case <-ctx.Done():
	}
}

// await asks the loop for what comes of its next round; false where it has nothing to do: the run
// was drained before it began, or its source is still to begin, or nobody commits.
func (d *Door) await(next chan Made) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.armed || !d.hasBegun() {
		return false
	}
	d.waiting = append(d.waiting, next)
	return true
}

// awaited takes those who wait for a round that is about to begin.
func (d *Door) awaited() []chan Made {
	d.mu.Lock()
	defer d.mu.Unlock()
	waiting := d.waiting
	d.waiting = nil
	return waiting
}

// every is the interval of the loop.
func (d *Door) every() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.interval
}

// Loop commits at intervals, and when it is woken, until quit is closed or a commit is refused.
func (d *Door) Loop(quit <-chan struct{}) {
	select {
	case <-quit:
		return
	case <-d.armedC:
	}
	every := d.every()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-quit:
			return
		case <-d.wake:
		case <-tick.C:
		}
		if e := d.every(); e != every {
			every = e
			tick.Reset(e)
		}
		var waiting []chan Made
		made, err := d.Take(Round{Within: d.life, Collect: func() []Offset {
			waiting = d.awaited()
			return d.o.Committable()
		}})
		for _, next := range waiting {
			made.err = err
			next <- made
		}
		if err != nil {
			d.o.Fail(err)
			return
		}
	}
}
