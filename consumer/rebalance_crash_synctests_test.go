//go:build synctests

package consumer_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// A member crashes: it is silent from one moment to the next, commits nothing and does not leave.
// The other takes over when the session has expired: nothing is lost, and nothing is doubled but
// what was not committed.
func TestCrash(t *testing.T) {
	eachCopying(t, func(t *testing.T, w *copying, kind grouptest.Protocol) {
		// there is always something finished and not committed
		w.commits = settings.NewCommitter(settings.MaxInterval(time.Second), settings.MaxBatch(1_000_000))
		first, second := w.member(kind, 0), w.member(kind, 1)
		first.start()
		second.start()
		w.share(first, second)
		w.progress()
		before := w.out.Count()
		w.Until("outputs after the last commit", func() bool { return w.out.Count() >= before+500 })
		crashed := map[int32]bool{}
		for _, p := range first.Has() {
			crashed[p] = true
		}
		require.NotEmpty(t, crashed)
		first.Wire.Cut()
		committed := w.Cluster().GroupInfo(w.Group).Commits[w.Topic]
		first.Stop()
		require.ErrorIs(t, first.Run.Err(), stream.ErrStopped)
		w.share(second)
		w.progress()
		verdict := w.copied(t)
		second.Drain()
		v := verdict()
		v.RequireNothingLost(t)
		require.NotZero(t, v.Doubled, "nothing was in flight when it crashed: %v", v)
		for value, times := range w.out.Times() {
			if times == 1 {
				continue
			}
			var p piece
			_, err := fmt.Sscanf(value, "%d/%d/%d", &p.partition, &p.number, &p.copy)
			require.NoError(t, err)
			require.True(t, crashed[p.partition], value)
			require.GreaterOrEqual(t, p.number, committed[p.partition].Offset, value)
		}
	})
}

// One of two members is aborted: what it had finished is committed, the rest is delivered again to
// the other. Nothing is lost.
func TestAbortOfOneOfTwo(t *testing.T) {
	eachCopying(t, func(t *testing.T, w *copying, kind grouptest.Protocol) {
		first, second := w.member(kind, 0), w.member(kind, 1)
		first.start()
		second.start()
		w.share(first, second)
		w.progress()
		first.Stop()
		require.ErrorIs(t, first.Run.Err(), stream.ErrStopped)
		w.share(second)
		w.progress()
		verdict := w.copied(t)
		second.Drain()
		verdict().RequireNothingLost(t)
	})
}
