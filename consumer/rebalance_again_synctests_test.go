//go:build synctests

package consumer_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// A partition is revoked, with calls under way that nobody waits for any more, and assigned again.
// What the old calls return marks nothing of the new assignment, whose records have the same
// positions.
func TestOldCallsMarkNothingOfANewAssignment(t *testing.T) {
	grouptest.Each(t, grouptest.Incremental, 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
		w.Write(goes, 0, 20)
		first := w.Member(append(kind.Member(0), settings.RevokeTimeout(time.Second))...)
		old, fresh := grouptest.NewGate(t), grouptest.NewGate(t)
		var mu sync.Mutex
		calls := 0
		offsets := stream.MapAsync(first.Handle.CommittableSource(), 64, func(ctx context.Context, m *strMessage) (envelope.Committable, error) {
			first.Took.Add(&m.Record)
			mu.Lock()
			calls++
			gate := old
			if calls > 20 {
				gate = fresh
			}
			mu.Unlock()
			return m.Offset, gate.Wait(ctx)
		})
		first.Start(offsets.To(consumer.CommitterSink(settings.NewCommitter(settings.MaxInterval(10 * time.Millisecond)))))
		w.Until("twenty calls", func() bool { return len(first.Took.Offsets(goes)) == 20 })
		second := w.Member(kind.Member(1)...)
		stay := grouptest.NewGate(t)
		second.Start(second.Works(func(ctx context.Context, m *strMessage) error {
			if m.Record.Offset() == 5 {
				return stay.Wait(ctx)
			}
			return nil
		}, settings.MaxInterval(10*time.Millisecond)))
		second.AwaitPartitions(1)
		w.AwaitCommitted(goes, 5)
		require.EqualValues(t, 20, first.Dropped())
		second.Stop()
		w.Until("fifteen new calls", func() bool { return len(first.Took.Offsets(goes)) == 35 })
		before := len(w.Journal.Commits())
		old.Open()
		<-time.After(5 * time.Second)
		require.Empty(t, w.Journal.CommitsOf(goes, before), "the old calls have marked something")
		fresh.Open()
		w.AwaitCommitted(goes, 20)
		first.Drain()
	})
}

// The same with acknowledgements that come late: those of records that were sent under the old
// assignment finish nothing of the new one.
func TestOldAcknowledgementsMarkNothingOfANewAssignment(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		w.CreateTopic(t, "copies", 1)
		w.Write(goes, 0, 20)
		first := w.Member(settings.RevokeTimeout(time.Second))
		again := grouptest.NewGate(t)
		envelopes := stream.TryMap(first.Handle.CommittableSource(), func(ctx context.Context, m *strMessage) (envelope.Envelope[string, string, envelope.Committable], error) {
			first.Took.Add(&m.Record)
			if len(first.Took.Offsets(goes)) > 20 {
				if err := again.Wait(ctx); err != nil {
					return nil, err
				}
			}
			return envelope.Single(*envelope.Keyless[string]("copies", m.Value), m.Offset), nil
		})
		released := w.HoldAcks("copies")
		t.Cleanup(released)
		first.Start(envelopes.To(producer.CommittableSink(w.Producer(), settings.NewCommitter(settings.MaxInterval(10*time.Millisecond)))))
		w.Until("twenty sent", func() bool { return len(first.Took.Offsets(goes)) == 20 })
		w.AwaitHeld(t, 1)
		second := w.Member()
		stay := grouptest.NewGate(t)
		second.Start(second.Works(func(ctx context.Context, _ *strMessage) error { return stay.Wait(ctx) }))
		second.AwaitPartitions(1)
		require.EqualValues(t, 20, first.Dropped())
		second.Stop()
		w.Until("the first to have it again", func() bool { return len(first.Took.Offsets(goes)) == 21 })
		before := len(w.Journal.Commits())
		released()
		<-time.After(5 * time.Second)
		require.Empty(t, w.Journal.CommitsOf(goes, before))
		require.EqualValues(t, -1, w.Committed(goes))
		again.Open()
		w.AwaitCommitted(goes, 20)
		first.Drain()
		require.Len(t, kafkatest.ReadAll(t, w.Broker, "copies"), 40)
	})
}

