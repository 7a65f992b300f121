//go:build synctests

package consumer_test

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// lines is where a logger writes to.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, string(b))
	return len(b), nil
}

func (l *lines) with(part string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.all {
		if strings.Contains(line, part) {
			found = append(found, line)
		}
	}
	return found
}

// A record that was handed over and never committed holds its partition's offset for ever. It is
// the oldest in Metrics and Snapshot, and logged once each StuckAfter.
func TestCommitForgotten(t *testing.T) {
	virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 100)
		var log lines
		c := w.consumer(settings.StuckAfter(10*time.Second), settings.Logger(slog.New(slog.NewTextHandler(&log, nil))))
		taken := make(chan commitMessage, 100)
		ctl := w.start(c.CommittableSource().To(stream.Broadcast(stream.ToChan(taken), onlyArms(quickly()))), stream.DrainTimeout(time.Second), stream.CloseTimeout(time.Second))
		for range 100 {
			if m := <-taken; m.Record.Offset() != 42 {
				m.Offset.Commit()
			}
		}
		w.log.await(t, 0, 42)
		<-time.After(65 * time.Second)
		synctest.Wait()
		require.EqualValues(t, 42, w.committed(0))
		m, err := c.Metrics()
		require.NoError(t, err)
		require.Equal(t, 1, m.Outstanding)
		require.InDelta(t, 65, m.Oldest.Seconds(), 5)
		shot := ctl.Snapshot()
		require.Equal(t, 1, shot.Outstanding)
		require.InDelta(t, 65, shot.Oldest.Seconds(), 5)
		stuck := log.with("record stuck")
		require.InDelta(t, 6, len(stuck), 1)
		require.Regexp(t, ` for=1[01](\.\d+)?s `, stuck[0], "not twice as late")
		require.Contains(t, stuck[0], "topic=in partition=0")
		require.Contains(t, stuck[0], "offset=42")
		lags, err := c.Lag(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 58, lags.Behind())

		_ = ctl.Drain(t.Context()) // which gives it up
		require.EqualValues(t, 42, w.committed(0))
		require.Equal(t, 42, w.rest()[0][0])
	}, kafkatest.Topics(1, "in"))
}
