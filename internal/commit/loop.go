package commit

import (
	"context"
	"time"

	"github.com/vicuna-go/vicuna/internal/fault"
)

// answer is what Flush is told of a turn of the loop.
type answer struct {
	again bool
	err   error
}

// Wake implements core.CommitGroup.
func (d *Door) Wake() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Flush implements core.CommitGroup. The loop commits: what waits for a broker's answer cannot be
// given up, waiting for it can.
func (d *Door) Flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.o.Timeout)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		next := make(chan answer, 1)
		if !d.await(next) {
			return nil
		}
		d.Wake()
		var got answer
		select {
		case got = <-next:
		case <-d.gone:
			return nil
		case <-ctx.Done():
			return d.late(ctx)
		}
		if !got.again || got.err != nil {
			return got.err
		}
		select {
		case <-time.After(pause):
		case <-d.gone:
			return nil
		case <-ctx.Done():
			return d.late(ctx)
		}
	}
}

// late is the error of who has waited for too long.
func (d *Door) late(ctx context.Context) error {
	return &fault.CommitError{Group: d.o.Group, Err: context.Cause(ctx)}
}

// await asks the loop for an answer after its next turn; false where it has nothing to do: the run
// was drained before it began, or its source is still to begin, or nobody commits.
func (d *Door) await(next chan answer) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.armed || !d.hasBegun() {
		return false
	}
	d.waiting = append(d.waiting, next)
	return true
}

// awaited takes those who wait for a turn that is about to begin.
func (d *Door) awaited() []chan answer {
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
		var waiting []chan answer
		made, err := d.Take(Turn{Within: d.life, Collect: func() []Offset {
			waiting = d.awaited()
			return d.o.Committable()
		}})
		for _, next := range waiting {
			next <- answer{made.Again, err}
		}
		if err != nil {
			d.o.Fail(err)
			return
		}
	}
}
