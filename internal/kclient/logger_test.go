package kclient

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/bubble"

	"github.com/vicuna-go/vicuna/internal/testlog"
)

func TestLoggerPassesWarningsAndErrors(t *testing.T) {
	j := &testlog.Log{}
	l := newLogger(j.Logger())
	l.Log(kgo.LogLevelDebug, "debug")
	l.Log(kgo.LogLevelInfo, "info")
	require.Empty(t, j.String())
	l.Log(kgo.LogLevelWarn, "warn", "broker", 3)
	l.Log(kgo.LogLevelError, "error")
	require.Contains(t, j.String(), `level=WARN msg="franz-go: warn" broker=3`)
	require.Contains(t, j.String(), `level=ERROR msg="franz-go: error"`)
	require.Equal(t, kgo.LogLevelWarn, l.Level())
}

func TestLoggerCountsRepetitions(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		j := &testlog.Log{}
		l := newLogger(j.Logger())
		for range 10 {
			l.Log(kgo.LogLevelWarn, "down", "addr", "a")
			l.Log(kgo.LogLevelWarn, "other")
		}
		require.Equal(t, 1, strings.Count(j.String(), "down"))
		require.Equal(t, 1, strings.Count(j.String(), "other"))
		pass(repeatAfter)
		l.Log(kgo.LogLevelWarn, "down", "addr", "a")
		require.Contains(t, j.String(), "addr=a not_repeated=9")
	})
}
