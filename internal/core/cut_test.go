package core

import (
	"context"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// account writes down what becomes of the positions of an assignment.
type account struct {
	mu                        sync.Mutex
	delivered                 uint64
	done, abandoned, returned map[uint64]bool
	cut, begun                uint64 // as told last
}

func (a *account) note(in *map[uint64]bool, base, mask uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if *in == nil {
		*in = map[uint64]bool{}
	}
	for i := range uint64(64) {
		if mask>>i&1 == 1 {
			(*in)[base+i] = true
		}
	}
}

func (a *account) Done(base, mask uint64)         { a.note(&a.done, base, mask) }
func (a *account) Abandon(base, mask uint64)      { a.note(&a.abandoned, base, mask) }
func (a *account) Return(base, mask uint64)       { a.note(&a.returned, base, mask) }
func (a *account) HandOver(_, _ uint64, _ string) {}
func (a *account) Withdraw(_, _ uint64)           {}
func (a *account) Cut(position, begun uint64, _ bool) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cut, a.begun = position, begun
	return int(a.delivered) - int(min(position, a.delivered))
}

func (a *account) Locate(position uint64) (topic string, partition int32, offset int64, ok bool) {
	return "t", 0, int64(position), true
}

func (a *account) all(which *map[uint64]bool) []uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(*which))
}

// cuts is a run with some assignments.
type cuts struct {
	t     testing.TB
	r     *Run
	l     *Ledger
	index []uint32
	as    []*account
}

func newCuts(t testing.TB, n int) *cuts {
	r := NewRun(context.Background(), Limits{Drain: time.Minute, Close: time.Second})
	t.Cleanup(func() { _ = r.Discard(ErrStopped) })
	c := &cuts{t: t, r: r, l: r.Ledger}
	for range n {
		c.assign()
	}
	return c
}

func (c *cuts) assign() int {
	a := &account{delivered: 100}
	index, err := c.l.Register(a, 0)
	require.NoError(c.t, err)
	c.index, c.as = append(c.index, index), append(c.as, a)
	return len(c.as) - 1
}

func (c *cuts) at(a int, position uint64) Token { return MakeToken(c.index[a], position) }

func (c *cuts) merge(untracked bool, toks ...Token) Token {
	spans, _ := spansOf(toks, nil)
	c.l.cutMu.Lock()
	defer c.l.cutMu.Unlock()
	return c.l.composites.merge(spans, untracked)
}

func (c *cuts) freeze(as ...int) {
	indexes := make([]uint32, len(as))
	for i, a := range as {
		indexes[i] = c.index[a]
	}
	c.r.FreezeFor(indexes, time.Minute)
}

func (c *cuts) cutOf(a int) uint64 {
	e := c.l.entry(c.index[a])
	w := e.word.Load()
	cut := w >> stateBits
	if w&stateMask == gapped {
		cut = e.gap.Load()
	} else {
		require.EqualValues(c.t, frozen, w&stateMask)
	}
	require.Equal(c.t, cut, c.as[a].cut, "the assignment was told another")
	return cut
}

func (c *cuts) isOpen(a int) bool { return c.l.entry(c.index[a]).word.Load()&stateMask == open }

