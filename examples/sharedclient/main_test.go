package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSharedClient(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, 1000))
	require.Equal(t, "1100 records acknowledged, 0 failed, 0 in flight\n", out.String())
}
