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
	kindFlag    = flag.Int("model.kind", 0, "the kind of world that TestReplay shows: 0 any, 1 aimed, 2 epochs")
	seedFlag    = flag.Uint64("model.seed", 0, "the seed that TestReplay shows")
	worldsFlag  = flag.Int("model.worlds", 0, "so many worlds of each kind, instead of what takes a few seconds")
	withoutFlag = flag.String("model.without", "", "the rule that TestReplay leaves out")
)

const (
	worlds     = 1200 // of each kind, with all rules
	worldsLeft = 5000 // of each kind, until a rule that is left out has shown itself …
	enough     = 1    // … so often
)

// kinds are the kinds of worlds: any, those that are about how things end, and those about
// transactions.
var kinds = []struct {
	name string
	draw func(seed uint64, rl *rules) *world
}{
	{"any", newWorld},
	{"aimed", newAimedWorld},
	{"epochs", newEpochWorld},
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func rulesWithout(t testing.TB, name string) *rules {
	r := allRules()
	if name == "" {
		return r
	}
	i := slices.IndexFunc(without, func(s leftOut) bool { return s.name == name })
	require.GreaterOrEqual(t, i, 0, "no rule is called %s", name)
	without[i].off(r)
	return r
}

// With all rules, no world goes wrong, and the worlds contain the situations that the rules are
// for.
func TestAllRules(t *testing.T) {
	var seen [sawCount]int
	n := max(worlds, *worldsFlag)
	for i, kind := range kinds {
		for seed := range uint64(n) {
			w := kind.draw(seed, allRules())
			v := w.simulate()
			require.Nil(t, v, "go test ./stream/streamtest/model -run TestReplay -v -model.kind=%d -model.seed=%d\n%v", i, seed, w)
			for i, n := range w.seen {
				seen[i] += min(n, 1)
			}
		}
	}
	for i, k := range seen {
		t.Logf("%-48s in %5d of %d worlds", situations[i], k, n*len(kinds))
		require.Positive(t, k, "no world has %s", situations[i])
	}
}

// Each rule is needed: without it some world goes wrong. The rules that only make ends shorter are
// measured instead.
func TestEachRuleIsNeeded(t *testing.T) {
	limit, demanded := worldsLeft, enough
	if *worldsFlag > 0 {
		limit, demanded = *worldsFlag, 20
	}
	for _, s := range without {
		if isMeasured(s.name) {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			rl := allRules()
			s.off(rl)
			what, wrong, n, first := map[string]int{}, 0, 0, ""
			for ; n < len(kinds)*limit && wrong < demanded; n++ {
				kind, seed := n%len(kinds), uint64(n/len(kinds))+s.from
				if v := kinds[kind].draw(seed, rl).simulate(); v != nil {
					what[v.kind]++
					if wrong++; first == "" {
						first = fmt.Sprintf("kind %d, seed %d: %v", kind, seed, v)
					}
				}
			}
			t.Logf("%-26s wrong in %3d of %5d worlds %v, first %s", s.name, wrong, n, what, first)
			require.Positive(t, wrong, "the model does not show what %s is for", s.name)
		})
	}
}

// A merge's records need not begin in one step: once one of them has begun, whoever makes a cut
// covers the others.
func TestMergeBeginsOneByOne(t *testing.T) {
	for _, kind := range kinds {
		for seed := range uint64(max(worlds/4, *worldsFlag)) {
			rl := allRules()
			rl.MergeClaimsAtOnce = false
			require.Nil(t, kind.draw(seed, rl).simulate(), "kind %s, seed %d", kind.name, seed)
		}
	}
}

// A seed gives the same world each time.
func TestSeedsReplay(t *testing.T) {
	for _, kind := range kinds {
		for seed := range uint64(100) {
			a, b := kind.draw(seed, allRules()), kind.draw(seed, allRules())
			a.simulate()
			b.simulate()
			require.Equal(t, a.steps, b.steps)
			require.Equal(t, a.seen, b.seen)
		}
	}
}

// TestReplay shows one world: -model.seed, -model.without.
func TestReplay(t *testing.T) {
	w := kinds[*kindFlag].draw(*seedFlag, rulesWithout(t, *withoutFlag))
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
