package kclient

import (
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// warnAfter is how long no broker may answer before a warning.
	warnAfter = 5 * time.Second
	// warnAgain is the time between warnings while that lasts.
	warnAgain = 30 * time.Second
)

// UnreachableError says that no broker could be reached.
type UnreachableError struct {
	// Addrs are the addresses that were given; the brokers found through them
	// were tried as well.
	Addrs []string
	// For is how long this has been so, 0 where it was asked once.
	For time.Duration
	// Err is the last thing that went wrong, nil where a broker was silent.
	Err error
}

// Error names the addresses.
func (e *UnreachableError) Error() string {
	var b strings.Builder
	b.WriteString("vicuna: no Kafka broker reached at " + strings.Join(e.Addrs, ", "))
	if e.For > 0 {
		fmt.Fprintf(&b, " for %v", e.For.Round(100*time.Millisecond))
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns what last went wrong.
func (e *UnreachableError) Unwrap() error { return e.Err }

// watch notices that a client reaches no broker, and says so.
//
// A client dials when it needs a connection and has none, and only then: an idle
// one does nothing, and must not be warned of. So time counts from the first dial
// since something was last heard, and ends with anything heard from any broker: a
// connection that is set up (versions asked, logged in) or a response. Connections
// themselves are not counted: franz-go may report the end of one before its
// beginning, and one that is open may be to a broker that is gone.
//
// The timer is the watch's own and is stopped when the client is closed; there is
// no goroutine.
type watch struct {
	// Fixed when it is made.
	addrs []string
	log   *slog.Logger

	// heard counts connections and responses. It is written per response, and
	// so is not under the lock.
	heard atomic.Uint64
	// requests counts produce requests that were written, at least in part.
	requests atomic.Uint64
	// silent is since when nothing was heard, as the last warning said; nil
	// where none is out, or something was heard since. It is read per response.
	silent atomic.Pointer[time.Time]

	mu      sync.Mutex
	since   time.Time // of the first dial since something was heard; zero: none
	before  uint64    // heard, at that time
	dials   int       // since then, or since the last warning
	lastErr error     // since then
	// why a broker that was dialled did not let the client in, by a refused login say; nil when one
	// has
	refused error
	closed  bool
	timer   *time.Timer
}

func newWatch(addrs []string, log *slog.Logger) *watch { return &watch{addrs: addrs, log: log} }

// dialling is told of each dial before it happens: one that hangs would otherwise
// be heard of only when it fails.
func (w *watch) dialling() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	if !w.down() {
		w.reset()
		w.since, w.before = time.Now(), w.heard.Load()
		w.timer = time.AfterFunc(warnAfter, w.expired)
	}
	w.dials++
}

// down returns whether a dial was begun and nothing was heard since.
func (w *watch) down() bool { return !w.since.IsZero() && w.heard.Load() == w.before }

func (w *watch) reset() {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.timer, w.since, w.dials, w.lastErr = nil, time.Time{}, 0, nil
}

// expired warns, outside the lock: whoever handles the log may take its time.
func (w *watch) expired() {
	w.mu.Lock()
	switch {
	case w.closed:
	case !w.down(), w.dials == 0: // heard from, or nobody wants a connection any more
		w.reset()
	case time.Since(w.since) < warnAfter: // the timer of an earlier silence, too late to be stopped
	default:
		err := w.unreachable()
		since := w.since
		w.silent.Store(&since)
		w.dials = 0
		w.timer.Reset(warnAgain)
		w.mu.Unlock()
		w.log.Warn(err.Error()+"; trying on", "addrs", err.Addrs, "for", err.For, "err", err.Err)
		return
	}
	w.mu.Unlock()
}

func (w *watch) unreachable() *UnreachableError {
	return &UnreachableError{Addrs: w.addrs, For: time.Since(w.since), Err: w.lastErr}
}

// state returns the error where no broker is reached now, else nil.
func (w *watch) state() *UnreachableError {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.down() {
		return nil
	}
	return w.unreachable()
}

// refusal returns the error where brokers answer, and refuse the client, else nil.
func (w *watch) refusal() *UnreachableError {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refused == nil {
		return nil
	}
	return &UnreachableError{Addrs: w.addrs, Err: w.refused}
}

// OnBrokerConnect is called by the client after each attempt to set up a
// connection. One that is set up has been read from before: franz-go asks for the
// versions, and logs in, ahead of this hook.
func (w *watch) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, conn net.Conn, err error) {
	if err == nil {
		w.hear()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.lastErr = err
		if conn != nil {
			w.refused = err
		}
		return
	}
	w.refused = nil
	w.reset()
}

// OnBrokerRead is called by the client after each response.
func (w *watch) OnBrokerRead(_ kgo.BrokerMetadata, _ int16, _ int, _, _ time.Duration, err error) {
	if err == nil {
		w.hear()
	}
}

// OnBrokerWrite is called by the client after each request that it has written, or
// failed to.
func (w *watch) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, written int, _, _ time.Duration, _ error) {
	if key == produceKey && written > 0 {
		w.requests.Add(1)
	}
}

// hear counts what was heard, and ends a silence that was warned of. It is called
// without the lock: whoever handles the log may take its time.
func (w *watch) hear() {
	w.heard.Add(1)
	if w.silent.Load() == nil {
		return
	}
	if since := w.silent.Swap(nil); since != nil {
		w.log.Info("vicuna: a Kafka broker is reached again", "addrs", w.addrs, "after", time.Since(*since))
	}
}

// OnClientClosed is called by the client when it has been closed.
func (w *watch) OnClientClosed(*kgo.Client) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.reset()
}

const produceKey = int16(kmsg.Produce)

var (
	_ kgo.HookBrokerConnect = (*watch)(nil)
	_ kgo.HookBrokerWrite   = (*watch)(nil)
	_ kgo.HookBrokerRead    = (*watch)(nil)
	_ kgo.HookClientClosed  = (*watch)(nil)
)
