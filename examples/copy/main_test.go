package main

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vicuna-go/vicuna/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCopy(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, 1000))
	require.Regexp(t, `^drained: \d+ of 500 orders committed, \d+ invoices, 0 of them twice
second run: 1000 of 1000 orders committed, 900 invoices, 0 of them twice
$`, out.String())
}

func TestInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	err := run(ctx, &bytes.Buffer{}, 1000)
	require.Error(t, err)
	require.NotErrorIs(t, err, stream.ErrStopped)
}
