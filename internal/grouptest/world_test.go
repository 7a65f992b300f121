package grouptest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// The journal has what the broker saw: members that join, commits by whom and of what, and a member
// that leaves.
func TestJournal(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 120)
		m := w.Member()
		m.Start(m.Works(nil, settings.MaxInterval(10*time.Millisecond)))
		require.EqualValues(t, 120, w.Journal.AwaitCommit(t, 0, 120).Offset)
		w.Until("it is committed", func() bool { return w.Committed(0) == 120 })
		ids := w.MemberIDs()
		require.Len(t, ids, 1)
		require.Equal(t, ids[0], w.Journal.CommitsOf(0, 0)[0].Member)
		require.Equal(t, w.Group, w.Journal.AwaitAnyCommit(t, 1).Group)
		require.NotEmpty(t, w.Journal.Requests(kmsg.JoinGroup))
		require.Empty(t, w.Journal.Requests(kmsg.LeaveGroup))
		require.Equal(t, "Stable", w.State())
		m.Drain()
		require.Len(t, w.Journal.Requests(kmsg.LeaveGroup), 1)
		w.Journal.RequireForward(t)
		w.CommitAs(w.Group, map[int32]int64{0: 7})
		require.Len(t, m.Events(consumer.Assigned), 1)
		require.EqualValues(t, 7, w.Committed(0))
		require.Len(t, w.Rest().Of(0), 113)
		require.NotZero(t, w.Journal.CommitRequests())
	})
}

// What is not right is found: a commit before what it covers, an offset that goes back, and each
// kind of wrong delivery, also one that says that it is another partition's.
func TestVerdict(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Fill(1, 0, 5)
		sent := w.Sent()
		got := w.Guarded(func(_ int32, n int64) []string {
			if n == 4 {
				return nil // comes to nothing
			}
			return []string{"a", "b"}
		})
		put := func(n int64, part string) {
			got.Put(grouptest.Delivery{Value: grouptest.Value(0, n, part), Offset: n})
		}
		for n := range int64(3) {
			put(n, "a")
			put(n, "b")
		}
		w.CommitAs(w.Group, map[int32]int64{0: 3})
		v := got.Verify(map[int32]int64{0: 3})
		v.RequireClean(t)
		require.Equal(t, grouptest.Verdict{Wanted: 6, Delivered: 6, Commits: 1}, v)
		w.CommitAs(w.Group, map[int32]int64{0: 5})
		w.CommitAs(w.Group, map[int32]int64{0: 2})
		put(3, "b")
		require.Equal(t, "0/3/a", got.Missing(0, 3))
		put(0, "a")
		put(2, "c")
		put(7, "a")
		v = got.Verify(sent)
		require.Contains(t, v.String(),
			"10 of 8 deliveries: lost 1, doubled 1, overtaken 0, foreign 2; 3 commits: early 1, backwards 1")
		require.Contains(t, v.String(), "before 0/3/a had come")
		late := &grouptest.Deliveries{}
		for _, n := range []int64{1, 0, 2} {
			late.Put(grouptest.Delivery{Value: grouptest.Value(0, n)})
		}
		require.Equal(t, 1, late.Verify(map[int32]int64{0: 3}).Overtaken)
		require.Zero(t, late.Verify(map[int32]int64{0: 3}).Lost)
		astray := &grouptest.Deliveries{}
		astray.Put(grouptest.Delivery{Partition: 1, Value: grouptest.Value(0, 0)})
		require.Equal(t, 1, astray.Verify(map[int32]int64{0: 1}).Foreign)
	})
}

// A commit that is refused sets no offset back, and one without an answer is held against nobody;
// one that is done sets it back, however late its answer.
func TestCommitsThatSetNothingBack(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		got := w.Guarded(nil)
		for n := range int64(9) {
			got.Put(grouptest.Delivery{Value: grouptest.Value(0, n)})
		}
		backwards := func() int {
			t.Helper()
			w.AtRest()
			return got.Verify(map[int32]int64{0: 9}).Backwards
		}
		stranger := func(offset int64) {
			t.Helper()
			req := kmsg.NewPtrOffsetCommitRequest()
			req.Group, req.MemberID, req.Generation = w.Group, "nobody", 7
			req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: w.Topic, Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: offset, LeaderEpoch: -1}}}}
			resp, err := w.Client(kgo.MaxVersions(kversion.V3_9_0())).Request(t.Context(), req)
			require.NoError(t, err)
			require.ErrorIs(t, kerr.ErrorForCode(resp.(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode), kerr.IllegalGeneration)
		}
		w.CommitAs(w.Group, map[int32]int64{0: 5})
		stranger(9)
		w.CommitAs(w.Group, map[int32]int64{0: 6})
		stranger(2)
		require.Zero(t, backwards())
		require.EqualValues(t, 6, w.Committed(0))
		cs := w.Journal.CommitsOf(0, 0)
		require.Len(t, cs, 4)
		require.NoError(t, cs[0].Answer.Err)
		require.ErrorIs(t, cs[1].Answer.Err, kerr.IllegalGeneration)

		lost := 0
		stop := w.OnAnswer(func(kafkatest.Answer) bool { lost++; return lost > 1 }, kmsg.OffsetCommit)
		w.CommitAs(w.Group, map[int32]int64{0: 8}) // the client asks again
		stop()
		require.Equal(t, 2, lost)
		w.CommitAs(w.Group, map[int32]int64{0: 7})
		require.Equal(t, 1, backwards())
	})
}

// Outputs are seen as they are appended, and read as they are there.
func TestOutputs(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		w.CreateTopic(t, "out", 1)
		out := w.Outputs("out", nil)
		var next []*kgo.Record
		stop := w.Writing(10*time.Millisecond, func() []*kgo.Record {
			next = nil
			for p := range int32(2) {
				next = append(next, &kgo.Record{Partition: p, Value: []byte(grouptest.Value(p, w.Next(p)))})
			}
			return next
		})
		m := w.Member()
		copies := stream.Map(m.Handle.CommittableSource(), func(m *grouptest.Message) envelope.Envelope[string, string, envelope.Committable] {
			return envelope.Single(*envelope.New("out", "key", m.Value), m.Offset)
		})
		ps := w.Producer(settings.Compression(kgo.NoCompression()), m.Wire.Option())
		m.Start(copies.To(producer.CommittableSink(ps, settings.NewCommitter())))
		w.Until("twenty are copied", func() bool { return out.Count() >= 20 })
		stop()
		w.Until("all are committed", func() bool { return w.Committed(0) == w.Sent()[0] && w.Committed(1) == w.Sent()[1] })
		out.Verify(w.Sent()).RequireOnce(t)
		w.Written(nil, "out").Verify(w.Sent()).RequireOnce(t)
		m.Terminate()
		require.False(t, m.Runs())
	})
}

// A member that is cut off is put out of its group, and comes back when its wire is mended.
func TestWire(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		m := w.Member()
		m.Start(m.Works(nil))
		m.AwaitPartitions(1)
		m.Wire.Cut()
		w.Until("it is put out", func() bool { return len(w.MemberIDs()) == 0 })
		m.Wire.Mend()
		w.Until("it is back", func() bool { return len(w.MemberIDs()) == 1 })
		m.AwaitPartitions(1)
		m.Stop()
	}, grouptest.Session(500*time.Millisecond))
}

// Members of other makes.
func TestStrangers(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Stranger(0, grouptest.Protocols[1].Plain...)
		w.DeadStranger(grouptest.Protocols[1].Plain...)
		require.Len(t, w.MemberIDs(), 2)
		w.Bury(settings.CooperativeSticky)
	})
}
