package core

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// While a gate is closed, what lies before its cuts enters and nothing else, and the cuts stand.
func TestGate(t *testing.T) {
	c := newCuts(t, 2)
	g := c.r.Gate()
	require.Same(t, g, c.r.Gate())
	require.True(t, g.enter(c.at(0, 5)))
	require.True(t, g.enter(c.at(0, 3)))
	g.Close()
	require.EqualValues(t, 6, g.Entered(c.index[0]))
	require.Zero(t, g.Entered(c.index[1]))
	late := c.assign()
	for position := range uint64(10) {
		require.Equal(t, position < 6, g.enter(c.at(0, position)), "position %d", position)
		require.False(t, g.enter(c.at(1, position)))
		require.False(t, g.enter(c.at(late, position)), "of an assignment that has come while it is closed")
	}
	split := c.l.composites.split(c.at(0, 2), false)
	require.True(t, g.enter(split))
	require.False(t, g.enter(c.l.composites.split(c.at(0, 6), false)))
	require.EqualValues(t, 6, g.Entered(c.index[0]))
	g.Open()
	require.True(t, g.enter(c.at(1, 7)))
	require.True(t, g.enter(c.at(late, 0)))
	c.l.Release(c.index[1])
	require.False(t, g.enter(c.at(1, 7)), "an assignment that has ended")
	require.Zero(t, g.Entered(c.index[1]))
}

// A merge enters whole, and the cuts are raised to cover those of which something has entered, and
// then others for those.
func TestGateCoversMerges(t *testing.T) {
	c := newCuts(t, 4)
	g := c.r.Gate()
	third := c.merge(false, c.at(2, 9), c.at(3, 2)) // earlier ones in the list need later ones
	second := c.merge(false, c.at(1, 8), c.at(2, 7))
	first := c.merge(false, c.at(0, 1), c.at(1, 4))
	after := c.merge(false, c.at(0, 6), c.at(3, 7))
	nested := c.merge(false, first, c.at(1, 5))
	require.True(t, g.enter(c.at(0, 2)))
	g.Close()
	require.EqualValues(t, 3, g.Entered(c.index[0]))
	require.EqualValues(t, 6, g.Entered(c.index[1]))
	require.Zero(t, g.Entered(c.index[2]))
	require.True(t, g.enter(first))
	require.True(t, g.enter(nested))
	require.False(t, g.enter(second))
	require.False(t, g.enter(third))
	require.False(t, g.enter(after))
	g.Open()
	require.True(t, g.enter(second))
	require.EqualValues(t, 9, g.Entered(c.index[1]))
	require.EqualValues(t, 8, g.Entered(c.index[2]))
	g.Close()
	require.False(t, g.enter(third), "9 of the third assignment lies after its cut, and 2 of the fourth")
	g.Open()
	require.True(t, g.enter(c.at(3, 2)))
	g.Close()
	require.EqualValues(t, 10, g.Entered(c.index[2]), "raised for the merge with what has entered")
	require.True(t, g.enter(third))
}

// It takes several rounds where a merge that is looked at first is covered for a later one.
func TestGateCoversMergesOfMerges(t *testing.T) {
	c := newCuts(t, 4)
	g := c.r.Gate()
	for a := range 3 { // from the last to the first
		c.merge(false, c.at(2-a, 3), c.at(3-a, 3))
	}
	require.True(t, g.enter(c.at(0, 5)))
	g.Close()
	for a := 1; a < 4; a++ {
		require.EqualValues(t, 4, g.Entered(c.index[a]), a)
	}
}

// While a gate is closed a holder emits what lies before the cuts by itself.
func TestEmitAtAClosedGate(t *testing.T) {
	c := newCuts(t, 2)
	g := c.r.Gate()
	isl, h := c.r.NewIsland(), &heldTokens{}
	require.True(t, g.enter(c.at(0, 4)))
	keep(isl, h, c.at(0, 3), c.at(1, 0), c.at(0, 4), 0, c.at(0, 5))
	require.False(t, (&heldTokens{}).anyBefore(c.l))
	require.True(t, h.anyBefore(c.l))
	g.Close()
	em := h.emit(isl)
	require.Equal(t, []heldFate{goesOut, stays, goesOut, stays, stays}, em.fates)
	out, left := split(em, []int{1, 2, 3, 4, 5})
	require.Equal(t, []int{1, 3}, out)
	require.Equal(t, []int{2, 4, 5}, left)
	require.True(t, g.enter(em.token))
	require.False(t, h.anyBefore(c.l))
	em = h.emit(isl)
	require.Nil(t, em.fates, "all of it lies on one side")
	require.Empty(t, h.toks)
	require.False(t, g.enter(em.token))
	require.EqualValues(t, 5, g.Entered(c.index[0]))
	g.Open()
	require.True(t, g.enter(em.token))
}

// Whatever enters while the gate closes and opens, nothing that lies after the cuts has entered
// once Close has returned, and no merge has entered in part.
func TestGateAtRandom(t *testing.T) {
	const partitions, goroutines, rounds = 3, 3, 300
	c := newCuts(t, partitions)
	g := c.r.Gate()
	var next [partitions]atomic.Uint64
	var stop atomic.Bool
	var all sync.WaitGroup
	for i := range goroutines {
		random, isl, h := rand.New(rand.NewPCG(uint64(i), 7)), c.r.NewIsland(), &heldTokens{}
		all.Go(func() {
			for !stop.Load() {
				p := random.IntN(partitions)
				position := next[p].Add(1)
				if random.IntN(4) > 0 {
					for !g.enter(c.at(p, position)) && !stop.Load() {
						runtime.Gosched()
					}
					continue
				}
				q := (p + 1) % partitions
				keep(isl, h, c.at(p, position), c.at(q, next[q].Add(1)))
				for len(h.toks) > 0 {
					em := h.emit(isl)
					for !g.enter(em.token) && !stop.Load() {
						runtime.Gosched()
					}
					c.l.end(span{em.token, 1}, fine)
				}
			}
		})
	}
	for range rounds {
		g.Close()
		var cuts [partitions]uint64
		for p := range partitions {
			cuts[p] = g.Entered(c.index[p])
		}
		for range 20 {
			runtime.Gosched()
			c.l.cutMu.Lock()
			c.l.composites.eachMerge(func(m Token, _ bool) {
				before, after := false, false
				c.l.positions(m, func(e *entry, first, _ uint64) bool {
					in := first < e.entered.Load()>>gateShift
					before, after = before || in, after || !in
					return false
				})
				if before && after {
					t.Errorf("a merge lies on both sides of the gate's cuts")
				}
			})
			c.l.cutMu.Unlock()
			for p := range partitions {
				if at := g.Entered(c.index[p]); at != cuts[p] {
					t.Errorf("the cut has moved from %d to %d", cuts[p], at)
				}
			}
		}
		g.Open()
		runtime.Gosched()
	}
	stop.Store(true)
	all.Wait()
}
