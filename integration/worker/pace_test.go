package worker

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/bubble"
)

func TestPace(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		hurry := make(chan struct{})
		p := newPace(1000, hurry)
		begin := time.Now()
		for range 1000 {
			require.NoError(t, p.wait(t.Context()))
		}
		require.InDelta(t, 1, time.Since(begin).Seconds(), 0.01)

		// What was not used is not made up for.
		<-time.After(time.Minute)
		begin = time.Now()
		for range 1000 {
			require.NoError(t, p.wait(t.Context()))
		}
		require.InDelta(t, 1, time.Since(begin).Seconds(), 0.01)

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, newPaceBehind(p).wait(ctx), context.Canceled)

		close(hurry)
		begin = time.Now()
		for range 1000 {
			require.NoError(t, p.wait(t.Context()))
		}
		require.Zero(t, time.Since(begin))
		require.NoError(t, newPace(0, nil).wait(t.Context()))
	})
}

// newPaceBehind gives a pace like p whose next element is far away.
func newPaceBehind(p *pace) *pace {
	return &pace{every: p.every, next: time.Now().Add(time.Hour), hurry: make(chan struct{})}
}
