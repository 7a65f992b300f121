package core

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// staff are workers of whose pieces of work some fail, until they are healed.
type staff struct {
	*cuts
	w      *workers
	tail   atomic.Uint64
	next   atomic.Uint64
	fails  func(slot uint64) bool
	tries  [100]atomic.Int32
	done   atomic.Int32
	token  func(slot uint64) Token
	lastly atomic.Int32 // given up or thrown away
	busy   atomic.Int32
}

func newStaff(t *testing.T, n int, fails func(uint64) bool) *staff {
	s := &staff{cuts: newCuts(t, 2), fails: fails}
	s.token = func(slot uint64) Token { return s.at(0, slot) }
	s.w = newWorkers(s.r, n, "staff")
	s.w.backlog = func() bool { return s.next.Load() < s.tail.Load() }
	s.w.claim = func() (uint64, bool) {
		for {
			c := s.next.Load()
			if c >= s.tail.Load() {
				return 0, false
			}
			if s.next.CompareAndSwap(c, c+1) {
				return c, true
			}
		}
	}
	s.w.work = func(slot uint64, _ *callPlace) {
		s.busy.Add(1)
		defer s.busy.Add(-1)
		tok := s.token(slot)
		if s.tries[slot].Load() == 0 && !s.l.Claim(tok) || s.r.CutOff(tok) {
			s.lastly.Add(1)
			return
		}
		s.tries[slot].Add(1)
		if !s.fails(slot) {
			s.done.Add(1)
			return
		}
		what, until := s.r.Retry(tok, time.Now().Add(time.Hour))
		if what != KeepWaiting {
			s.lastly.Add(1)
			return
		}
		s.w.pause(slot, tok, until, func() bool { return false })
	}
	return s
}

func (s *staff) add(n uint64) {
	s.tail.Add(n)
	s.w.more()
	synctest.Wait()
}

// A pause holds no worker; when as many pieces wait as there are workers, nothing new begins,
// unless somebody waits for an end.
func TestPausesHoldNoWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var healed atomic.Bool
		gate := make(chan struct{})
		s := newStaff(t, 2, func(slot uint64) bool {
			if slot > 10 {
				<-gate
			}
			return slot%10 == 0 && !healed.Load()
		})
		defer s.r.Stop(ErrStopped)
		s.add(10)
		require.EqualValues(t, 9, s.done.Load(), "one waits, the others go on")
		require.Zero(t, s.busy.Load())
		s.add(10)
		// Between the claim of piece 10 and its pause, the other worker may claim as it likes: of
		// pieces that take no time, all. These take until the gate opens, so that it has one in its
		// hands, or came too late for it. Nothing is claimed after the pause, which the worker that
		// has the piece is free to look for once it is done.
		begun := s.next.Load()
		require.Contains(t, []uint64{11, 12}, begun, "as many wait as there are workers")
		require.EqualValues(t, 2, s.w.pauses.waiting.Load())
		require.EqualValues(t, 9, s.done.Load())
		close(gate)
		synctest.Wait()
		require.Equal(t, begun, s.next.Load(), "a worker that is free again begins nothing")
		require.EqualValues(t, begun-2, s.done.Load(), "all but the two that wait")
		require.EqualValues(t, 2, s.w.pauses.waiting.Load())
		<-time.After(59 * time.Minute)
		synctest.Wait()
		require.EqualValues(t, 1, s.tries[0].Load())
		h := s.r.Hurry("test")
		synctest.Wait()
		require.EqualValues(t, 18, s.done.Load(), "nothing is held back in an end")
		h.Release()
		s.add(3)
		require.EqualValues(t, 18, s.done.Load())
		healed.Store(true)
		<-time.After(time.Minute + time.Millisecond)
		synctest.Wait()
		require.EqualValues(t, 23, s.done.Load())
		require.EqualValues(t, 2, s.tries[0].Load())
		require.EqualValues(t, 2, s.tries[10].Load())
		require.Zero(t, s.w.pauses.waiting.Load())
		require.False(t, s.w.pauses.running, "nobody watches where there is no pause")
		s.w.close()
	})
}

// A revoke makes the pauses of its elements short, and those of no others; shortly before its
// deadline they are over.
func TestRevokeShortensPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStaff(t, 4, func(uint64) bool { return true })
		defer s.r.Stop(ErrStopped)
		s.token = func(slot uint64) Token { return s.at(int(slot%2), slot/2) }
		s.add(4)
		<-time.After(time.Minute)
		synctest.Wait()
		s.freeze(0)
		s.r.Hurry("test")
		<-time.After(10*time.Second + time.Millisecond)
		synctest.Wait()
		for slot, tries := range []int32{11, 1, 11, 1} {
			require.Equal(t, tries, s.tries[slot].Load(), "piece %d", slot)
		}
		<-time.After(45 * time.Second)
		synctest.Wait()
		require.EqualValues(t, 2, s.lastly.Load(), "the margin is for the last commit")
		require.EqualValues(t, 2, s.w.pauses.waiting.Load())
		require.EqualValues(t, 1, s.tries[1].Load())
	})
}
