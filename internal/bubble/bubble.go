// Package bubble runs tests in bubbles of testing/synctest.
//
// It is for tests, ours and, through kafkatest, users'. It imports nothing of this module.
package bubble

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
)

// Test is synctest.Test. Under the race detector the process has one processor for as long as any
// bubble of it runs.
//
// There the timers of one bubble share one context of the detector, which belongs to one thread at
// a time. But a timer whose channel nobody waits at fires in the goroutine that looks at the
// channel next, and on several processors two may fire at once. The context's stack of calls is
// then off by one, and a later go statement makes the detector read past its end: SIGSEGV (Go 1.25
// to 1.26.8; TestTimersFire shows it in a second). The detector finds races by what happens before
// what, so that it misses little with one processor; a run without it has them all.
func Test(t *testing.T, fn func(*testing.T)) {
	t.Helper()
	if raceDetector {
		single.enter()
		defer single.leave()
	}
	synctest.Test(t, fn)
}

// single counts the bubbles, as parallel tests may have several at once, and knows how many
// processors there were before the first.
var single processors

type processors struct {
	mu      sync.Mutex
	bubbles int
	before  int
}

func (p *processors) enter() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bubbles++; p.bubbles == 1 {
		p.before = runtime.GOMAXPROCS(1)
	}
}

func (p *processors) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bubbles--; p.bubbles == 0 {
		runtime.GOMAXPROCS(p.before)
	}
}
