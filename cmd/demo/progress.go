package main

import (
	"fmt"
	"time"
)

// How often is looked, and how often it is told where lines cannot be written again.
const (
	tick      = 100 * time.Millisecond
	lineEvery = time.Second
)

// status is a picture of the two streams.
type status struct {
	lines             uint64 // that were read
	written, inFlight int64  // orders that are in the topic, and on their way to it
	// orders whose invoices are in the other topic, and those that are cancelled
	done uint64
	lag  int64 // orders in the topic that are not done
}

// progress shows pictures, with the speed between them.
type progress struct {
	out   *screen
	since time.Time // when all began
	shown time.Time // when it was written last
	at    time.Time // when before was
	done  uint64    // of then
	speed uint64
}

func (p *progress) show(s status) {
	now := time.Now()
	if p.at.IsZero() {
		p.at = p.since
	}
	if d := now.Sub(p.at); d >= time.Second {
		p.speed = rate(s.done-min(p.done, s.done), d)
		p.done, p.at = s.done, now
	}
	if p.out.terminal || now.Sub(p.shown) >= lineEvery {
		p.shown = now
		p.out.progress(fmt.Sprintf("%s, %s records/s", s, grouped(p.speed)))
	}
}

// end shows the last picture, where the streams have come to their ends.
func (p *progress) end(s status, finished bool) {
	if finished {
		p.out.progress(fmt.Sprintf("%s, %s records/s on average", s, grouped(rate(s.done, time.Since(p.since)))))
	}
}

func rate(n uint64, in time.Duration) uint64 {
	return uint64(float64(n) / max(in, time.Microsecond).Seconds())
}

func (s status) String() string {
	return fmt.Sprintf("%s lines read, %s orders written (%s in flight), %s copied, lag %s",
		grouped(s.lines), grouped(uint64(max(s.written, 0))), grouped(uint64(max(s.inFlight, 0))), grouped(s.done), grouped(uint64(max(s.lag, 0))))
}
