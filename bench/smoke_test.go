package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each scenario runs, once and with tiny counts, on the embedded broker, so that none of them rots
// until somebody wants to measure with it. `make test` runs this test of the module, and the rest
// of them is run in bench/: go test ./... there.
//
// P14 is left out: its figures are those of the library's own tests, which run anyway.
func TestEachScenarioOnce(t *testing.T) {
	embedded(t)
	for _, sc := range scenarios() {
		if sc.id == endsBesideSlowCalls().id {
			continue
		}
		t.Run(sc.id, func(t *testing.T) {
			var out, progress bytes.Buffer
			require.NoError(t, run(t.Context(), []string{"-quick", "-reps", "1", "-context=false", "-only", sc.id}, &out, &progress), "%s", &progress)
		})
	}
}
