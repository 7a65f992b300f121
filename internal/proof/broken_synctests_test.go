//go:build synctests

package proof_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A stand-in that is broken in one place is found out. In a bubble alone: here it waits for what
// does not come any more, which takes time where time is real.
func TestBrokenStandInIsFound(t *testing.T) {
	t.Run("transaction does not wait", func(t *testing.T) {
		inWorld(t, func(t *testing.T, w *world) {
			s := w.session("one", w.failsInTheMiddle)
			s.broken = true
			f := w.run(s)
			require.NotZero(t, f.verdict.Lost, f)
		})
	})
}
