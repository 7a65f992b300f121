package tracker

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Who has asked for a position is told once, when everything below it is done.
func TestReached(t *testing.T) {
	told := 0
	tr := New(Options{Notify: func(ev Event) {
		if ev&Reached != 0 {
			told++
		}
	}})
	tr.DeliveredRun(200, 0, 0)
	require.True(t, tr.Reached(0))
	tr.Done(0, 0b1011)
	require.True(t, tr.Reached(2))
	require.False(t, tr.Reached(70))
	tr.Done(64, 1<<6-1)
	tr.Done(0, ^uint64(1<<4-1))
	require.Zero(t, told, "2 is not done")
	tr.Done(0, 1<<2)
	require.Equal(t, 1, told)
	require.True(t, tr.Reached(70))
	tr.Done(64, ^uint64(0))
	require.Equal(t, 1, told, "nobody has asked again")
	require.False(t, tr.Reached(150))
	require.False(t, tr.Reached(140), "the last one counts")
	tr.Done(128, 1<<12-1)
	require.Equal(t, 2, told)
	require.False(t, tr.Reached(150))
	tr.Abandon(128, 1<<13)
	tr.Done(128, ^uint64(0))
	require.Equal(t, 2, told, "141 was given up")
	require.False(t, tr.Reached(150))
}