// What has begun may be claimed again after the freeze, by later stages, and what lies before it;
// nothing after it.
func TestClaimAtACut(t *testing.T) {
	c := newCuts(t, 2)
	require.True(t, c.l.Claim(0))
	require.True(t, c.l.Claim(c.at(0, 3)))
	require.True(t, c.l.Claim(c.at(0, 7)))
	require.True(t, c.l.Claim(c.at(0, 5)), "an earlier one does not lower it")
	c.freeze(0, 1)
	require.EqualValues(t, 8, c.cutOf(0))
	require.EqualValues(t, 8, c.as[0].begun)
	require.EqualValues(t, 0, c.cutOf(1))
	require.EqualValues(t, 92+100, c.r.GivenBack())
	for position, ok := range []bool{0: true, 6: true, 7: true, 8: false, 63: false} {
		if position < 8 {
			ok = true
		}
		require.Equal(t, ok, c.l.Claim(c.at(0, uint64(position))), "position %d", position)
	}
	require.False(t, c.l.Claim(c.at(1, 0)))
	require.True(t, c.l.Claim(0), "an element without a token begins always")
	split := c.l.composites.split(c.at(0, 7), false)
	require.True(t, c.l.Claim(split), "a part begins its record")
	require.False(t, c.l.Claim(c.l.composites.split(c.at(0, 8), false)))
	require.False(t, c.r.CutOff(c.at(0, 7)))
	require.True(t, c.r.CutOff(c.at(0, 8)))
	c.l.Release(c.index[0])
	require.False(t, c.l.Claim(c.at(0, 3)), "of an assignment that has ended")
	late := c.assign()
	require.True(t, c.l.Claim(c.at(late, 0)), "a revoke is nothing to what is assigned after it")
	c.r.Drain(nil)
	later := c.assign()
	require.False(t, c.l.Claim(c.at(later, 0)), "in a drain nothing begins")
}

// Claims that meet a freeze are decided by it: what was accepted lies before the cut, what was
// refused after it.
func TestClaimsDuringAFreeze(t *testing.T) {
	for range 300 {
		c := newCuts(t, 1)
		const claimants = 4
		var accepted, refused [claimants][]uint64
		var next atomic.Uint64
		var all sync.WaitGroup
		for i := range claimants {
			all.Go(func() {
				for range 200 {
					p := next.Add(1) - 1
					if c.l.Claim(c.at(0, p)) {
						accepted[i] = append(accepted[i], p)
					} else {
						refused[i] = append(refused[i], p)
					}
				}
			})
		}
		for next.Load() < 100 {
			runtime.Gosched()
		}
		c.freeze(0)
		cut := c.cutOf(0)
		all.Wait()
		require.Equal(t, cut, c.cutOf(0))
		highest := uint64(0)
		for i := range claimants {
			for _, p := range accepted[i] {
				highest = max(highest, p+1)
			}
			for _, p := range refused[i] {
				require.GreaterOrEqual(t, p, cut)
			}
		}
		require.Equal(t, highest, cut)
	}
}

// A freeze raises the cuts over merges that must run, and over those that must run then.
func TestFreezeCoversMerges(t *testing.T) {
	const a, b, cc, d = 0, 1, 2, 3
	play := func(t *testing.T) (c *cuts, merges []Token) {
		c = newCuts(t, 4)
		// The one that leads to the next comes after it.
		merges = []Token{
			c.merge(false, c.at(cc, 2), c.at(d, 2)),
			c.merge(false, c.at(b, 6), c.at(cc, 3)),
			c.merge(false, c.at(a, 5), c.l.composites.split(c.at(b, 7), false)),
			c.merge(false, c.at(a, 9), c.at(d, 9)),
		}
		return c, merges
	}
	t.Run("all at once", func(t *testing.T) {
		c, ms := play(t)
		require.True(t, c.l.Claim(c.at(a, 5)))
		c.freeze(a, b, cc, d)
		require.Equal(t, []uint64{6, 8, 4, 3}, []uint64{c.cutOf(a), c.cutOf(b), c.cutOf(cc), c.cutOf(d)})
		for i, ok := range []bool{true, true, true, false} {
			require.Equal(t, ok, c.l.Claim(ms[i]), "merge %d", i)
			require.Equal(t, !ok, c.r.CutOff(ms[i]))
		}
	})
	t.Run("nothing has begun", func(t *testing.T) {
		c, ms := play(t)
		c.freeze(a, b, cc, d)
		for i := range 4 {
			require.Zero(t, c.cutOf(i))
			require.False(t, c.l.Claim(ms[i]))
		}
	})
	t.Run("a kept one runs", func(t *testing.T) {
		c, ms := play(t)
		c.freeze(b, cc)
		require.Equal(t, []uint64{8, 4}, []uint64{c.cutOf(b), c.cutOf(cc)})
		for i := range 4 {
			require.True(t, c.l.Claim(ms[i]))
		}
		require.True(t, c.isOpen(a))
		c.freeze(a, d)
		require.Equal(t, []uint64{10, 10}, []uint64{c.cutOf(a), c.cutOf(d)}, "all were claimed")
	})
	t.Run("frozen one after the other", func(t *testing.T) {
		c, ms := play(t)
		c.freeze(b)
		require.EqualValues(t, 8, c.cutOf(b), "the others are kept")
		c.freeze(a, cc, d)
		require.Equal(t, []uint64{6, 8, 4, 3}, []uint64{c.cutOf(a), c.cutOf(b), c.cutOf(cc), c.cutOf(d)}, "before the cut of a frozen one")
		require.False(t, c.l.Claim(ms[3]))
	})
	t.Run("a lost one asks for nothing", func(t *testing.T) {
		c, ms := play(t)
		c.r.Lose([]uint32{c.index[a], c.index[b]})
		c.freeze(cc, d)
		require.Equal(t, []uint64{0, 0}, []uint64{c.cutOf(cc), c.cutOf(d)})
		for i := range 4 {
			require.False(t, c.l.Claim(ms[i]))
		}
	})
	t.Run("a void one asks for nothing", func(t *testing.T) {
		c, _ := play(t)
		c.l.gap(c.l.entry(c.index[a]), 5) // the third is void
		require.True(t, c.l.Claim(c.at(b, 1)))
		c.freeze(b, cc, d)
		require.Equal(t, []uint64{5, 2, 0, 0}, []uint64{c.cutOf(a), c.cutOf(b), c.cutOf(cc), c.cutOf(d)})
	})
}

