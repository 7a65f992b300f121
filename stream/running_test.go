package stream_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/bubble"
	"github.com/vicuna-go/vicuna/stream"
)

var (
	errBoom  = errors.New("boom")
	errCause = errors.New("the cause")
)

func ints(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

func even(i int) bool { return i%2 == 0 }

func failAt(n int) func(context.Context, int) (int, error) {
	return func(_ context.Context, v int) (int, error) {
		if v == n {
			return 0, errBoom
		}
		return v, nil
	}
}

// start starts a graph.
func start(t *testing.T, g stream.Graph, opts ...stream.RunOption) *stream.Control {
	t.Helper()
	ctl, err := g.Start(t.Context(), opts...)
	require.NoError(t, err)
	return ctl
}

// wait waits for the end of a run.
func wait(t *testing.T, ctl *stream.Control) error {
	t.Helper()
	select {
	case <-ctl.Done():
	case <-time.After(time.Hour):
		t.Fatalf("the run does not end: %+v", ctl.Snapshot())
	}
	return ctl.Err()
}

// seen keeps what a sink gets.
type seen[T any] struct {
	mu  sync.Mutex
	got []T
}

func (s *seen[T]) add(v T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, v)
}

func (s *seen[T]) all() []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]T(nil), s.got...)
}

func (s *seen[T]) sink() stream.Sink[T] {
	return stream.ForEach(func(_ context.Context, v T) error {
		s.add(v)
		return nil
	})
}

// blocked is a sink that waits with its first element until release is closed, or the hard stop.
func blocked[T any](release <-chan struct{}) stream.Sink[T] {
	return stream.ForEach(func(ctx context.Context, _ T) error {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return nil
	})
}

// inBubble runs a test in virtual time.
func inBubble(t *testing.T, name string, body func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { bubble.Test(t, body) })
}
