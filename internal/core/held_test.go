package core

import (
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func keep(isl *Island, h *heldTokens, toks ...Token) {
	for _, t := range toks {
		isl.frame = frame{cur: t}
		h.keep(isl.Out())
	}
	isl.frame = frame{}
}

func keptOf(em emission, n int) (kept []bool) {
	for i := range n {
		kept = append(kept, em.fates == nil || em.fates[i] == goesOut)
	}
	return kept
}

// What lies after the cut is left out of what a holder emits, and given back.
func TestEmitLeavesOutWhatWasGivenBack(t *testing.T) {
	c := newCuts(t, 2)
	isl, h := c.r.NewIsland(), &heldTokens{}
	require.Equal(t, emission{}, h.emit(isl))
	require.True(t, c.l.Claim(c.at(0, 1)))
	holders := make([]heldTokens, 4)
	keep(isl, &holders[0], c.at(0, 0), c.at(0, 1), c.at(0, 2), c.at(1, 5))
	keep(isl, &holders[1], c.at(0, 3), c.at(1, 6))
	keep(isl, &holders[2], c.at(0, 4), c.at(0, 5))
	keep(isl, &holders[3], 0, c.at(0, 6))
	c.freeze(0)
	require.EqualValues(t, 2, c.cutOf(0), "what a holder keeps has not begun")
	c.r.unwant(wantDrop) // long after the sweep

	em := holders[0].emit(isl)
	require.Equal(t, []bool{true, true, false, true}, keptOf(em, 4))
	require.Equal(t, []span{{c.at(0, 0), 2}, {c.at(1, 5), 1}}, c.l.composites.members(em.token))
	require.True(t, c.l.Claim(em.token))
	em = holders[1].emit(isl)
	require.Equal(t, []bool{false, true}, keptOf(em, 2))
	require.Equal(t, c.at(1, 6), em.token, "a single one keeps its own")
	em = holders[2].emit(isl)
	require.Equal(t, []bool{false, false}, keptOf(em, 2))
	em = holders[3].emit(isl)
	require.Equal(t, []bool{true, false}, keptOf(em, 2))
	require.Zero(t, em.token)
	require.Equal(t, []uint64{2, 3, 4, 5, 6}, c.as[0].all(&c.as[0].returned))
	require.Empty(t, c.as[1].all(&c.as[1].returned))
	for i := range holders {
		require.Empty(t, holders[i].toks)
	}
}

// Elements without a token begin what they are emitted with, and it runs whatever is given up.
func TestEmitWithUntrackedElements(t *testing.T) {
	for _, n := range []int{1, 2} {
		c := newCuts(t, 2)
		isl, h := c.r.NewIsland(), &heldTokens{}
		keep(isl, h, c.at(0, 3), 0)
		if n == 2 {
			keep(isl, h, c.at(1, 4))
		}
		em := h.emit(isl)
		require.Nil(t, em.fates)
		require.True(t, em.token.composite())
		c.freeze(0, 1)
		require.EqualValues(t, 4, c.cutOf(0), "it has begun")
		c.l.end(span{c.at(0, 1), 1}, abandoned)
		require.EqualValues(t, 1, c.cutOf(0))
		require.True(t, c.l.Claim(em.token))
		require.False(t, c.r.CutOff(em.token))

		// A batch of batches, too.
		keep(isl, h, em.token, c.at(1, 0))
		outer := h.emit(isl)
		require.True(t, outer.token.composite())
		c.l.end(span{c.at(0, 0), 1}, abandoned)
		gone, how := c.l.gone(outer.token)
		require.False(t, gone && how == abandoned, "what has no token would be lost")
	}
}

// A merge lies before all its cuts or after all of them, whenever it is made while a freeze is on.
func TestEmitDuringAFreeze(t *testing.T) {
	for range 2000 {
		c := newCuts(t, 2)
		isl := c.r.NewIsland()
		var emissions []emission
		var both sync.WaitGroup
		both.Go(func() {
			for i := range uint64(20) {
				h := &heldTokens{}
				keep(isl, h, c.at(0, i), c.at(1, i))
				if em := h.emit(isl); em.token != 0 {
					emissions = append(emissions, em)
				}
				if i%4 == 0 {
					c.l.Claim(c.at(0, i))
				}
			}
		})
		both.Go(func() {
			runtime.Gosched()
			c.freeze(0)
		})
		both.Wait()
		for _, em := range emissions {
			if em.token.composite() {
				for _, m := range c.l.composites.members(em.token) {
					require.False(t, c.l.entry(m.first.Index()).after(m.first.Position()), "a merge with a kept one runs")
				}
				require.True(t, c.l.Claim(em.token))
			}
		}
	}
}