// The cuts are those of a fixpoint that is obviously right: the least in which every merge lies
// before all its cuts or after all of them.
func TestFreezeIsTheLeastFixpoint(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 3))
		n := 2 + r.IntN(4)
		c := newCuts(t, n)
		begun := make([]uint64, n)
		set, kept := []int(nil), map[int]bool{}
		for a := range n {
			if begun[a] = uint64(r.IntN(8)); begun[a] > 0 {
				require.True(t, c.l.Claim(c.at(a, begun[a]-1)))
			}
			if r.IntN(3) > 0 {
				set = append(set, a)
			} else {
				kept[a] = true
			}
		}
		type member struct {
			a        int
			position uint64
		}
		var merges [][]member
		var toks []Token
		for range r.IntN(6) {
			var ms []member
			var ts []Token
			for range 2 + r.IntN(3) {
				m := member{r.IntN(n), uint64(r.IntN(20))}
				ms, ts = append(ms, m), append(ts, c.at(m.a, m.position))
			}
			merges, toks = append(merges, ms), append(toks, c.merge(false, ts...))
		}
		want := slices.Clone(begun)
		for changed := true; changed; {
			changed = false
			for _, ms := range merges {
				must := slices.ContainsFunc(ms, func(m member) bool { return kept[m.a] || m.position < want[m.a] })
				for _, m := range ms {
					if must && !kept[m.a] && m.position >= want[m.a] {
						want[m.a], changed = m.position+1, true
					}
				}
			}
		}
		c.freeze(set...)
		for _, a := range set {
			require.Equal(t, want[a], c.cutOf(a), "seed %d, assignment %d", seed, a)
		}
		for i, ms := range merges {
			must := slices.ContainsFunc(ms, func(m member) bool { return kept[m.a] || m.position < want[m.a] })
			require.Equal(t, must, c.l.Claim(toks[i]), "seed %d, merge %d", seed, i)
		}
		if t.Failed() {
			return
		}
	}
}

