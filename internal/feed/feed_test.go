package feed_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vicuna-go/vicuna/internal/bubble"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

// More is tested where feeds are driven: in stream/streamtest.

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	p0 = topics.Partition{Topic: "t", Partition: 0}
	p1 = topics.Partition{Topic: "t", Partition: 1}
)

// bench is a feed whose island is played by the test.
func bench(o feed.Options) (*core.Run, *feed.Feed[int], core.Intake[int]) {
	run := core.NewRun(context.Background(), core.Limits{Drain: time.Second, Close: time.Second})
	f := feed.New[int](run.NewIsland(), o)
	return run, f, f.Intake()
}

func assign(t *testing.T, f *feed.Feed[int], p topics.Partition) *feed.Assignment[int] {
	a, err := f.Assign(p, tracker.Mark{})
	require.NoError(t, err)
	return a
}

// consecutive is a delivery of elements that follow each other from an offset on.
func consecutive(vals []int, offset int64) feed.Delivery[int] {
	return feed.Delivery[int]{Vals: vals, Offsets: feed.Offsets{First: offset}}
}

func TestPartitionsTakeTurns(t *testing.T) {
	_, f, in := bench(feed.Options{})
	a, b := assign(t, f, p0), assign(t, f, p1)
	require.False(t, in.Ready())
	require.True(t, a.Deliver(consecutive(make([]int, 300), 0)))
	require.True(t, b.Deliver(consecutive([]int{7, 8}, 0)))
	c, status := in.Next()
	require.Equal(t, core.Ready, status)
	require.Len(t, c.Vals, 256)
	in.Taken(256)
	c, _ = in.Next()
	require.Equal(t, []int{7, 8}, c.Vals)
	in.Taken(1)
	c, _ = in.Next()
	require.Len(t, c.Vals, 44)
	require.EqualValues(t, 256, c.First.Position())
	in.Taken(44)
	c, _ = in.Next()
	require.Equal(t, []int{8}, c.Vals, "what was not handled comes again")
	require.EqualValues(t, 1, c.First.Position())
	in.Taken(1)
	_, status = in.Next()
	require.Equal(t, core.Empty, status)
	f.Complete()
	_, status = in.Next()
	require.Equal(t, core.Complete, status)
}

func TestRoom(t *testing.T) {
	_, f, in := bench(feed.Options{Limit: 8, Queue: 5})
	a := assign(t, f, p0)
	require.Equal(t, 5, a.Room())
	a.Deliver(consecutive(make([]int, 5), 0))
	require.Zero(t, a.Room())
	in.Next()
	in.Taken(5)
	require.Equal(t, 3, a.Room())
	a.Deliver(consecutive(make([]int, 3), 5))
	require.False(t, a.Starved(), "some wait in the queue")
	changed := f.Listen()
	in.Next()
	in.Taken(3)
	<-changed
	require.True(t, a.Starved())
	changed = f.Listen()
	a.Commit(0)
	select {
	case <-changed:
		t.Fatal("nothing has changed")
	default:
	}
}

func TestAssignedTwice(t *testing.T) {
	_, f, _ := bench(feed.Options{})
	a := assign(t, f, p0)
	_, err := f.Assign(p0, tracker.Mark{})
	require.ErrorIs(t, err, feed.ErrAssigned)
	require.Empty(t, f.Lose(p1))
	require.Len(t, f.Lose(p0), 1)
	require.False(t, a.Live())
	require.False(t, a.Deliver(consecutive([]int{1}, 0)), "it has ended")
	assign(t, f, p0)
}

// A partition that is lost while it is to be read again is not: nothing of it is left.
func TestLostWhileRewinding(t *testing.T) {
	run, f, in := bench(feed.Options{})
	for range 2000 {
		a := assign(t, f, p0)
		require.True(t, a.Deliver(consecutive([]int{1, 2}, 0)))
		_, status := in.Next()
		require.Equal(t, core.Ready, status)
		in.Taken(2)
		ledger, tok := a.Token(0)
		ledger.End(tok, false)
		var both sync.WaitGroup
		both.Go(func() { _, _ = f.Rewind() })
		both.Go(func() { f.Lose(p0) })
		both.Wait()
		left := 0
		f.Each(func(*feed.Assignment[int]) { left++ })
		require.Zero(t, left)
	}
	run.Stop(core.ErrStopped)
}

