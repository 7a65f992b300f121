package core

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The room for what has begun doubles when it is used up while the receiver keeps up, and halves
// while it is slow.
func TestRunAhead(t *testing.T) {
	c := newCuts(t, 0)
	recv := c.r.NewIsland()
	var a runAhead
	a.init(2, 100)
	limits := func(n uint64) (ls []uint64) {
		for range 3 {
			a.room(n, recv)
			ls = append(ls, a.limit.Load())
		}
		return ls
	}
	require.True(t, a.room(1, recv))
	require.EqualValues(t, 2, a.limit.Load(), "it is not used up")
	require.True(t, a.room(2, recv))
	require.EqualValues(t, 4, a.limit.Load())
	require.True(t, a.room(3, recv))
	require.EqualValues(t, 4, a.limit.Load())
	require.Equal(t, []uint64{8, 16, 32}, limits(63))
	require.Equal(t, []uint64{64, 100, 100}, limits(100))
	require.True(t, a.room(99, recv))
	require.False(t, a.room(100, recv), "no more than the most")

	slow := func(is bool) {
		recv.chunkSince.Store(0)
		if is {
			recv.chunkSince.Store(max(1, recv.run.clock()-stall-1))
		}
	}
	c.r.start = c.r.start.Add(-time.Hour) // the clock is far from its begin
	recv.busy()
	require.NotZero(t, recv.chunkSince.Load())
	recv.chunkSince.Store(recv.run.clock() + int64(time.Hour)) // however slow the machine is
	require.False(t, recv.slow(), "it has just come for more")
	slow(true)
	require.True(t, recv.slow())
	require.True(t, a.room(99, recv), "there is room")
	require.False(t, a.room(200, recv))
	require.EqualValues(t, 100, a.limit.Load(), "more than the most is no sign")
	a.limit.Store(64)
	require.Equal(t, []uint64{32, 16, 8}, limits(64))
	require.Equal(t, []uint64{4, 2, 2}, limits(64), "never less than the least")
	require.False(t, a.room(2, recv))
	require.True(t, a.room(1, recv))
	slow(false)
	require.True(t, a.room(2, recv), "it keeps up again")
	require.EqualValues(t, 4, a.limit.Load())

	a.init(8, 3)
	require.True(t, a.room(2, recv))
	require.False(t, a.room(3, recv), "the most is less than the least")
}

// A call that must not begin, because results wait, begins when the receiver has taken some; when
// somebody waits for an end, nothing is held back.
func TestBeginning(t *testing.T) {
	c := newCuts(t, 0)
	c.r.start = c.r.start.Add(-time.Hour)
	var begun, taken atomic.Uint64
	told := 0
	b := beginning{run: c.r, recv: c.r.NewIsland(), begun: &begun, taken: &taken, more: func() { told++ }}
	b.ahead.init(2, 8)
	b.recv.chunkSince.Store(1) // it is slow
	begun.Store(1)
	require.True(t, b.may())
	b.resume()
	require.Zero(t, told, "nobody waits")
	begun.Store(2)
	require.False(t, b.may())
	taken.Store(1)
	b.resume()
	b.resume()
	require.Equal(t, 1, told)
	require.True(t, b.may())
	begun.Store(50)
	require.False(t, b.may())
	h := c.r.Hurry("test")
	require.True(t, b.may())
	h.Release()
	require.False(t, b.may())
}
