// Package tempdir gives a test a folder for temporary files of its own, to look at what is left in
// it.
//
// It is for tests, and stands low: tests of any package may import it.
package tempdir

import "testing"

// variables are what os.TempDir reads: the first on Unix, the others on Windows.
var variables = [...]string{"TMPDIR", "TMP", "TEMP"}

// Own makes os.TempDir a new folder until the test ends, for the process and what it starts, and
// returns it. As it changes the environment, the test must not be parallel.
func Own(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range variables {
		t.Setenv(name, dir)
	}
	return dir
}
