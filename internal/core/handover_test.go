package core

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hands counts what is handed over of each position.
type hands struct {
	nobody
	at    map[uint64]int
	stage string
}

func (h *hands) HandOver(base, mask uint64, stage string) {
	h.stage = stage
	h.count(base, mask, 1)
}
func (h *hands) Withdraw(base, mask uint64) { h.count(base, mask, -1) }

func (h *hands) count(base, mask uint64, n int) {
	for i := range uint64(64) {
		if mask>>i&1 == 1 {
			h.at[base+i] += n
		}
	}
}

// An element is handed over once for each token that it carries: a batch of three parts of one
// record, three times. What is counted is what Carries and Positions tell of.
func TestHandOverIsCountedForEachToken(t *testing.T) {
	r := NewRun(context.Background(), Limits{Drain: time.Second, Close: time.Second})
	l := r.Ledger
	h := &hands{at: map[uint64]int{}}
	index, err := l.Register(h, 0)
	require.NoError(t, err)
	at := func(position uint64) Token { return MakeToken(index, position) }
	split := func(of Token) Token { return l.composites.split(of, false) }
	merge := func(spans ...span) Token { return l.composites.merge(spans, false) }
	for name, c := range map[string]struct {
		token Token
		want  map[uint64]int
	}{
		"none":                              {0, map[uint64]int{}},
		"a record":                          {at(5), map[uint64]int{5: 1}},
		"a part of a record":                {split(at(5)), map[uint64]int{5: 1}},
		"a part of a part":                  {split(split(at(5))), map[uint64]int{5: 1}},
		"a batch":                           {merge(span{at(62), 4}, span{at(7), 1}), map[uint64]int{62: 1, 63: 1, 64: 1, 65: 1, 7: 1}},
		"a part of a batch":                 {split(merge(span{at(1), 2})), map[uint64]int{1: 1, 2: 1}},
		"a batch of parts of a record":      {merge(span{split(at(5)), 3}), map[uint64]int{5: 3}},
		"of several records":                {merge(span{split(at(5)), 3}, span{at(6), 1}, span{split(at(7)), 2}), map[uint64]int{5: 3, 6: 1, 7: 2}},
		"a batch of parts of a batch":       {merge(span{split(merge(span{at(1), 2})), 2}, span{at(3), 1}), map[uint64]int{1: 2, 2: 2, 3: 1}},
		"of parts of a batch of parts":      {merge(span{split(merge(span{split(at(1)), 2})), 3}), map[uint64]int{1: 6}},
		"a record twice, on different ways": {merge(span{at(1), 1}, span{split(at(1)), 1}), map[uint64]int{1: 2}},
	} {
		clear(h.at)
		l.HandOver(c.token, "toChan")
		require.Equal(t, c.want, h.at, name)
		set := map[Token]struct{}{}
		if c.token != 0 {
			require.Equal(t, "toChan", h.stage)
			l.Positions(c.token, set)
		}
		require.Len(t, set, len(c.want), name)
		for p := range uint64(70) {
			require.Equal(t, c.want[p] > 0, l.Carries(c.token, at(p)), "%s: %d", name, p)
			_, ok := set[at(p)]
			require.Equal(t, c.want[p] > 0, ok, "%s: %d", name, p)
		}
		require.False(t, l.Carries(c.token, MakeToken(index+1, 5)), name)
		l.Withdraw(c.token)
		for p, n := range h.at {
			require.Zero(t, n, "%s: %d", name, p)
		}
	}
}