// A partition goes and comes again and again. In each assignment its records are those from the
// committed offset on, in order and without a gap: none was fetched for the one before.
func TestEachAssignmentBeginsAtTheCommittedOffset(t *testing.T) {
	grouptest.Each(t, grouptest.Protocols, 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
		const n = 20000
		w.Write(0, 0, n)
		w.Write(1, 0, n)
		var mu sync.Mutex
		var wrong []string
		next := map[int32]int64{} // of the assignment there is
		watched := func(owner string) (*grouptest.Member, stream.Graph) {
			mine := map[int32]bool{}
			handler := consumer.Handler{
				Assigned: func(ctx context.Context, r *consumer.Restricted, ps []consumer.TopicPartition) error {
					at, err := r.Committed(ctx, ps...)
					mu.Lock()
					defer mu.Unlock()
					for _, p := range ps {
						next[p.Partition] = at[p]
						mine[p.Partition] = true
					}
					return err
				},
				Revoked: func(_ context.Context, _ *consumer.Restricted, ps []consumer.TopicPartition) error {
					mu.Lock()
					defer mu.Unlock()
					for _, p := range ps {
						mine[p.Partition] = false
					}
					return nil
				},
			}
			c := w.MemberWith(kind.Member(int(owner[0])), consumer.OnRebalance(handler))
			return c, c.Works(func(ctx context.Context, m *strMessage) error {
				mu.Lock()
				if p, o := m.Partition(), m.Record.Offset(); !mine[p] || o != next[p] {
					wrong = append(wrong, fmt.Sprintf("%s: %d@%d, its own %v, expected %d", owner, p, o, mine[p], next[p]))
				}
				next[m.Partition()] = m.Record.Offset() + 1
				mu.Unlock()
				return grouptest.Idle(ctx, time.Millisecond)
			})
		}
		first, graph := watched("a")
		first.Start(graph)
		first.AwaitPartitions(2)
		for range 6 {
			second, graph := watched("b")
			second.Start(graph)
			second.AwaitPartitions(1)
			w.Until("some work", func() bool { return len(second.Took.Offsets(0))+len(second.Took.Offsets(1)) > 100 })
			second.Drain()
			if !kind.Static { // whose partitions wait for it
				first.AwaitPartitions(2)
			}
		}
		first.Drain()
		require.Empty(t, wrong)
	})
}

// The sub-stream of a partition fails while others of its records are under way: the next one goes
// on with the first that was not finished, and what the old calls return marks nothing of it.
func TestRewindWithElementsInFlight(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		const n = 300
		w.Write(0, 0, n)
		w.Write(1, 0, n)
		c := w.Member()
		var mu sync.Mutex
		failed, finished := map[int64]bool{}, map[string]bool{}
		c.Start(stream.Each(c.Handle.CommittablePartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strMessage]) stream.Graph {
			return stream.MapAsyncUnordered(src, 8, func(ctx context.Context, m *strMessage) (envelope.Committable, error) {
				c.Took.Add(&m.Record)
				o := m.Record.Offset()
				if err := grouptest.Idle(ctx, time.Duration(o%7)*time.Millisecond); err != nil {
					return nil, err
				}
				mu.Lock()
				defer mu.Unlock()
				if o%50 == 25 && !failed[o] {
					failed[o] = true
					return nil, fmt.Errorf("at %d", o)
				}
				finished[fmt.Sprint(m.Partition(), "@", o)] = true
				return m.Offset, nil
			}).To(consumer.CommitterSink(settings.NewCommitter(settings.MaxInterval(time.Millisecond))))
		}, stream.OnError(stream.Skip())))
		w.AwaitCommitted(0, n)
		w.AwaitCommitted(1, n)
		require.Len(t, finished, 2*n)
		require.Len(t, failed, 6)
		high := map[int32]int64{}
		for p := range int32(2) {
			for _, seen := range w.Journal.CommitsOf(p, 0) {
				require.Greater(t, seen.Offset, high[p])
				high[p] = seen.Offset
			}
		}
		c.Drain()
	})
}

// slowHook is a hook of the client that keeps a poll from returning when a record of some value is
// in it.
type slowHook struct {
	at      string
	waiting chan struct{}
	once    sync.Once
	release *grouptest.Gate
}

func (h *slowHook) OnFetchRecordUnbuffered(r *kgo.Record, polled bool) {
	if polled && string(r.Value) == h.at {
		// what was fetched may be fetched again; whether it is delivered again is the test's
		// question
		h.once.Do(func() { close(h.waiting) })
		<-h.release.C
	}
}

// While records are on their way from the client to the stream no rebalance takes place: else those
// of a partition that goes and comes again meanwhile would be delivered to its next assignment.
func TestRebalanceWaitsForDelivery(t *testing.T) {
	grouptest.Each(t, grouptest.Protocols, 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
		const n = 50
		w.Write(0, 0, n)
		w.Write(1, 0, n)
		slow := &slowHook{at: "stop", waiting: make(chan struct{}), release: grouptest.NewGate(t)}
		first := w.Member(append(kind.Member(0), settings.ClientOptions(kgo.WithHooks(slow)))...)
		first.Start(first.Works(nil))
		t.Cleanup(slow.release.Open) // before the run is ended, where the test fails
		w.AwaitCommitted(0, n)
		w.AwaitCommitted(1, n)
		kafkatest.ProduceTo(t, w.Broker, w.Topic, 0, kgo.StringRecord("stop"))
		<-slow.waiting
		second := w.Member(kind.Member(1)...)
		second.Start(second.Works(nil))
		<-time.After(1500 * time.Millisecond) // many heartbeats, and no session
		require.Empty(t, second.Has(), "a rebalance took place")
		slow.release.Open()
		w.Until("both to have one", func() bool { return len(first.Has()) == 1 && len(second.Has()) == 1 })
		w.AwaitCommitted(0, n+1)
		require.Equal(t, upTo(0, n+1), slices.Concat(first.Took.Offsets(0), second.Took.Offsets(0)))
		first.Drain()
		second.Drain()
	})
}
