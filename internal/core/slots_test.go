package core

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ring is a ring of slots with a receiver that the test plays.
type ring struct {
	*cuts
	s *Slots[int]
}

func newRing(t *testing.T, partitions int) *ring {
	c := newCuts(t, partitions)
	return &ring{c, NewSlots[int](At{Island: c.r.NewIsland()}, 16, c.r.NewIsland())}
}

// reserve takes a place for each token, with its number as the value to come.
func (r *ring) reserve(toks ...Token) {
	for _, t := range toks {
		r.s.send.frame = frame{cur: t}
		slot, ok := r.s.Reserve()
		require.True(r.t, ok)
		r.s.Publish(slot)
	}
}

func (r *ring) fill(slots ...uint64) {
	for _, slot := range slots {
		r.s.Fill(slot, int(slot))
	}
}

// take takes what comes out at this moment.
func (r *ring) take() (vs []int) {
	for {
		require.Equal(r.t, r.s.state[r.s.lhead&r.s.mask].Load() != slotOpen || r.s.passable(), r.s.Ready())
		c, status := r.s.Next()
		if status != Ready {
			return vs
		}
		vs = append(vs, c.Vals...)
		r.s.Taken(len(c.Vals))
	}
}

// Results of partitions that are being taken away pass unfinished ones of those that are kept, in
// the order of each partition.
func TestResultsPassKeptOnes(t *testing.T) {
	r := newRing(t, 3)
	r.reserve(r.at(0, 0), r.at(1, 0), r.at(2, 0), r.at(1, 1), r.at(0, 1), r.at(1, 2), r.at(1, 3))
	r.fill(1, 2, 4, 5)
	require.Empty(t, r.take(), "nobody waits")
	require.True(t, r.l.Claim(r.at(1, 9)))
	r.freeze(1)
	require.Equal(t, []int{1}, r.take(), "not the kept one's, and nothing before its turn in the partition")
	r.fill(3)
	require.Equal(t, []int{3, 5}, r.take())
	r.s.GiveUp(6)
	require.Empty(t, r.take())
	require.Equal(t, []uint64{3}, r.as[1].all(&r.as[1].abandoned), "what was given up is told at once, too")
	require.Empty(t, r.take())
	r.fill(0)
	require.Equal(t, []int{0, 2, 4}, r.take(), "what has passed does not come again")
	require.Zero(t, r.s.Len())
	for i := range uint64(40) { // the places are free again
		slot := r.s.tail.Load()
		r.reserve(r.at(0, 2+i))
		r.fill(slot)
		require.Equal(t, []int{int(slot)}, r.take())
	}
}

// What passes and is not taken over (the run is stopped, say) keeps its place.
func TestPassedAndNotTaken(t *testing.T) {
	r := newRing(t, 2)
	r.reserve(r.at(0, 0), r.at(1, 0))
	require.True(t, r.l.Claim(r.at(1, 0)))
	r.freeze(1)
	r.fill(1)
	c, status := r.s.Next()
	require.Equal(t, Ready, status)
	require.Equal(t, []int{1}, c.Vals)
	r.s.Taken(0)
	require.Equal(t, []int{1}, r.take())
}

// Behind an element that is kept, with a record of a partition that is taken away, nothing of that
// passes.
func TestNothingPassesItsOwn(t *testing.T) {
	r := newRing(t, 3)
	r.reserve(r.merge(false, r.at(0, 0), r.at(1, 0)), r.at(1, 1), r.at(2, 0))
	require.True(t, r.l.Claim(r.at(1, 9)))
	require.True(t, r.l.Claim(r.at(2, 9)))
	r.freeze(1, 2)
	r.fill(1, 2)
	require.Equal(t, []int{2}, r.take())
	r.fill(0)
	require.Equal(t, []int{0, 1}, r.take())
}

// Behind an element with a record of an assignment that has ended nothing passes: the partition may
// have come back under another index.
func TestNothingPassesAnEndedIndex(t *testing.T) {
	r := newRing(t, 3)
	r.reserve(r.merge(false, r.at(0, 0), r.at(1, 0)), r.at(2, 0))
	require.True(t, r.l.Claim(r.at(2, 0)))
	r.r.Lose([]uint32{r.index[1]})
	r.l.Release(r.index[1])
	r.freeze(2)
	r.fill(1)
	require.Empty(t, r.take())
	r.fill(0)
	require.Equal(t, []int{0, 1}, r.take())
}

