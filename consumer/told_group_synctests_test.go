//go:build synctests

package consumer_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
)

// A coordinator that is gone is told as that, once, and not as a refusal of the group's; so is what
// the member loses by it. With KIP-848 the client keeps its partitions, and tells of it much later.
func TestCoordinatorGoneIsNoRefusal(t *testing.T) {
	const gone, back = "the group's coordinator cannot be reached; the client joins again", "the group's coordinator is reached again"
	grouptest.Each(t, grouptest.Protocols[:3], 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
		m := w.Member(kind.Member(0)...)
		m.Start(m.Works(nil))
		m.AwaitPartitions(2)
		allow := w.Refuse()
		w.Until("it is told", func() bool { return w.Log.Count(gone) > 0 })
		w.Pass(30 * time.Second)
		allow()
		w.Until("it is over", func() bool { return w.Log.Count(back) > 0 })
		require.Equal(t, 1, w.Log.Count(gone))
		require.Contains(t, w.Log.First(gone), "group=readers")
		require.Zero(t, w.Log.Count("refuses this member"))
		lost := w.Log.First("partitions were lost")
		require.Contains(t, lost, "coordinator cannot be reached")
		require.Regexp(t, ` unheard_for=[1-9]`, lost)
		require.Contains(t, w.Log.First("no Kafka broker reached"), "client=consumer client.id=vicuna group=readers ")
		require.Contains(t, w.Log.First("a Kafka broker is reached again"), "client=consumer ")
		m.AwaitPartitions(2)
		m.Drain()
	})
}

// A member that the group has put out says so, while its coordinator answers.
func TestPutOutIsTold(t *testing.T) {
	grouptest.Each(t, grouptest.Protocols[:2], 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
		m := w.Member(kind.Member(0)...)
		m.Start(m.Works(nil))
		m.AwaitPartitions(2)
		w.PutOut(settings.CooperativeSticky)
		w.Until("it is told", func() bool { return w.Log.Count("partitions were lost") > 0 })
		require.Contains(t, w.Log.First("partitions were lost"), "the group no longer has this member")
		require.Zero(t, w.Log.Count("coordinator cannot be reached"))
		m.Drain()
	})
}

// A service that was killed and starts again waits until the session of the dead member is over. It
// says for whom, once, after some seconds; one that is taken at once says nothing.
func TestWaitForADeadMemberIsTold(t *testing.T) {
	const waits, over = "this member waits for its partitions", "the group's join is over"
	for session, patience := range map[time.Duration]time.Duration{45 * time.Second: 5 * time.Second, 9 * time.Second: 3 * time.Second} {
		t.Run(session.String(), func(t *testing.T) {
			grouptest.Each(t, grouptest.Protocols[:2], 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
				first, second := w.Member(kind.Member(0)...), w.Member(kind.Member(0)...)
				first.Start(first.Works(nil))
				first.AwaitPartitions(2)
				w.Pass(10 * time.Second)
				first.Crash()
				require.Zero(t, w.Log.Count(waits))
				second.Start(second.Works(nil))
				w.Pass(patience - time.Second)
				require.Zero(t, w.Log.Count(waits))
				w.Pass(2 * time.Second)
				require.Equal(t, 1, w.Log.Count(waits))
				require.Contains(t, w.Log.First(waits), "level=INFO")
				require.Contains(t, w.Log.First(waits), "settings.SessionTimeout")
				require.Contains(t, w.Log.First(waits), "group=readers waited="+patience.String()+" session_timeout="+session.String())
				second.AwaitPartitions(2)
				require.Equal(t, 1, w.Log.Count(waits))
				require.Equal(t, 1, w.Log.Count(over))
				second.Drain()
			}, grouptest.Session(session))
		})
	}
}
