package membership

import (
	"errors"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Joins knows whether the client waits for a join of its group. A join of the classic protocols
// lasts until the slowest of the members has come, and while it does the client neither commits nor
// leaves, whatever it is told. It does not say so; the requests that it writes and the responses
// that it reads do. So this is a hook of the client. With KIP-848 there are no such requests.
//
// A join is on from the moment when JoinGroup or SyncGroup was written until the response was read.
// Where the connection breaks, no response is read: then it counts as being on until the next join
// has ended, or until the client sends a heartbeat, which it does only between joins. To take a
// join as being on that is over costs nothing: what is sent past the client is sent to the same
// group.
type Joins struct {
	mu    sync.Mutex
	now   Phase              // written by the client's goroutines, and since with it
	since time.Time          // when the join that is on began; zero where none is
	calls map[*func()]func() // those of Watch
}

var (
	_ kgo.HookBrokerWrite = (*Joins)(nil)
	_ kgo.HookBrokerRead  = (*Joins)(nil)
)

// Phase is how far a join has come.
type Phase int8

const (
	// None: no join is on.
	None Phase = iota
	// Joining lasts until all members have come.
	Joining
	// Syncing lasts until the leader has told who gets what.
	Syncing
)

// ErrJoining is why something does not wait for the client.
var ErrJoining = errors.New("the client waits for its group's members to join")

// OnBrokerWrite implements kgo.HookBrokerWrite. The client calls it before it reads the response.
func (j *Joins) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	switch k := kmsg.Key(key); {
	case k == kmsg.JoinGroup && err == nil:
		j.set(Joining)
	case k == kmsg.SyncGroup && err == nil:
		j.set(Syncing)
	case k == kmsg.JoinGroup, k == kmsg.SyncGroup, k == kmsg.Heartbeat:
		j.set(None)
	}
}

// OnBrokerRead implements kgo.HookBrokerRead.
func (j *Joins) OnBrokerRead(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, _ error) {
	switch kmsg.Key(key) {
	case kmsg.JoinGroup, kmsg.SyncGroup:
		j.set(None)
	}
}

func (j *Joins) set(now Phase) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.now = now
	switch {
	case now == None:
		j.since = time.Time{}
	case now == Joining, j.since.IsZero():
		j.since = time.Now()
	}
	if now != None {
		for _, f := range j.calls {
			f()
		}
	}
}

// Phase says how far the join is that is on.
func (j *Joins) Phase() Phase {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.now
}

// Took returns for how long the join that is on has lasted, and whether one is.
func (j *Joins) Took() (took time.Duration, on bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.since.IsZero() {
		return 0, false
	}
	return time.Since(j.since), true
}

// Waiting reports whether a join is on.
func (j *Joins) Waiting() bool { return j.Phase() != None }

// Watch calls f if a join is on, and whenever a phase of one begins, until stop. It is called under
// a lock: it must not wait, nor ask anything of joins.
func (j *Joins) Watch(f func()) (stop func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	key := &f
	if j.calls == nil {
		j.calls = map[*func()]func(){}
	}
	j.calls[key] = f
	if j.now != None {
		f()
	}
	return func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		delete(j.calls, key)
	}
}
