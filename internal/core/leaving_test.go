package core

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type nobody struct{}

func (nobody) Done(uint64, uint64)             {}
func (nobody) HandOver(uint64, uint64, string) {}
func (nobody) Withdraw(uint64, uint64)         {}
func (nobody) Abandon(uint64, uint64)          {}
func (nobody) Return(uint64, uint64)           {}
func (nobody) Cut(uint64, uint64, bool) int    { return 0 }
func (nobody) Locate(uint64) (string, int32, int64, bool) {
	return "", 0, 0, false
}

// What is being revoked is counted once each, until it is released; else islands would go ahead for
// ever.
func TestLeavingIsCounted(t *testing.T) {
	r := NewRun(context.Background(), Limits{Drain: time.Second, Close: time.Second})
	l := r.Ledger
	a, err := l.Register(nobody{}, 0)
	require.NoError(t, err)
	b, err := l.Register(nobody{}, 0)
	require.NoError(t, err)
	r.FreezeFor([]uint32{a}, time.Second)
	r.FreezeFor([]uint32{a}, time.Second)
	require.EqualValues(t, 1, l.leaving.Load())
	r.FreezeFor([]uint32{b}, time.Second)
	require.EqualValues(t, 2, l.leaving.Load())
	l.Release(a)
	l.Release(a)
	r.FreezeFor([]uint32{a}, time.Second) // too late
	require.EqualValues(t, 1, l.leaving.Load())
	l.Release(b)
	require.Zero(t, l.leaving.Load())
	require.EqualValues(t, 4, l.revokes.Load(), "each before it can be seen, and behind")
	_ = r.Discard(ErrStopped)
}

// Who has read the count and finds an assignment not revoked yet finds another count once it is:
// else he would not look again at what he has set aside.
func TestRevokesAreCountedBehindTheFlag(t *testing.T) {
	r := NewRun(context.Background(), Limits{Drain: time.Second, Close: time.Second})
	l := r.Ledger
	for range 3000 {
		index, err := l.Register(nobody{}, 0)
		require.NoError(t, err)
		begun, last := make(chan struct{}), make(chan uint64)
		go func() {
			close(begun)
			seen := uint64(math.MaxUint64)
			for {
				count := l.revokes.Load()
				if l.revoking(MakeToken(index, 0)) {
					last <- seen
					return
				}
				seen = count
			}
		}()
		<-begun
		r.FreezeFor([]uint32{index}, time.Second)
		require.NotEqual(t, l.revokes.Load(), <-last)
		l.Release(index)
	}
	_ = r.Discard(ErrStopped)
}
