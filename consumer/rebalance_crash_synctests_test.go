//go:build synctests

package consumer_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// A member crashes: it is silent from one moment to the next, commits nothing and does not leave.
// The other takes over when the session has expired: nothing is lost, and nothing is doubled but
// what was not committed.
func TestCrash(t *testing.T) {
	eachKind(t, virtual, func(t *testing.T, k *kafkatest.Broker, kind groupKind) {
		r := newRoll(t, k)
		// there is always something finished and not committed
		r.commits = settings.NewCommitter(settings.MaxInterval(time.Second), settings.MaxBatch(1_000_000))
		r.write(10, 10*time.Millisecond)
		wire := newCable(k)
		first := r.member("0", append(kind.opts(0), wire.option())...)
		first.wire = wire.option()
		second := r.member("1", kind.opts(1)...)
		first.start()
		second.start()
		r.settled(first, second)
		r.progress()
		r.outputs(500) // behind the last commit
		had, err := first.handle.Assignment()
		require.NoError(t, err)
		wire.sever()
		committed := k.Cluster().GroupInfo(rollGroup).Commits[rollIn]
		first.ctl.Stop()
		<-first.ctl.Done()
		require.ErrorIs(t, first.ctl.Err(), stream.ErrStopped)
		r.settled(second)
		r.progress()
		r.stopWriting()
		r.copied()
		second.drain()
		v := r.judge()
		require.Zero(t, v.lost, v)
		require.Zero(t, v.early, v)
		require.Zero(t, v.backwards, v)
		require.NotZero(t, v.doubled, "nothing was in flight when it crashed: %v", v)
		crashed := map[int32]bool{}
		for _, p := range had {
			crashed[p.Partition] = true
		}
		for value := range r.journal.doubled() {
			p := pieceOf(value)
			require.True(t, crashed[p.partition], value)
			require.GreaterOrEqual(t, p.number, committed[p.partition].Offset, value)
		}
	})
}

// One of two members is aborted: what it had finished is committed, the rest is delivered again to
// the other. Nothing is lost.
func TestAbortOfOneOfTwo(t *testing.T) {
	eachKind(t, virtual, func(t *testing.T, k *kafkatest.Broker, kind groupKind) {
		r := newRoll(t, k)
		r.write(10, 10*time.Millisecond)
		var members []*rollMember
		for i := range 2 {
			m := r.member(strconv.Itoa(i), kind.opts(i)...)
			m.start()
			members = append(members, m)
		}
		r.settled(members...)
		r.progress()
		members[0].ctl.Stop()
		<-members[0].ctl.Done()
		require.True(t, errors.Is(members[0].ctl.Err(), stream.ErrStopped))
		r.settled(members[1])
		r.progress()
		r.stopWriting()
		r.copied()
		members[1].drain()
		v := r.judge()
		require.Zero(t, v.lost, v)
		require.Zero(t, v.early, v)
		require.Zero(t, v.backwards, v)
	})
}
