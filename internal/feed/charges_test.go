package feed_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/bubble"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/memory"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

// offsetsFrom are consecutive ones.
func offsetsFrom(o int64) func(int) (int64, int32) {
	return func(i int) (int64, int32) { return o + int64(i), 0 }
}

// A paused partition's elements wait, and those of others do not; a revoke takes them back, paused
// or not.
func TestPause(t *testing.T) {
	_, f, in := bench(feed.Options{})
	a, b := assign(t, f, p0), assign(t, f, p1)
	a.Deliver(consecutive([]int{1, 2}, 0))
	a.Pause(true)
	require.False(t, in.Ready())
	_, status := in.Next()
	require.Equal(t, core.Empty, status)
	b.Deliver(consecutive([]int{7}, 0))
	a.Deliver(consecutive([]int{3}, 2))
	require.True(t, in.Ready())
	c, _ := in.Next()
	require.Equal(t, []int{7}, c.Vals)
	in.Taken(1)
	require.False(t, in.Ready())
	require.Equal(t, 3, a.Queued())
	a.Pause(false)
	require.True(t, in.Ready())
	c, _ = in.Next()
	require.Equal(t, []int{1, 2}, c.Vals)
	a.Pause(true) // what the island has it keeps
	in.Taken(2)
	require.False(t, in.Ready())
	f.Complete()
	_, status = in.Next()
	require.Equal(t, core.Complete, status, "what is paused does not keep a stream from completing")
}

// Pausing wakes nobody who listens, and an assignment that is made anew is not paused.
func TestPauseBelongsToItsAssignment(t *testing.T) {
	_, f, in := bench(feed.Options{})
	a := assign(t, f, p0)
	a.Pause(true)
	f.Lose(p0)
	b := assign(t, f, p0)
	require.True(t, b.Deliver(consecutive([]int{1}, 0)))
	require.True(t, in.Ready())
}

// What is queued, and what waits with what the island has in hand.
func TestQueuedAndWaiting(t *testing.T) {
	_, f, in := bench(feed.Options{})
	a := assign(t, f, p0)
	a.Deliver(consecutive(make([]int, 300), 0))
	require.Equal(t, 300, a.Queued())
	require.Equal(t, 300, a.Waiting())
	in.Next()
	require.Equal(t, 44, a.Queued())
	require.Equal(t, 300, a.Waiting())
	in.Taken(100)
	require.Equal(t, 200, a.Queued())
	require.Equal(t, 200, a.Waiting())
}

// Next is the first that the island never got, Undone the first that is not finished; both are
// offsets, gaps included.
func TestEndTells(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		run, f, in := bench(feed.Options{Plain: true})
		a := assign(t, f, p0)
		require.True(t, a.Deliver(feed.Delivery[int]{Vals: make([]int, 3), Offsets: feed.Offsets{At: offsetsFrom(100)}}))
		require.True(t, a.Deliver(feed.Delivery[int]{Vals: make([]int, 3), Offsets: feed.Offsets{At: offsetsFrom(200)}}))
		c, _ := in.Next()
		require.Len(t, c.Vals, 3)
		run.Ledger.End(c.First, true)
		require.True(t, run.Ledger.Claim(c.First+1), "it has begun, and is waited for")
		r := f.Revoke(time.Second, p0)
		in.Taken(2)
		run.Ledger.End(c.First+1, true)
		require.Equal(t, []feed.End{{
			Partition: p0, Mark: tracker.Mark{Offset: 102, Epoch: 0}, Committable: true, Next: 102, Undone: 102,
		}}, r.Wait())

		b := assign(t, f, p1) // nothing was delivered
		require.Equal(t, []feed.End{{Partition: p1, Next: -1, Undone: -1}}, f.Revoke(time.Second, p1).Wait())
		require.False(t, b.Live())

		b = assign(t, f, p1) // everything was finished
		b.Deliver(feed.Delivery[int]{Vals: make([]int, 2), Offsets: feed.Offsets{At: offsetsFrom(7)}})
		c, _ = in.Next()
		in.Taken(2)
		run.Ledger.End(c.First, true)
		run.Ledger.End(c.First+1, true)
		require.Equal(t, []feed.End{{
			Partition: p1, Mark: tracker.Mark{Offset: 9}, Committable: true, Next: -1, Undone: -1,
		}}, f.Revoke(time.Second, p1).Wait())

		b = assign(t, f, p1) // the first is not, the second is
		b.Deliver(feed.Delivery[int]{Vals: make([]int, 2), Offsets: feed.Offsets{At: offsetsFrom(20)}})
		c, _ = in.Next()
		in.Taken(2)
		run.Ledger.End(c.First+1, true)
		require.Equal(t, []feed.End{{Partition: p1, Next: -1, Undone: 20, Outstanding: 1}}, f.Lose(p1))
	})
}

// Charges are given back when the elements are finished or taken back, and are not made where
// nothing is delivered.
func TestCharges(t *testing.T) {
	run, f, in := bench(feed.Options{Plain: true})
	a := assign(t, f, p0)
	freed, records := int64(0), 0
	lease := func() *memory.Lease {
		return memory.NewLease(func(bytes int64, n int) { freed, records = freed+bytes, records+n })
	}
	one, two := lease(), lease()
	require.True(t, a.Deliver(feed.Delivery[int]{Vals: make([]int, 3), Offsets: feed.Offsets{}, Bytes: 30, Lease: one}))
	require.True(t, a.Deliver(feed.Delivery[int]{Vals: make([]int, 2), Offsets: feed.Offsets{First: 3}, Bytes: 20, Lease: two}))
	one.Done()
	two.Done()
	charged := func() memory.Load { return a.Charges().Charged() }
	require.Equal(t, memory.Load{Bytes: 50, Records: 5}, charged())
	c, _ := in.Next()
	in.Taken(3)
	changed := f.Listen()
	for i := range core.Token(3) {
		run.Ledger.End(c.First+i, true)
	}
	<-changed
	require.Equal(t, memory.Load{Bytes: 20, Records: 2}, charged())
	require.EqualValues(t, 30, freed)
	in.Cancel()
	require.Zero(t, charged(), "what waited is taken back")
	require.EqualValues(t, 50, freed)
	require.Equal(t, 5, records)
	three := lease()
	require.False(t, a.Deliver(feed.Delivery[int]{Vals: make([]int, 2), Offsets: feed.Offsets{At: offsetsFrom(5)}, Bytes: 20, Lease: three}))
	three.Done()
	require.EqualValues(t, 50, freed)
	require.Zero(t, charged())
}

// A bell is a level: who listens before he looks misses nothing; nobody has to listen.
func TestBell(t *testing.T) {
	var b feed.Bell
	b.Ring()
	one, two := b.Listen(), b.Listen()
	b.Ring()
	<-one
	<-two
	b.Ring()
	three := b.Listen()
	select {
	case <-three:
		t.Fatal("it has not rung since")
	default:
	}
	b.Ring()
	<-three
}

// Feeds of one poller share its bell.
func TestSharedBell(t *testing.T) {
	bell := &feed.Bell{}
	_, f, _ := bench(feed.Options{Bell: bell})
	_, g, _ := bench(feed.Options{Bell: bell})
	changed := bell.Listen()
	f.Complete()
	<-changed
	changed = f.Listen()
	g.Complete()
	<-changed
}
