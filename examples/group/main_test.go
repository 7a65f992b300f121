package main

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// The test binary is the members too.
func TestMain(m *testing.M) {
	if _, ok := asMember(); ok {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

func TestGroup(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, 3000), &out)
	require.Contains(t, out.String(), "member 1 is restarted\n")
	require.Contains(t, out.String(), "member 1: stopped ")
	require.Contains(t, out.String(), "3000 jobs, 0 lost, 0 done twice\n")
}

// Ctrl-C ends the members too, and none is left behind.
func TestInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	out := &until{text: "member 1 is restarted", then: interrupt}
	require.ErrorIs(t, run(ctx, out, 3000), context.Canceled)
	require.Contains(t, out.String(), "member 0: stopped")
}

// until calls then when it is given the text.
type until struct {
	bytes.Buffer
	text string
	then func()
}

func (u *until) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(u.text)) {
		u.then()
	}
	return u.Buffer.Write(p)
}
