package core

import (
	"context"
	"errors"
	"sync"
)

// Serial runs functions one after the other, on a goroutine that exists while there are any: a
// user's callbacks, which must not run in a client's promises. The zero value is ready.
type Serial struct {
	mu      sync.Mutex
	queue   []func()
	running bool
	idle    chan struct{} // closed when the queue has run out, made by who waits for that
}

// Do adds a function; it never waits.
func (s *Serial) Do(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, f)
	if !s.running {
		s.running = true
		launch(s.run, rethrow)
	}
}

func (s *Serial) run() {
	for {
		s.mu.Lock()
		fs := s.queue
		s.queue = nil
		if len(fs) == 0 {
			s.running = false
			if s.idle != nil {
				close(s.idle)
				s.idle = nil
			}
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		for i, f := range fs {
			s.call(f, fs[i+1:])
		}
	}
}

// call calls a function. Should that end the goroutine (runtime.Goexit; FailNow of a test does
// that), another one goes on with the rest.
func (s *Serial) call(f func(), rest []func()) {
	returned := false
	defer func() {
		if !returned {
			s.mu.Lock()
			s.queue = append(rest[:len(rest):len(rest)], s.queue...)
			s.mu.Unlock()
			launch(s.run, rethrow)
		}
	}()
	f()
	returned = true
}

// Wait waits until everything that was added has run, or ctx ends.
func (s *Serial) Wait(ctx context.Context) error {
	s.mu.Lock()
	if !s.running {
		s.mu.Unlock()
		return nil
	}
	if s.idle == nil {
		s.idle = make(chan struct{})
	}
	idle := s.idle
	s.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// rethrow lets a panic go on: whoever gives a Serial a function that may panic catches it himself.
func rethrow(err error) {
	if p, panicked := errors.AsType[*PanicError](err); panicked {
		panic(p)
	}
}
