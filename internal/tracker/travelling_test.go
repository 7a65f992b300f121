package tracker

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Who was told that some positions travel is told when fewer do, once, and not of marks that come
// again.
func TestFewerTravel(t *testing.T) {
	told := 0
	tr := New(Options{Notify: func(ev Event) {
		if ev&Less != 0 {
			told++
		}
	}})
	tr.DeliveredRun(4, 0, 0)
	changes := map[string]func(){
		"a hand-over that ends": func() { tr.Done(0, 1) },
		"one that is finished":  func() { tr.Done(0, 2) },
		"one that is given up":  func() { tr.Abandon(0, 4) },
		"one that is given back": func() {
			tr.Cut(3, 3, false)
		},
	}
	tr.HandOver(0, 1, "channel")
	travelling := 4
	for _, name := range []string{"a hand-over that ends", "one that is finished", "one that is given up", "one that is given back"} {
		require.Equal(t, travelling, tr.Travelling(), name)
		travelling--
		told = 0
		changes[name]()
		require.Equal(t, 1, told, name)
		changes[name]()
		require.Equal(t, 1, told, "%s: nobody has asked again", name)
		if travelling > 0 {
			require.Equal(t, travelling, tr.Travelling(), name)
			changes[name]()
			require.Equal(t, 1, told, "%s: nothing has changed", name)
		}
	}
	require.Zero(t, tr.Travelling())
	require.Equal(t, 1, tr.Outstanding(), "one waits for its answer")
	told = 0
	tr.Commit(0)
	require.Zero(t, told, "nobody waits for that to travel no more")
}
