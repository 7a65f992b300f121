package core

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// shelf is an operator that keeps elements, and emits them when it is told to.
type shelf struct {
	Holder[int]
	due time.Time
	got [][]int
	tok []Token
}

func (s *shelf) Flush() {
	s.Emit(func(vs []int) {
		s.got, s.tok = append(s.got, vs), append(s.tok, s.isl.Out())
	})
}

func (s *shelf) Deadline() time.Time { return s.due }

func newShelf(c *cuts) *shelf {
	s := &shelf{}
	at := At{Island: c.r.NewIsland()}
	at.Island.Expanding()
	s.Attach(at, s, 2)
	c.r.StartIslands()
	return s
}

func (s *shelf) put(vals map[int]Token, order ...int) {
	for _, v := range order {
		outer := s.isl.Enter(vals[v], false)
		s.Add(v)
		s.isl.Leave(outer)
	}
}

// A holder emits when the stream hurries or its deadline has come, and at no other time; where
// nothing is held, it is left alone.
func TestHolderIsFlushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCuts(t, 1)
		s := newShelf(c)
		s.due = time.Now().Add(-time.Hour)
		require.Zero(t, s.isl.flush(), "nothing is held")
		s.due = time.Now().Add(time.Second)
		s.put(nil, 1, 2)
		require.Equal(t, s.due, s.isl.flush())
		require.Empty(t, s.got)
		<-time.After(time.Second)
		require.Zero(t, s.isl.flush())
		require.Equal(t, [][]int{{1, 2}}, s.got)
		s.due = time.Time{}
		s.put(nil, 3)
		require.Zero(t, s.isl.flush())
		h, hurries := c.r.Hurry("test"), 0
		s.isl.OnHurry(func() { hurries++ })
		s.isl.flush()
		h.Release()
		s.isl.flush()
		require.Equal(t, [][]int{{1, 2}, {3}}, s.got)
		require.Equal(t, 1, hurries)
	})
}

// What is emitted has one token for all of it, and is without what lies after a cut.
func TestHolderEmitsWhatIsLeft(t *testing.T) {
	c := newCuts(t, 2)
	s := newShelf(c)
	require.True(t, s.isl.KeepsUnbegun())
	toks := map[int]Token{1: c.at(0, 0), 2: c.at(0, 1), 3: c.at(1, 0)}
	s.put(toks, 1, 2, 3)
	require.True(t, c.l.Claim(c.at(0, 0)))
	c.freeze(0)
	s.Flush()
	require.Equal(t, [][]int{{1, 3}}, s.got)
	require.Equal(t, []uint64{1}, c.as[0].all(&c.as[0].returned))
	require.True(t, s.tok[0].composite(), "what follows expands")
	split := c.l.composites.members(s.tok[0])
	require.Equal(t, []span{{c.at(0, 0), 1}, {c.at(1, 0), 1}}, c.l.composites.members(split[0].first))

	s.put(map[int]Token{4: c.at(0, 2)}, 4)
	s.Flush()
	require.Len(t, s.got, 1, "nothing was left")
	require.Zero(t, s.Len())
}

// While a gate is closed a holder emits what lies before its cuts, by itself, and keeps the rest;
// one that has nothing of the kind is left alone. What asks for all of it gets the rest, too. A
// sink's records do not linger then.
func TestHolderIsFlushedForAGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCuts(t, 1)
		s, other, lingering := newShelf(c), newShelf(c), 0
		s.isl.OnHurry(func() { lingering++ })
		g := c.r.Gate()
		require.True(t, g.enter(c.at(0, 2)))
		vals := map[int]Token{}
		for v := range 8 {
			vals[v] = c.at(0, uint64(v))
		}
		s.put(vals, 1, 2, 3, 4)
		other.put(vals, 5)
		s.isl.flush()
		require.Empty(t, s.got)
		require.Zero(t, lingering)
		g.Close()
		s.isl.flush()
		other.isl.flush()
		require.Equal(t, [][]int{{1, 2}}, s.got)
		require.Equal(t, []int{3, 4}, s.Held())
		require.Empty(t, other.got)
		require.Equal(t, 1, lingering)
		s.isl.flush()
		require.Len(t, s.got, 1)
		s.put(vals, 0, 6)
		s.Flush() // it is full, or the stream ends
		require.Equal(t, [][]int{{1, 2}, {0}, {3, 4, 6}}, s.got)
		require.Empty(t, s.Held())
		g.Open()
		s.put(vals, 2, 7)
		s.isl.flush()
		require.Len(t, s.got, 3)
		s.Flush()
		require.Equal(t, []int{2, 7}, s.got[3])
	})
}