// Elements finish while their assignment ends. Where it goes on is read after the place from which
// on nothing finishes any more, so it is what is committable; read before, it would lie before
// that, and what is finished would be delivered again.
func TestFinishedWhileItEnds(t *testing.T) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	const n = 16 * 256
	for range 1000 {
		run, f, in := bench(feed.Options{})
		a := assign(t, f, p0)
		require.True(t, a.Deliver(consecutive(make([]int, n), 0)))
		for range n / 256 {
			c, _ := in.Next()
			require.True(t, run.Ledger.Claim(c.First+255))
			in.Taken(256)
		}
		begun := make(chan struct{})
		var finishing sync.WaitGroup
		finishing.Go(func() {
			for position := range uint64(n) {
				ledger, tok := a.Token(position)
				ledger.End(tok, true)
				if position == 8 {
					close(begun)
				}
			}
		})
		<-begun
		ends := f.Finish(over)
		finishing.Wait()
		require.Len(t, ends, 1)
		if e := ends[0]; e.Undone >= 0 {
			require.Equal(t, e.Mark.Offset, e.Undone)
		} else {
			require.EqualValues(t, n, e.Mark.Offset)
		}
		run.Stop(core.ErrStopped)
	}
}

// An assignment may end while the island has some of it in hand and gives that back: its end tells
// the first record that the island never got, whichever comes first; or, where a cut was made and
// nothing had begun, the first of all. The race detector looks, too.
func TestEndsWhileTheIslandGivesBack(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(f *feed.Feed[int]) []feed.End
		next []int64
	}{
		"lost":     {func(f *feed.Feed[int]) []feed.End { return f.Lose(p0) }, []int64{40}},
		"revoked":  {func(f *feed.Feed[int]) []feed.End { return f.Revoke(0, p0).Wait() }, []int64{40}},
		"finished": {func(f *feed.Feed[int]) []feed.End { return f.Finish(t.Context()) }, []int64{140, 296}},
	} {
		t.Run(name, func(t *testing.T) {
			for range 300 {
				run, f, in := bench(feed.Options{})
				a := assign(t, f, p0)
				require.True(t, a.Deliver(consecutive(make([]int, 300), 40)))
				in.Next()
				run.Stop(core.ErrStopped) // nobody waits for what the island has
				var island sync.WaitGroup
				island.Go(func() { in.Taken(100) })
				ends := c.end(f)
				island.Wait()
				require.Len(t, ends, 1)
				require.Contains(t, c.next, ends[0].Next)
				require.Zero(t, a.Outstanding())
			}
		})
	}
}

// A revoke takes back what waits, also of a chunk that the island did not finish; and it ends at
// its deadline.
func TestRevoke(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		run, f, in := bench(feed.Options{})
		a := assign(t, f, p0)
		a.Deliver(feed.Delivery[int]{Vals: make([]int, 1000), Offsets: feed.Offsets{First: 40, Epoch: 3}})
		c, _ := in.Next()
		require.True(t, run.Ledger.Claim(c.First+199))
		r := f.Revoke(time.Second, p0)
		require.True(t, run.Hurried())
		require.Equal(t, 200, a.Outstanding(), "what has begun, and what lies before it")
		require.True(t, run.Ledger.Claim(c.First+7))
		require.False(t, run.Ledger.Claim(c.First+200))
		in.Taken(200)
		require.Equal(t, 200, a.Outstanding())
		require.False(t, in.Ready())
		begin := time.Now()
		require.Equal(t, []feed.End{{Partition: p0, Next: 240, Undone: 40, Outstanding: 200}}, r.Wait())
		require.Equal(t, time.Second, time.Since(begin))
		require.False(t, run.Hurried())
		require.Empty(t, f.Revoke(time.Second, p0).Wait())
	})
}

func TestHoldIsALevel(t *testing.T) {
	run, f, _ := bench(feed.Options{})
	for range 2 {
		f.Hurry(true)
		require.True(t, run.Hurried())
	}
	for range 2 {
		f.Hurry(false)
		require.False(t, run.Hurried())
	}
}

func TestCancelTakesBack(t *testing.T) {
	_, f, in := bench(feed.Options{More: func() bool { return false }})
	a := assign(t, f, p0)
	a.Deliver(consecutive(make([]int, 10), 0))
	require.True(t, in.(core.Beginning).More(), "some wait")
	in.Cancel()
	require.True(t, f.Over())
	require.Zero(t, a.Outstanding())
	require.False(t, in.(core.Beginning).More())
	require.False(t, a.Deliver(consecutive([]int{1}, 0)))
}
