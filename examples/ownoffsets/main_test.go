package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vicuna-go/vicuna/internal/tempdir"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOwnOffsets(t *testing.T) {
	tempdir.Own(t)
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, 1000))
	require.Equal(t, "after the first run: 1000 payments, 1000 in all\nafter the second run: 2000 payments, 2000 in all\n", out.String())
}