// What lies after the cut, and was returned by a worker, is thrown away in its turn.
func TestReturnedSlots(t *testing.T) {
	r := newRing(t, 2)
	r.reserve(r.at(0, 0), r.at(0, 1), r.at(1, 0))
	require.True(t, r.l.Claim(r.at(0, 0)))
	r.freeze(0)
	r.s.fill(1, slotReturned)
	r.fill(2, 0)
	require.Equal(t, []int{0, 2}, r.take())
	require.Equal(t, []uint64{1}, r.as[0].all(&r.as[0].returned))
	require.EqualValues(t, 1, r.r.Dropped())
}

// How long a pause lasts: until it is due, sooner where somebody waits for the element, and not at
// all where nobody does.
func TestRetry(t *testing.T) {
	const margin = 5 * time.Second
	for name, row := range map[string]struct {
		before func(c *cuts)
		token  func(c *cuts) Token
		what   Wait
		within time.Duration // KeepWaiting: no longer than that
	}{
		"nobody waits":                   {func(*cuts) {}, func(c *cuts) Token { return c.at(0, 0) }, KeepWaiting, time.Hour},
		"another waits":                  {func(c *cuts) { c.freeze(1) }, func(c *cuts) Token { return c.at(0, 0) }, KeepWaiting, time.Hour},
		"revoked":                        {func(c *cuts) { c.freeze(0) }, func(c *cuts) Token { return c.at(0, 0) }, KeepWaiting, time.Second},
		"revoked, in a batch":            {func(c *cuts) { c.freeze(0) }, func(c *cuts) Token { return c.merge(false, c.at(1, 0), c.at(0, 0)) }, KeepWaiting, time.Second},
		"revoked, with little time":      {func(c *cuts) { c.r.FreezeFor([]uint32{c.index[0]}, 2*time.Second) }, func(c *cuts) Token { return c.at(0, 0) }, KeepWaiting, 3 * time.Second / 2 / 8},
		"revoked, with no time":          {func(c *cuts) { c.r.FreezeFor([]uint32{c.index[0]}, 50*time.Millisecond) }, func(c *cuts) Token { return c.at(0, 0) }, OutOfTime, 0},
		"after the cut":                  {func(c *cuts) { c.freeze(0) }, func(c *cuts) Token { return c.at(0, 1) }, CutAway, 0},
		"lost":                           {func(c *cuts) { c.r.Lose([]uint32{c.index[0]}) }, func(c *cuts) Token { return c.at(0, 0) }, CutAway, 0},
		"drained":                        {func(c *cuts) { c.r.Drain(nil) }, func(c *cuts) Token { return c.at(1, 0) }, KeepWaiting, time.Second},
		"drained, without a token":       {func(c *cuts) { c.r.Drain(nil) }, func(*cuts) Token { return 0 }, KeepWaiting, time.Second},
		"revoked before a drain's end":   {func(c *cuts) { c.r.FreezeFor([]uint32{c.index[0]}, time.Millisecond); c.r.Drain(nil) }, func(c *cuts) Token { return c.at(0, 0) }, OutOfTime, 0},
		"another is, in a drain":         {func(c *cuts) { c.r.FreezeFor([]uint32{c.index[0]}, time.Millisecond); c.r.Drain(nil) }, func(c *cuts) Token { return c.at(1, 0) }, KeepWaiting, time.Second},
		"a drain's, before the revoke's": {func(c *cuts) { c.r.limits.Drain = 10 * time.Millisecond; c.freeze(0); c.r.Drain(nil) }, func(c *cuts) Token { return c.at(0, 0) }, OutOfTime, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCuts(t, 2)
			require.True(t, c.l.Claim(c.at(0, 0)))
			require.True(t, c.l.Claim(c.at(1, 0)))
			row.before(c)
			token, now := row.token(c), time.Now()
			what, until := c.r.Retry(token, now.Add(time.Hour))
			require.Equal(t, row.what, what)
			if what != KeepWaiting {
				return
			}
			took := until.Sub(now)
			require.LessOrEqual(t, took, row.within+10*time.Millisecond)
			require.Greater(t, took, row.within*3/4)
			what, again := c.r.Retry(token, until)
			require.Equal(t, KeepWaiting, what)
			require.False(t, again.After(until), "each look makes it shorter, or it would never come")
			what, _ = c.r.Retry(token, now)
			require.Equal(t, TryAgain, what, "it is due")
		})
	}
	require.Equal(t, margin, giveUpMargin(time.Hour))
	require.Equal(t, 250*time.Millisecond, giveUpMargin(time.Second))
}
