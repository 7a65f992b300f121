package model

import (
	"flag"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

var (
	seedFlag    = flag.Uint64("model.seed", 0, "the seed that TestReplay shows")
	withoutFlag = flag.String("model.without", "", "the rule that TestReplay leaves out")
)

const (
	seeds        = 5000 // with all rules
	seedsWithout = 600  // with one left out …
	seedsMore    = 5000 // … and up to so many for a rule whose case is rare
	enough       = 10
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func rulesWithout(t testing.TB, name string) *rules {
	r := allRules()
	if name == "" {
		return r
	}
	i := slices.IndexFunc(without, func(s struct {
		name string
		off  func(*rules)
	},
	) bool {
		return s.name == name
	})
	require.GreaterOrEqual(t, i, 0, "no rule is called %s", name)
	without[i].off(r)
	return r
}

// With all rules, no world goes wrong, and the worlds contain the situations that the rules are for.
func TestAllRules(t *testing.T) {
	var seen [sawCount]int
	for seed := range uint64(seeds) {
		w := newWorld(seed, allRules())
		v := w.simulate()
		require.Nil(t, v, "go test ./stream/streamtest/model -run TestReplay -v -model.seed=%d\n%v", seed, w)
		for i, n := range w.seen {
			seen[i] += min(n, 1)
		}
	}
	for i, n := range seen {
		t.Logf("%-48s in %4d of %d worlds", situations[i], n, seeds)
		require.Positive(t, n, "no world has %s", situations[i])
	}
}

// Each rule is needed: without it some world goes wrong.
func TestEachRuleIsNeeded(t *testing.T) {
	for _, s := range without {
		t.Run(s.name, func(t *testing.T) {
			rl := allRules()
			s.off(rl)
			kinds, wrong, first, seed := map[string]int{}, 0, "", 0
			for ; seed < seedsWithout || seed < seedsMore && wrong < enough; seed++ {
				if v := newWorld(uint64(seed), rl).simulate(); v != nil {
					kinds[v.kind]++
					if wrong++; first == "" {
						first = fmt.Sprintf("seed %d: %v", seed, v)
					}
				}
			}
			t.Logf("%-22s wrong in %3d of %4d worlds %v, first %s", s.name, wrong, seed, kinds, first)
			require.Positive(t, wrong, "the model does not show what %s is for", s.name)
		})
	}
}

// A seed gives the same world each time.
func TestSeedsReplay(t *testing.T) {
	for seed := range uint64(100) {
		a, b := newWorld(seed, allRules()), newWorld(seed, allRules())
		a.simulate()
		b.simulate()
		require.Equal(t, a.steps, b.steps)
		require.Equal(t, a.seen, b.seen)
	}
}

// TestReplay shows one world: -model.seed, -model.without.
func TestReplay(t *testing.T) {
	w := newWorld(*seedFlag, rulesWithout(t, *withoutFlag))
	if testing.Verbose() {
		w.log = t.Logf
	}
	v := w.simulate()
	if *withoutFlag == "" {
		require.Nil(t, v)
	} else if v != nil {
		t.Log(v)
	}
}
