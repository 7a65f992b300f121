package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWithoutStream(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	require.Equal(t, `Send: offset 0, key of 2 bytes
SendAsync: offset 1
SendFuture: offset 2
SendEnvelope 42: good night at offset 3
SendEnvelope 42: good night at offset 0
`, out.String())
}
