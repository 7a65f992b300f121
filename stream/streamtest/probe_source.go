package streamtest

import (
	"sync"
	"testing"
	"time"

	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/stream"
)

// Probes wait this long for what is to happen, and look this long for what is not. In a bubble both
// end as soon as everything has come to rest.
const (
	patience = 5 * time.Second
	quiet    = 50 * time.Millisecond
)

// SourceProbe is a source that a test drives element by element. It can be in one run. Its methods
// may be called from the test's goroutine only.
type SourceProbe[T any] struct {
	t testing.TB // fixed when it is made

	mu        sync.Mutex
	isl       *core.Island
	run       *core.Run
	queue     []T
	complete  bool
	handled   chan struct{} // one for each element that downstream has handled
	cancelled chan struct{}
	offered   int
	seen      int
}

// NewSourceProbe makes a source for the test to drive.
func NewSourceProbe[T any](t testing.TB) *SourceProbe[T] {
	return &SourceProbe[T]{t: t, handled: make(chan struct{}, 1<<16), cancelled: make(chan struct{})}
}

// Source is the source; it runs once. It has no boundary: an element is handled when what is fused
// after it has returned.
func (p *SourceProbe[T]) Source() stream.Source[T] {
	return stream.Source[T](blueprint.NewSource(func(b *core.Builder, next func(core.At) core.Stage[T]) {
		core.DriveSource(b, "probe", next, func(isl *core.Island) core.Intake[T] {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.isl != nil {
				b.Fail(stream.ErrTaken)
			} else {
				p.isl, p.run = isl, b.Run
			}
			return &probeIntake[T]{p: p}
		})
	}))
}

// Offer gives elements to the stream and does not wait.
func (p *SourceProbe[T]) Offer(vs ...T) {
	p.t.Helper()
	p.mu.Lock()
	p.queue = append(p.queue, vs...)
	p.offered += len(vs)
	p.mu.Unlock()
	p.wake()
}

// Send gives elements to the stream and waits until they are handled; the test fails where they are
// not, because downstream is blocked or has cancelled.
func (p *SourceProbe[T]) Send(vs ...T) {
	p.t.Helper()
	p.Offer(vs...)
	for p.seen < p.offered {
		if !p.await(patience) {
			p.t.Fatalf("streamtest: the stream is blocked, or over: %d of %d elements were handled", p.seen, p.offered)
		}
	}
}

// Blocked reports whether the stream is not done with what it was offered, and does not go on by
// itself: downstream back-pressures.
func (p *SourceProbe[T]) Blocked() bool {
	for p.seen < p.offered {
		if !p.await(quiet) {
			return true
		}
	}
	return false
}

// Handled is how many of the elements offered have been handled, once the stream has come to rest.
func (p *SourceProbe[T]) Handled() int {
	p.Blocked()
	return p.seen
}

func (p *SourceProbe[T]) await(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.handled:
		p.seen++
		return true
	case <-timer.C:
		return false
	}
}

// Complete completes the stream after what was offered.
func (p *SourceProbe[T]) Complete() {
	p.mu.Lock()
	p.complete = true
	p.mu.Unlock()
	p.wake()
}

// Fail ends the run with a fault of the source.
func (p *SourceProbe[T]) Fail(err error) {
	p.mu.Lock()
	r := p.run
	p.mu.Unlock()
	if r == nil {
		p.t.Fatal("streamtest: the probe does not run yet")
	}
	r.FailAt(nil, 0, err)
}

// Cancelled is closed when downstream wants no more.
func (p *SourceProbe[T]) Cancelled() <-chan struct{} { return p.cancelled }

// ExpectCancelled waits until downstream wants no more, and fails the test where it does not.
func (p *SourceProbe[T]) ExpectCancelled() {
	p.t.Helper()
	select {
	case <-p.cancelled:
	case <-time.After(patience):
		p.t.Fatal("streamtest: the source was not cancelled")
	}
}

func (p *SourceProbe[T]) wake() {
	p.mu.Lock()
	isl := p.isl
	p.mu.Unlock()
	if isl != nil {
		isl.Wake()
	}
}

type probeIntake[T any] struct {
	p     *SourceProbe[T]
	hand  [1]T
	taken bool
}

func (in *probeIntake[T]) Next() (core.Chunk[T], core.Status) {
	p := in.p
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case in.taken: // what was refused, or not taken, is still there
	case len(p.queue) > 0:
		in.hand[0], p.queue, in.taken = p.queue[0], p.queue[1:], true
	case p.complete:
		return core.Chunk[T]{}, core.Complete
	case p.run.Draining():
		p.run.Cut()
		return core.Chunk[T]{}, core.Complete
	default:
		return core.Chunk[T]{}, core.Empty
	}
	return core.Chunk[T]{Vals: in.hand[:]}, core.Ready
}

func (in *probeIntake[T]) Taken(n int) {
	if n > 0 {
		in.taken = false
		in.p.handled <- struct{}{}
	}
}

func (in *probeIntake[T]) Ready() bool {
	in.p.mu.Lock()
	defer in.p.mu.Unlock()
	return in.taken || len(in.p.queue) > 0 || in.p.complete
}

func (in *probeIntake[T]) Cancel() { close(in.p.cancelled) }
