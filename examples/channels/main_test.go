package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vicuna-go/vicuna/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Every request has its answer, in the order of the requests.
func TestChannels(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, 1000))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 1000)
	for i, line := range lines {
		want := fmt.Sprintf("request %d: ", i)
		if i%5 == 0 {
			want += "nothing to write"
		}
		require.True(t, strings.HasPrefix(line, want), "%s is not %s…", line, want)
	}
}

// Ctrl-C stops the requests; those that were taken have their answers.
func TestInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	out := &after{lines: 20, then: interrupt}
	err := run(ctx, out, 1_000_000)
	if err != nil { // nil where the channel was closed before the drain was seen
		require.ErrorIs(t, err, stream.ErrDrained)
	}
	require.GreaterOrEqual(t, out.seen, 20)
	require.Less(t, out.seen, 1_000_000)
}

// after calls then after so many lines.
type after struct {
	seen, lines int
	then        func()
}

func (a *after) Write(p []byte) (int, error) {
	if a.seen += bytes.Count(p, []byte("\n")); a.seen >= a.lines {
		a.then()
	}
	return len(p), nil
}
