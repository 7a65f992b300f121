package core

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// sending is an island that sends one element to a channel after another.
func sending(c *cuts, ch chan<- uint64, toks ...Token) (how func() []Sent) {
	isl, over := c.r.NewIsland(), make(chan []Sent, 1)
	go func() {
		var sent []Sent
		for i, t := range toks {
			isl.frame = frame{cur: t}
			sent = append(sent, Send(isl, ch, uint64(i)))
		}
		over <- sent
	}()
	return func() []Sent { return <-over }
}

// An element that waits for a receiver when a cut is made has not begun: the send is withdrawn.
// What the receiver has taken has begun.
func TestSendIsWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, ch := newCuts(t, 2), make(chan uint64)
		how := sending(c, ch, c.at(0, 0), c.at(0, 1), c.at(0, 2))
		require.EqualValues(t, 0, <-ch)
		synctest.Wait()
		c.freeze(1)
		synctest.Wait()
		c.freeze(0)
		require.Equal(t, []Sent{TakenOver, Withdrawn, Withdrawn}, how())
		require.EqualValues(t, 1, c.cutOf(0))
		select {
		case v := <-ch:
			t.Errorf("%d was sent after the cut", v)
		default:
		}
	})
}

// What has begun elsewhere is waited with after a freeze, and so is what has no token; a hard stop
// ends that.
func TestSendOfWhatHasBegunWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, ch := newCuts(t, 1), make(chan uint64)
		require.True(t, c.l.Claim(c.at(0, 0)))
		how := sending(c, ch, c.at(0, 0), 0, 0)
		synctest.Wait()
		c.freeze(0)
		<-time.After(time.Second)
		require.EqualValues(t, 0, <-ch)
		require.EqualValues(t, 1, <-ch)
		synctest.Wait()
		c.r.Stop(ErrStopped)
		require.Equal(t, []Sent{TakenOver, TakenOver, Halted}, how())
	})
}

// Whoever wins, the receiver or the freeze, both agree about it.
func TestSendDuringAFreeze(t *testing.T) {
	for i := range 2000 {
		c, ch := newCuts(t, 1), make(chan uint64, i%2)
		toks := make([]Token, 6)
		for k := range toks {
			toks[k] = c.at(0, uint64(k))
		}
		how := sending(c, ch, toks...)
		var receiver sync.WaitGroup
		got, closed := 0, make(chan struct{})
		receiver.Go(func() {
			for {
				select {
				case <-ch:
					got++
				case <-closed:
					for len(ch) > 0 {
						<-ch
						got++
					}
					return
				}
			}
		})
		c.freeze(0)
		sent := how()
		close(closed)
		receiver.Wait()
		cut := int(c.cutOf(0))
		require.Equal(t, cut, got, "what the channel has taken has begun, and nothing else")
		for k, s := range sent {
			require.Equal(t, k < cut, s == TakenOver, "element %d: %v, cut %d", k, s, cut)
		}
	}
}
