package worker

import (
	"context"
	"sync"
	"time"
)

// pace lets elements through at a rate, until it is hurried. Its wait is for one goroutine, its
// queue for any number.
type pace struct {
	// every and hurry are fixed; next is that of the one goroutine that waits.
	every time.Duration // 0: all at once
	next  time.Time
	hurry <-chan struct{}

	turn sync.Mutex // of those in the queue
}

func newPace(rate float64, hurry <-chan struct{}) *pace {
	p := &pace{hurry: hurry}
	if rate > 0 {
		p.every = time.Duration(float64(time.Second) / rate)
	}
	return p
}

// admit is wait as a stage.
func (p *pace) admit(ctx context.Context, m *message) (*message, error) { return m, p.wait(ctx) }

// slack is how early an element may pass: timers are no finer than that.
const slack = time.Millisecond

// wait waits until the next element may pass. Time without elements is not made up for.
func (p *pace) wait(ctx context.Context) error {
	if p.every == 0 {
		return nil
	}
	now := time.Now()
	select {
	case <-p.hurry:
		return nil
	default:
	}
	if p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(p.every)
	return sleep(ctx, p.hurry, p.next.Sub(now)-slack)
}

// queue is wait for several goroutines, one after the other.
func (p *pace) queue(ctx context.Context) error {
	p.turn.Lock()
	defer p.turn.Unlock()
	return p.wait(ctx)
}

// sleep ends early when it is hurried, and, with its error, when the context ends.
func sleep(ctx context.Context, hurry <-chan struct{}, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-hurry:
	case <-timer.C:
	}
	return nil
}
