package kclient

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

// watched runs fn in virtual time with a watch of one address.
func watched(t *testing.T, fn func(t *testing.T, w *watch, j *journal)) {
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		w := newWatch([]string{"kafka:9092"}, j.logger())
		fn(t, w, j)
		w.OnClientClosed(nil)
		synctest.Wait()
	})
}

func connect(w *watch, err error) { w.OnBrokerConnect(kgo.BrokerMetadata{}, 0, nil, err) }
func read(w *watch)               { w.OnBrokerRead(kgo.BrokerMetadata{}, 0, 0, 0, 0, nil) }

// pass lets d go by, and everything that is due with it.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestWarningAfterFiveSecondsWithoutABroker(t *testing.T) {
	watched(t, func(t *testing.T, w *watch, j *journal) {
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

		connect(w, nil)
		require.Contains(t, j.String(), "reached again")
		require.Nil(t, w.state())
		pass(time.Hour)
		require.Len(t, j.line, 3)
	})
}

func TestNoWarningOnceReached(t *testing.T) {
	watched(t, func(t *testing.T, w *watch, j *journal) {
		w.dialling()
		pass(warnAfter / 2)
		connect(w, nil)
		pass(time.Hour)
		require.Empty(t, j.String())
	})
}

func TestNoWarningWhileAnotherBrokerAnswers(t *testing.T) {
	watched(t, func(t *testing.T, w *watch, j *journal) {
		connect(w, nil)
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
	watched(t, func(t *testing.T, w *watch, j *journal) {
		pass(time.Hour)
		w.dialling()
		pass(time.Hour) // warns once: nobody dials again
		require.Len(t, j.line, 1)
		w.dialling() // counts from here, not from an hour ago
		pass(warnAfter - 1)
		require.Len(t, j.line, 1)
		pass(1)
		require.Len(t, j.line, 2)
		require.Contains(t, j.String(), "for 5s")
	})
}

func TestNoWarningAfterClose(t *testing.T) {
	watched(t, func(t *testing.T, w *watch, j *journal) {
		w.dialling()
		w.OnClientClosed(nil)
		w.dialling()
		pass(time.Hour)
		require.Empty(t, j.String())
	})
}
