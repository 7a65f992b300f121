//go:build synctests

package grouptest_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/grouptest"
)

// How a test reads.
func TestASecondMemberTakesOver(t *testing.T) {
	grouptest.Each(t, grouptest.Protocols, 2, func(t *testing.T, w *grouptest.World, p grouptest.Protocol) {
		w.Fill(2, 0, 1000)
		done := w.Guarded(nil) // no commit may come before what it covers
		work := func(ctx context.Context, m *grouptest.Message) error {
			err := grouptest.Idle(ctx, time.Millisecond)
			done.Add(&m.Record)
			return err
		}
		first, second := w.Member(p.Member(0)...), w.Member(p.Member(1)...)
		first.Start(first.Works(work))
		w.Until("a hundred are done", func() bool { return done.Count() > 100 })
		second.Start(second.Works(work))
		w.Share(first, second)
		first.Crash()
		w.AwaitCommitted(0, 1000)
		w.AwaitCommitted(1, 1000)
		v := done.Verify(w.Sent())
		v.RequireNothingLost(t)
		require.Positive(t, v.Commits)
		second.Drain()
		require.Empty(t, second.Has())
	}, grouptest.Session(2*time.Second))
}
