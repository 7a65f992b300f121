package kclient

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/bubble"
)

func TestEachRecordEndsAtItsDeadline(t *testing.T) {
	for _, timeout := range []time.Duration{time.Second, 10 * time.Second, 2 * time.Minute, time.Hour} {
		bubble.Test(t, func(t *testing.T) {
			d := NewDeadlines(t.Context(), timeout)
			defer d.Close()
			start := time.Now()
			contexts := map[context.Context]bool{}
			for time.Since(start) < 3*timeout {
				now := time.Now()
				ctx := d.Context(now)
				contexts[ctx] = true
				end, ok := ctx.Deadline()
				require.True(t, ok)
				require.False(t, end.Before(now.Add(timeout)), "never early")
				require.False(t, end.After(now.Add(timeout+d.span)), "late by a generation at most")
				require.LessOrEqual(t, len(d.all), int(timeout/d.span)+3, "ended generations are let go")
				pass(d.span / 3)
			}
			require.Greater(t, len(contexts), 2)
			require.LessOrEqual(t, len(contexts), int(3*timeout/d.span)+1)

			ctx := d.Context(time.Now())
			require.False(t, expired(ctx))
			pass(timeout + d.span)
			require.True(t, expired(ctx))
			require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
		})
	}
}

func TestClosingEndsWithoutExpiring(t *testing.T) {
	d := NewDeadlines(t.Context(), time.Hour)
	ctx := d.Context(time.Now())
	d.Close()
	require.ErrorIs(t, ctx.Err(), context.Canceled)
	require.False(t, expired(ctx))

	parent, cancel := context.WithCancelCause(t.Context())
	d = NewDeadlines(parent, time.Hour)
	defer d.Close()
	ctx = d.Context(time.Now())
	cancel(errors.New("closed"))
	require.Error(t, ctx.Err())
	require.False(t, expired(ctx))
}

func TestDeadlinesAreSharedByGoroutines(t *testing.T) {
	d := NewDeadlines(t.Context(), 320*time.Millisecond)
	defer d.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for at := time.Now(); at.Before(time.Now().Add(time.Second)); at = at.Add(time.Millisecond) {
				_ = d.Context(at)
			}
		})
	}
	wg.Wait()
}

func BenchmarkDeadlinesContext(b *testing.B) {
	d := NewDeadlines(b.Context(), time.Hour)
	defer d.Close()
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		_ = d.Context(now)
	}
}
