// Package outage remembers what is told once when it begins and once when it is over, however often
// it is met in between.
package outage

import (
	"sync"
	"sync/atomic"
	"time"
)

// Outages are those that are on. The zero value has none; any goroutine may call its methods. A key
// says what an outage is of.
type Outages struct {
	any atomic.Int32 // how many there are, for those who ask often; written under mu

	mu    sync.Mutex
	since map[string]time.Time
}

// Begins reports whether this outage is new.
func (o *Outages) Begins(key string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, on := o.since[key]; on {
		return false
	}
	if o.since == nil {
		o.since = map[string]time.Time{}
	}
	o.since[key] = time.Now()
	o.any.Add(1)
	return true
}

// Any reports whether there is an outage. It costs one load.
func (o *Outages) Any() bool { return o.any.Load() > 0 }

// Over reports whether there was such an outage, which is over now, and how long it was.
func (o *Outages) Over(key string) (took time.Duration, was bool) {
	if !o.Any() {
		return 0, false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	since, was := o.since[key]
	if was {
		delete(o.since, key)
		o.any.Add(-1)
	}
	return time.Since(since).Round(time.Millisecond), was
}
