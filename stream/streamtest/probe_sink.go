package streamtest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/stream"
)

// SinkProbe is a sink that a test drives element by element: it is blocked with the element in its
// hand until the test takes it. It can be in one run. Its methods may be called from the test's
// goroutine only.
type SinkProbe[T any] struct {
	t testing.TB // fixed when it is made

	mu        sync.Mutex
	isl       *core.Island
	have      bool
	hand      T
	verdict   error
	cancelled bool

	// arrived is sent to by the stream, completed is closed by it.
	arrived   chan struct{}
	completed chan struct{}
}

// NewSinkProbe makes a sink for the test to drive.
func NewSinkProbe[T any](t testing.TB) *SinkProbe[T] {
	return &SinkProbe[T]{t: t, arrived: make(chan struct{}, 1), completed: make(chan struct{})}
}

// Sink is the sink; it runs once.
func (p *SinkProbe[T]) Sink() stream.Sink[T] {
	return stream.Sink[T](blueprint.NewSink(func(b *core.Builder, at core.At) core.Stage[T] {
		info := at.Island.AddStage(b.Name("probe"))
		link := &core.Link{}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.isl != nil {
			b.Fail(stream.ErrTaken)
		}
		p.isl = at.Island
		at.Island.Watch(func() {
			if p.isCancelled() {
				link.Cancel()
			}
		})
		return core.Stage[T]{
			Push: func(v T) {
				at.Island.In(info)
				p.push(at, info, link, v)
			},
			Done: func() { close(p.completed) },
			Link: link,
		}
	}))
}

func (p *SinkProbe[T]) push(at core.At, info *core.StageInfo, link *core.Link, v T) {
	p.mu.Lock()
	refuse := p.cancelled
	p.have, p.hand, p.verdict = !refuse, v, nil
	p.mu.Unlock()
	if !refuse {
		p.arrived <- struct{}{}
		stopped := !at.Island.Await(func() bool { return !p.holds() || p.isCancelled() })
		p.mu.Lock()
		refuse = p.have // the test has not taken it
		p.have = false
		p.mu.Unlock()
		select {
		case <-p.arrived:
		default:
		}
		if stopped {
			at.Island.Abandon()
			return
		}
	}
	switch {
	case refuse:
		at.Island.Refuse()
		link.Cancel()
	case p.verdict != nil:
		at.Island.Fail(info, p.verdict)
	}
}

func (p *SinkProbe[T]) holds() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.have
}

func (p *SinkProbe[T]) isCancelled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cancelled
}

// Next takes the next element; the test fails where none comes.
func (p *SinkProbe[T]) Next() T {
	p.t.Helper()
	v, err := p.take(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

// FailNext takes the next element and fails on it: the run ends with err.
func (p *SinkProbe[T]) FailNext(err error) T {
	p.t.Helper()
	v, problem := p.take(err)
	if problem != nil {
		p.t.Fatal(problem)
	}
	return v
}

// Expect takes as many elements and fails the test where they are not these.
func (p *SinkProbe[T]) Expect(want ...T) {
	p.t.Helper()
	for i, w := range want {
		if got := p.Next(); !assert.ObjectsAreEqual(w, got) {
			p.t.Fatalf("streamtest: element %d is %v, and not %v", i, got, w)
		}
	}
}

func (p *SinkProbe[T]) take(verdict error) (v T, err error) {
	select {
	case <-p.arrived:
	case <-p.completed:
		return v, errors.New("streamtest: the stream has completed")
	case <-time.After(patience):
		return v, errors.New("streamtest: no element came")
	}
	p.mu.Lock()
	v = p.hand
	p.have, p.verdict = false, verdict
	isl := p.isl
	p.mu.Unlock()
	isl.Wake()
	return v, nil
}

// ExpectNone fails the test where an element has come, or the stream has completed.
func (p *SinkProbe[T]) ExpectNone() {
	p.t.Helper()
	select {
	case <-p.completed:
		p.t.Fatal("streamtest: the stream has completed")
	case <-time.After(quiet):
	}
	if p.holds() {
		p.t.Fatal("streamtest: an element has come")
	}
}

// ExpectComplete waits for the completion of the stream; the test fails where an element comes, or
// nothing.
func (p *SinkProbe[T]) ExpectComplete() {
	p.t.Helper()
	select {
	case <-p.completed:
	case <-p.arrived:
		p.t.Fatal("streamtest: an element has come")
	case <-time.After(patience):
		p.t.Fatal("streamtest: the stream has not completed")
	}
}

// Cancel says that the sink wants no more; an element in its hand is refused.
func (p *SinkProbe[T]) Cancel() {
	p.mu.Lock()
	p.cancelled = true
	isl := p.isl
	p.mu.Unlock()
	if isl == nil {
		p.t.Fatal("streamtest: the probe does not run yet")
	}
	isl.Wake()
}
