package kclient

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/bubble"

	"github.com/vicuna-go/vicuna/internal/testlog"
)

// watched runs fn in virtual time with a watch of one address.
func watched(t *testing.T, fn func(t *testing.T, w *watch, j *testlog.Log)) {
	bubble.Test(t, func(t *testing.T) {
		j := &testlog.Log{}
		w := newWatch([]string{"kafka:9092"}, j.Logger())
		fn(t, w, j)
		w.OnClientClosed(nil)
		synctest.Wait()
	})
}

func connect(w *watch, err error) { w.OnBrokerConnect(kgo.BrokerMetadata{}, 0, nil, err) }

// setUp calls the hooks of a connection in franz-go's order: its set-up reads before
// it is told of.
func setUp(w *watch) {
	read(w)
	connect(w, nil)
}

func read(w *watch) { w.OnBrokerRead(kgo.BrokerMetadata{}, 0, 0, 0, 0, nil) }

// pass lets d go by, and everything that is due with it.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestWarningAfterFiveSecondsWithoutABroker(t *testing.T) {
	watched(t, func(t *testing.T, w *watch, j *testlog.Log) {
		w.dialling()
		pass(warnAfter - time.Nanosecond)
		require.Empty(t, j.String())
		require.NotNil(t, w.state())
		pass(time.Nanosecond)
		require.Contains(t, j.String(), "no Kafka broker reached at kafka:9092 for 5s")

		connect(w, errors.New("refused"))
		w.dialling()
		pass(warnAgain)
		require.Contains(t, j.String(), "for 35s: refused")

		require.NotContains(t, j.String(), "reached again")
		setUp(w)
		require.Contains(t, j.String(), "reached again")
		require.Contains(t, j.String(), "after=35s")
		require.Nil(t, w.state())
		read(w)
		pass(time.Hour)
		require.Len(t, j.Lines(""), 3)
	})
}

func TestReachedAgainIsToldToAnIdleClientToo(t *testing.T) {
	watched(t, func(t *testing.T, w *watch, j *testlog.Log) {
		w.dialling()
		pass(time.Hour) // warned of once; nobody dials again
		require.Len(t, j.Lines(""), 1)
		w.dialling()
		setUp(w)
		require.Len(t, j.Lines(""), 2)
		require.Contains(t, j.String(), "reached again")
	})
}

// asking is a log handler that tells whether the watch's lock is held.
type asking struct {
	slog.Handler
	w *watch
}

func (a *asking) Handle(ctx context.Context, r slog.Record) error {
	if !a.w.mu.TryLock() {
		return a.Handler.Handle(ctx, slog.NewRecord(r.Time, r.Level, "LOCKED: "+r.Message, 0))
	}
	a.w.mu.Unlock()
	return a.Handler.Handle(ctx, r)
}

func TestTheWatchLogsOutsideItsLock(t *testing.T) {
	watched(t, func(t *testing.T, w *watch, j *testlog.Log) {
		w.log = slog.New(&asking{Handler: w.log.Handler(), w: w})
		for _, back := range []func(){func() { setUp(w) }, func() { connect(w, nil) }, func() { read(w) }} {
			w.dialling()
			pass(warnAfter)
			back()
		}
		require.Len(t, j.Lines(""), 6)
		require.NotContains(t, j.String(), "LOCKED")
	})
}

func TestNoWarningOnceReached(t *testing.T) {
	watched(t, func(t *testing.T, w *watch, j *testlog.Log) {
		w.dialling()
		pass(warnAfter / 2)
		setUp(w)
		pass(time.Hour)
		require.Empty(t, j.String())
	})
}

func TestNoWarningWhileAnotherBrokerAnswers(t *testing.T) {
	watched(t, func(t *testing.T, w *watch, j *testlog.Log) {
		setUp(w)
		for range 100 { // one broker is down, the other is not
			w.dialling()
			connect(w, errors.New("refused"))
			pass(warnAfter / 3)
			read(w)
			require.Nil(t, w.state())
		}
		require.Empty(t, j.String())
	})
}

func TestNoWarningOfAnIdleClient(t *testing.T) {
	watched(t, func(t *testing.T, w *watch, j *testlog.Log) {
		pass(time.Hour)
		w.dialling()
		pass(time.Hour) // warns once: nobody dials again
		require.Len(t, j.Lines(""), 1)
		w.dialling() // counts from here, not from an hour ago
		pass(warnAfter - 1)
		require.Len(t, j.Lines(""), 1)
		pass(1)
		require.Len(t, j.Lines(""), 2)
		require.Contains(t, j.String(), "for 5s")
	})
}

func TestNoWarningAfterClose(t *testing.T) {
	watched(t, func(t *testing.T, w *watch, j *testlog.Log) {
		w.dialling()
		w.OnClientClosed(nil)
		w.dialling()
		pass(time.Hour)
		require.Empty(t, j.String())
	})
}