// What is given up lowers the cut to its position: what lies before it still finishes, nothing else
// does, and no merge with it.
func TestGap(t *testing.T) {
	for name, freeze := range map[string]bool{"kept": false, "frozen": true} {
		t.Run(name, func(t *testing.T) {
			c := newCuts(t, 3)
			require.True(t, c.l.Claim(c.at(0, 9)))
			require.True(t, c.l.Claim(c.at(1, 9)))
			before := c.merge(false, c.at(0, 3), c.at(1, 1))
			after := c.merge(false, c.at(0, 5), c.at(1, 2))
			around := c.l.composites.split(after, false)
			plain := c.merge(true, c.at(0, 6))
			if freeze {
				c.freeze(0, 1)
			}
			c.l.end(span{c.at(0, 4), 1}, abandoned)
			require.EqualValues(t, 4, c.cutOf(0))
			require.EqualValues(t, 10, c.as[0].begun)
			require.Equal(t, []uint64{4}, c.as[0].all(&c.as[0].abandoned))
			require.True(t, c.l.Claim(c.at(0, 0)), "before it")
			require.True(t, c.l.Claim(c.at(0, 3)))
			require.False(t, c.l.Claim(c.at(0, 4)))
			require.False(t, c.l.Claim(c.at(0, 9)), "although it had begun")
			require.True(t, c.l.Claim(before))
			require.True(t, c.l.Claim(plain), "nobody would deliver the rest of it again")
			for _, void := range []Token{after, around} {
				require.False(t, c.l.Claim(void))
				gone, how := c.l.gone(void)
				require.True(t, gone)
				require.Equal(t, abandoned, how, "its other members are given up, too")
			}
			c.r.sweepOut(around, abandoned)
			require.EqualValues(t, 2, c.cutOf(1), "the gap has come to the other partition")
			require.Equal(t, []uint64{2}, c.as[1].all(&c.as[1].abandoned))
			require.Equal(t, []uint64{4}, c.as[0].all(&c.as[0].abandoned), "this one lies after a gap")
			require.Equal(t, []uint64{5}, c.as[0].all(&c.as[0].returned))
			require.True(t, c.isOpen(2))

			c.l.end(span{c.at(0, 2), 1}, abandoned)
			require.EqualValues(t, 2, c.cutOf(0), "lower")
			c.l.end(span{c.at(0, 8), 1}, abandoned)
			require.EqualValues(t, 2, c.cutOf(0), "never higher")
			require.Equal(t, []uint64{2, 4}, c.as[0].all(&c.as[0].abandoned))
			require.EqualValues(t, 10, c.as[0].begun)
		})
	}
}

// An end that comes after a gap finishes what has begun, as always, and not all that lies before
// the gap. What an end gives up is counted with what had begun before its gap.
func TestFreezeAfterAGap(t *testing.T) {
	c := newCuts(t, 3)
	require.True(t, c.l.Claim(c.at(0, 9)))
	c.l.end(span{c.at(0, 50), 1}, abandoned)
	require.EqualValues(t, 50, c.cutOf(0))
	require.True(t, c.l.Claim(c.at(0, 19)), "before the gap")
	require.False(t, c.l.Claim(c.at(0, 50)))
	require.False(t, c.l.Claim(c.at(0, 99)))
	mixed := c.merge(false, c.at(0, 30), c.at(1, 3))
	c.freeze(0)
	require.EqualValues(t, 31, c.cutOf(0), "a merge with a partition that is kept runs")
	require.EqualValues(t, 31, c.as[0].begun)
	require.True(t, c.l.Claim(mixed))
	require.True(t, c.l.Claim(c.at(0, 25)))
	require.False(t, c.l.Claim(c.at(0, 31)))
	require.True(t, c.r.CutOff(c.at(0, 31)))

	c.r.GiveUpFrom(c.index[0], 4)
	require.EqualValues(t, 4, c.cutOf(0))
	require.EqualValues(t, 31, c.l.entry(c.index[0]).wanted(c.l))
}

// What is given up after the cut was given back: there is no gap.
func TestGivenUpAfterTheCut(t *testing.T) {
	c := newCuts(t, 2)
	require.True(t, c.l.Claim(c.at(0, 4)))
	c.freeze(0)
	m := c.merge(true, c.at(0, 8), c.at(1, 2))
	c.l.end(span{c.at(0, 7), 1}, abandoned)
	require.EqualValues(t, 5, c.cutOf(0))
	require.Empty(t, c.as[0].all(&c.as[0].abandoned))
	require.Equal(t, []uint64{7}, c.as[0].all(&c.as[0].returned))
	require.False(t, c.l.composites.at(m).void.Load())
}

