package membership

import (
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Standing is what is known of the client's place in its group. The client's callbacks write it,
// the poller, which hears of the group's refusals, and Lag read it.
type Standing struct {
	mu     sync.Mutex
	since  time.Time // when the run began, or the group began to refuse a client that was a member
	joined bool      // it was a member once
	now    bool      // it has what the group has given it
}

// Begin is told when the client is made.
func (m *Standing) Begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.since = time.Now()
}

// Assigned is told in each rebalance, whatever it has brought.
func (m *Standing) Assigned() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.joined, m.now, m.since = true, true, time.Time{}
}

// Without is told when everything is taken away.
func (m *Standing) Without() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = false
}

// Has reports whether the group has given the client what it is to have, which may be nothing.
func (m *Standing) Has() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// Refused is told that the group refuses the client, for a reason that may pass, and reports
// whether it has done so for too long. One that was a member is waited for as long as it takes,
// unless another has its instance id.
func (m *Standing) Refused(err error, limit time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.joined && !errors.Is(err, kerr.UnreleasedInstanceID) {
		return false
	}
	if m.since.IsZero() {
		m.since = time.Now()
	}
	return time.Since(m.since) >= limit
}
