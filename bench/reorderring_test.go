package main

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Outcomes arrive in any order within the window; results come in the order of
// the records.
func TestReorderRing(t *testing.T) {
	const n, size = 20_000, 64
	ring := newReorderRing(size)
	filled := make(chan *slot, size)
	go func() {
		defer close(filled)
		for i := range n {
			s := ring.free()
			s.rec = &s.own
			*s.rec = kgo.Record{Offset: int64(i)}
			s.pass = int64(i)
			filled <- s
		}
	}()
	go func() {
		var held []*slot
		finish := func() {
			rand.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
			for _, s := range held {
				s.promise(s.rec, nil)
			}
			held = held[:0]
		}
		for s := range filled {
			held = append(held, s)
			if len(filled) == 0 {
				finish()
			}
		}
		finish()
	}()
	var check inOrder
	for range n {
		s := ring.first()
		require.NoError(t, check.take(s.pass, s.rec.Offset, s.err))
		ring.drop()
	}
	require.NoError(t, check.complete(n))
}

func TestInOrderTellsWhatIsWrong(t *testing.T) {
	var check inOrder
	require.NoError(t, check.take(0, 0, nil))
	require.ErrorContains(t, check.take(2, 0, nil), "where 1 was due")
	cause := errors.New("no leader")
	require.ErrorIs(t, check.take(1, -1, cause), cause)
	require.Error(t, check.complete(2))
}
