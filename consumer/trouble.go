package consumer

import (
	"sync"
	"sync/atomic"
	"time"
)

// troubles are what is told once when it begins and once when it is over, however often it is met
// in between. The key says what it is.
type troubles struct {
	any   atomic.Int32 // how many there are, for who asks often
	mu    sync.Mutex
	since map[string]time.Time
}

// begins reports whether this is new.
func (t *troubles) begins(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, on := t.since[key]; on {
		return false
	}
	if t.since == nil {
		t.since = map[string]time.Time{}
	}
	t.since[key] = time.Now()
	t.any.Add(1)
	return true
}

// over reports whether there was such a trouble, and for how long.
func (t *troubles) over(key string) (took time.Duration, was bool) {
	if t.any.Load() == 0 {
		return 0, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	since, was := t.since[key]
	if was {
		delete(t.since, key)
		t.any.Add(-1)
	}
	return time.Since(since).Round(time.Millisecond), was
}
