package producer

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// queued is a waiter that counts how often it was woken.
func queued(w *window, records, bytes int64) (h *waiter, woken *int) {
	woken = new(int)
	h = &waiter{records: records, bytes: bytes, wake: func() { *woken++ }}
	w.enqueue(h)
	return h, woken
}

func requireInFlight(t *testing.T, w *window, records, bytes int64) {
	t.Helper()
	r, b := w.inFlight()
	require.Equal(t, [2]int64{records, bytes}, [2]int64{r, b})
}

func TestWindowBoundsRecordsAndBytes(t *testing.T) {
	w := newWindow(3, 100)
	require.True(t, w.take(1, 60))
	require.False(t, w.take(1, 41), "too many bytes")
	require.True(t, w.take(1, 40))
	require.False(t, w.take(1, 1), "too many bytes")
	require.True(t, w.take(1, 0))
	require.False(t, w.take(1, 0), "too many records")
	requireInFlight(t, w, 3, 100)
	w.give(60)
	require.False(t, w.take(2, 0), "too many records")
	require.True(t, w.take(1, 60))
	requireInFlight(t, w, 3, 100)
}

func TestWindowAdmitsWhatIsLargerThanItAlone(t *testing.T) {
	w := newWindow(3, 100)
	require.True(t, w.take(1, 0))
	require.False(t, w.take(4, 0))
	require.False(t, w.take(1, 101))
	w.give(0)
	require.True(t, w.take(4, 1000))
	require.False(t, w.take(1, 0))
	requireInFlight(t, w, 4, 1000)
	for range 4 {
		w.give(250)
	}
	requireInFlight(t, w, 0, 0)
	require.True(t, w.take(1, 101))
}

// Whoever waits is served in turn: neither who asks for less nor who comes anew gets past the head.
func TestWindowServesInTurn(t *testing.T) {
	w := newWindow(4, 100)
	require.True(t, w.take(4, 0))
	large, largeWoken := queued(w, 3, 0)
	small, smallWoken := queued(w, 1, 0)
	require.EqualValues(t, 2, w.waiting.Load())
	w.give(0)
	require.False(t, w.take(1, 0), "past the queue")
	require.False(t, w.admit(small), "past the head")
	require.False(t, w.admit(large), "there is no room")
	require.Zero(t, *largeWoken+*smallWoken)
	w.give(0)
	w.give(0)
	require.Equal(t, 1, *largeWoken)
	require.Zero(t, *smallWoken)
	w.give(0)
	require.True(t, w.admit(large))
	require.Equal(t, 1, *smallWoken, "there was room for the next as well")
	require.True(t, w.admit(small))
	requireInFlight(t, w, 4, 0)
	require.Zero(t, w.waiting.Load())
}

func TestWindowWakesTheNextWhenTheHeadLeaves(t *testing.T) {
	w := newWindow(4, 100)
	require.True(t, w.take(3, 0))
	large, largeWoken := queued(w, 4, 0)
	_, smallWoken := queued(w, 1, 0)
	require.Zero(t, *smallWoken)
	w.leave(large)
	require.Zero(t, *largeWoken)
	require.Equal(t, 1, *smallWoken)
	w.leave(large) // twice is harmless
	require.EqualValues(t, 1, w.waiting.Load())
}

func TestWindowRefundWakesTheHead(t *testing.T) {
	w := newWindow(1, 100)
	require.True(t, w.take(1, 50))
	h, woken := queued(w, 1, 100)
	w.refund(1, 50)
	require.Equal(t, 1, *woken)
	require.True(t, w.admit(h))
	requireInFlight(t, w, 1, 100)
}

// A taker that finds no room has counted itself for a moment, in which the head may look, in vain.
// Nothing need be in flight then, so nobody would wake the head: the taker does, when it queues.
func TestWindowWakesTheHeadThatAnotherTakerStoodInTheWayOf(t *testing.T) {
	w := newWindow(1, 100)
	passing := packed(1, 0)
	w.taken.Add(passing) // the taker, between counting itself and taking that back
	head, woken := queued(w, 1, 0)
	require.False(t, w.admit(head))
	*woken = 0
	w.taken.Add(-passing)
	queued(w, 1, 0)
	require.Equal(t, 1, *woken)
	require.True(t, w.admit(head))
}

// The counters go round, in either half, and remain exact.
func TestWindowGoesRound(t *testing.T) {
	w := newWindow(10, 1<<39)
	for range 1 << 9 {
		for range 3 {
			require.True(t, w.take(1, 1<<37))
		}
		requireInFlight(t, w, 3, 3<<37)
		for range 3 {
			w.give(1 << 37)
		}
		requireInFlight(t, w, 0, 0)
	}
	w.taken.Store(packed(1<<24-2, 0))
	w.back.Store(packed(1<<24-2, 0))
	w.seen.Store(packed(1<<24-2, 0))
	for range 10 {
		require.True(t, w.take(1, 1))
	}
	require.False(t, w.take(1, 1))
	requireInFlight(t, w, 10, 10)
	for range 10 {
		w.give(1)
	}
	requireInFlight(t, w, 0, 0)
}

// Many takers, of all sizes, some of whom give up; one giver, as promises are. Nothing is admitted
// beyond the window, and everybody comes through.
func TestWindowUnderStress(t *testing.T) {
	for _, limit := range []int64{1, 2, 16, 300} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			w := newWindow(int(limit), int(100*limit))
			type flying struct{ records, bytes int64 }
			landing := make(chan flying, 1000)
			var records, bytes, over atomic.Int64
			var takers, giver sync.WaitGroup
			giver.Go(func() {
				for f := range landing {
					for i := range f.records {
						b := f.bytes / f.records
						if i == 0 {
							b += f.bytes % f.records
						}
						records.Add(-1)
						bytes.Add(-b)
						w.give(b)
					}
				}
			})
			for n := range 8 {
				takers.Go(func() {
					rng := rand.New(rand.NewPCG(uint64(n), uint64(limit)))
					for range 2000 {
						f := flying{1 + rng.Int64N(3), rng.Int64N(150)}
						if rng.IntN(50) == 0 {
							f.records += limit
						}
						if !w.take(f.records, f.bytes) && !waitFor(w, f.records, f.bytes, rng.IntN(10) == 0) {
							continue
						}
						r, b := records.Add(f.records), bytes.Add(f.bytes)
						if (r > limit || b > 100*limit) && r > f.records {
							over.Add(1)
						}
						if rng.IntN(20) == 0 {
							records.Add(-f.records)
							bytes.Add(-f.bytes)
							w.refund(f.records, f.bytes)
							continue
						}
						landing <- f
					}
				})
			}
			takers.Wait()
			close(landing)
			giver.Wait()
			require.Zero(t, over.Load(), "admitted beyond the window")
			requireInFlight(t, w, 0, 0)
			require.Zero(t, w.waiting.Load())
		})
	}
}

// waitFor queues as an Element does; an impatient one leaves at the first wake-up.
func waitFor(w *window, records, bytes int64, impatient bool) bool {
	turn := make(chan struct{}, 1)
	h := &waiter{records: records, bytes: bytes, wake: func() {
		select {
		case turn <- struct{}{}:
		default:
		}
	}}
	w.enqueue(h)
	for !w.admit(h) {
		<-turn
		if impatient {
			w.leave(h)
			return false
		}
	}
	return true
}
