package tempdir_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vicuna-go/vicuna/internal/tempdir"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Temporary files are made in the folder, whatever the system calls its variable.
func TestOwn(t *testing.T) {
	dir := tempdir.Own(t)
	require.Equal(t, dir, filepath.Clean(os.TempDir()))
	f, err := os.CreateTemp("", "one-")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.Equal(t, dir, os.Getenv("TMP"))
	require.Equal(t, dir, os.Getenv("TEMP"))
}