// A record of which a part was given up makes its gap at once, whatever its other parts are at.
func TestPartMakesTheGap(t *testing.T) {
	c := newCuts(t, 1)
	require.True(t, c.l.Claim(c.at(0, 9)))
	split := c.l.composites.split(c.at(0, 4), false)
	c.l.composites.add(split)
	c.l.composites.add(split)
	c.l.end(span{split, 1}, abandoned)
	require.EqualValues(t, 4, c.cutOf(0))
	require.Empty(t, c.as[0].all(&c.as[0].abandoned), "it has parts")
	require.False(t, c.l.Claim(split))
	c.l.end(span{split, 2}, fine)
	require.Equal(t, []uint64{4}, c.as[0].all(&c.as[0].abandoned))
}

// Of a lost assignment nothing begins; merges with kept ones go on, for their sake.
func TestLose(t *testing.T) {
	c := newCuts(t, 3)
	require.True(t, c.l.Claim(c.at(0, 9)))
	mixed, lost := c.merge(false, c.at(0, 5), c.at(2, 1)), c.merge(false, c.at(0, 6), c.at(1, 1))
	require.Equal(t, []int{100, 100}, c.r.Lose([]uint32{c.index[0], c.index[1]}))
	require.Zero(t, c.cutOf(0))
	require.EqualValues(t, 10, c.as[0].begun)
	require.False(t, c.l.Claim(c.at(0, 0)))
	require.True(t, c.l.Claim(mixed))
	require.False(t, c.l.Claim(lost))
	gone, how := c.l.gone(lost)
	require.True(t, gone)
	require.Equal(t, returned, how)
	require.Zero(t, c.r.GivenBack(), "it is nobody's to give back")
}

// However many assignments there were, those that have ended cost nothing: neither memory nor the
// work of the others.
func TestEntriesAreLinear(t *testing.T) {
	orders := map[string]func(n int, es *entries){
		"one at a time": func(n int, es *entries) {
			for i := range n {
				es.add(uint32(firstIndex+i), &entry{})
				es.remove(uint32(firstIndex + i))
			}
		},
		"first to last": func(n int, es *entries) {
			for i := range n {
				es.add(uint32(firstIndex+i), &entry{})
			}
			for i := range n {
				es.remove(uint32(firstIndex + i))
			}
		},
		"last to first": func(n int, es *entries) {
			for i := range n {
				es.add(uint32(firstIndex+i), &entry{})
			}
			for i := range n {
				es.remove(uint32(firstIndex + n - 1 - i))
			}
		},
	}
	for name, play := range orders {
		t.Run(name, func(t *testing.T) {
			bytes := func(n int) float64 {
				es := &entries{}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				play(n, es)
				runtime.ReadMemStats(&after)
				require.Zero(t, es.live)
				held := 0
				for i := range *es.pages.Load() {
					if (*es.pages.Load())[i].Load() != nil {
						held++
					}
				}
				require.LessOrEqual(t, held, 1, "a page whose assignments have all ended is let go")
				es.each(func(*entry) { t.Error("an entry is left") })
				return float64(after.TotalAlloc - before.TotalAlloc)
			}
			require.Less(t, bytes(50_000)/bytes(12_500), 5.0)
		})
	}
}

// Looking up finds what is there, and each lists it.
func TestEntries(t *testing.T) {
	es, live := &entries{}, map[uint32]*entry{}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range uint32(20_000) {
		index := firstIndex + i
		live[index] = &entry{index: index}
		es.add(index, live[index])
		for k := range live {
			if r.IntN(3) > 0 {
				break
			}
			es.remove(k)
			es.remove(k)
			require.Nil(t, es.at(k))
			delete(live, k)
		}
	}
	require.Equal(t, len(live), es.live)
	for i := range uint32(20_010) {
		require.Same(t, live[i], es.at(i))
	}
	n := 0
	es.each(func(e *entry) {
		require.Same(t, live[e.index], e)
		n++
	})
	require.Equal(t, len(live), n)
	require.Nil(t, es.at(maxIndex))
}
