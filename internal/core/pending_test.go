package core

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type marks struct{ done atomic.Uint64 }

func (m *marks) Done(base, mask uint64)                     { m.done.Or(mask) }
func (m *marks) HandOver(base, mask uint64, _ string)       {}
func (m *marks) Withdraw(base, mask uint64)                 {}
func (m *marks) Abandon(base, mask uint64)                  {}
func (m *marks) Return(base, mask uint64)                   {}
func (m *marks) Cut(position, begun uint64, gap bool) int   { return 0 }
func (m *marks) Locate(uint64) (string, int32, int64, bool) { return "", 0, 0, false }

// A token that is finished while somebody raises the hurry is reported: by who finished it, who
// looks at the hurry behind the bits, or by who raised it, who reads the bits behind the hurry.
// That takes a fence between the bits and the look; without one both can miss, most of the time
// where earlier stores are still on their way to memory that is in no cache, as here.
func TestFinishedUnderARaiseIsSeen(t *testing.T) {
	const rounds = 20_000
	r := NewRun(context.Background(), Limits{Drain: time.Second, Close: time.Second})
	index, err := r.Ledger.Register(&marks{}, 0)
	require.NoError(t, err)
	f := r.NewFinisher()
	cold := make([]byte, 128<<20)
	for i := 0; i < len(cold); i += 4096 {
		cold[i] = 1 // the pages are there
	}
	var arrived atomic.Int64 // both go into a round together
	meet := func(n int64) {
		arrived.Add(1)
		for i := 0; arrived.Load() < n; i++ {
			if i&1023 == 1023 {
				runtime.Gosched()
			}
		}
	}
	missed := 0
	sawHurry, sawBits := false, false
	var both sync.WaitGroup
	both.Go(func() {
		at := uint32(1)
		for i := range int64(rounds) {
			meet(4*i + 2)
			for range 4 {
				at = at*1664525 + 1013904223
				cold[at%uint32(len(cold))] = 1 // a store alone: nothing waits for the line
			}
			f.pending.done(r.Ledger, MakeToken(index, 5))
			sawHurry = r.wanted(wantHurry)
			meet(4*i + 4)
			if !sawHurry && !sawBits {
				missed++
			}
			f.pending.flush(r.Ledger)
			r.unwant(wantHurry)
		}
	})
	both.Go(func() {
		for i := range int64(rounds) {
			meet(4*i + 2)
			r.want(wantHurry)
			sawBits = f.pending.bits.Load() != 0
			meet(4*i + 4)
		}
	})
	both.Wait()
	require.Zero(t, missed, "of %d rounds", rounds)
}
