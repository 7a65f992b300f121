//go:build synctests

package consumer_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// A record that was handed over and never committed holds its partition's offset for ever. It is
// the oldest in Metrics and Snapshot, and logged once each StuckAfter.
func TestCommitForgotten(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		c := w.Consumer(settings.StuckAfter(10 * time.Second))
		taken := make(chan *strMessage, 100)
		ctl := w.Start(c.CommittableSource().To(stream.Broadcast(stream.ToChan(taken), onlyArms(quickly()))), stream.DrainTimeout(time.Second), stream.CloseTimeout(time.Second))
		for range 100 {
			if m := <-taken; m.Record.Offset() != 42 {
				m.Offset.Commit()
			}
		}
		w.Journal.AwaitCommit(t, 0, 42)
		w.Pass(65 * time.Second)
		require.EqualValues(t, 42, w.Committed(0))
		m, err := c.Metrics()
		require.NoError(t, err)
		require.Equal(t, 1, m.Outstanding)
		require.InDelta(t, 65, m.Oldest.Seconds(), 5)
		shot := ctl.Snapshot()
		require.Equal(t, 1, shot.Outstanding)
		require.InDelta(t, 65, shot.Oldest.Seconds(), 5)
		stuck := w.Log.Lines("record stuck")
		require.InDelta(t, 6, len(stuck), 1)
		require.Regexp(t, ` for=1[01](\.\d+)?s `, stuck[0], "not twice as late")
		require.Contains(t, stuck[0], "topic=in partition=0")
		require.Contains(t, stuck[0], "offset=42")
		lags, err := c.Lag(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 58, lags.Behind())

		_ = ctl.Drain(t.Context()) // which gives it up
		require.EqualValues(t, 42, w.Committed(0))
		require.Equal(t, grouptest.Value(0, 42), w.Rest().Values(0)[0])
	})
}
