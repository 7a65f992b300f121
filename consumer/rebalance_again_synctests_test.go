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
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// A partition is revoked, with calls under way that nobody waits for any more, and assigned again.
// What the old calls return marks nothing of the new assignment, whose records have the same
// positions.
func TestOldCallsMarkNothingOfANewAssignment(t *testing.T) {
	eachKindButEager(t, func(t *testing.T, k *kafkatest.Broker, kind groupKind) {
		d := newDesk(t, k, 0)
		d.write(goes, 0, 20)
		first := d.clerk(append(kind.opts(0), settings.RevokeTimeout(time.Second))...)
		old, fresh := newRelease(t), newRelease(t)
		var mu sync.Mutex
		calls := 0
		offsets := stream.MapAsync(first.handle.CommittableSource(), 64, func(ctx context.Context, m deskMessage) (envelope.Committable, error) {
			first.note(m)
			mu.Lock()
			calls++
			gate := old
			if calls > 20 {
				gate = fresh
			}
			mu.Unlock()
			return m.Offset, gate.wait(ctx)
		})
		first.run(offsets.To(consumer.CommitterSink(settings.NewCommitter(settings.MaxInterval(10 * time.Millisecond)))))
		d.await("twenty calls", func() bool { return len(first.offsetsOf(goes)) == 20 })
		second := d.clerk(kind.opts(1)...)
		stay := newRelease(t)
		second.run(second.copies(func(ctx context.Context, m deskMessage) error {
			if m.Record.Offset() == 5 {
				return stay.wait(ctx)
			}
			return nil
		}, settings.MaxInterval(10*time.Millisecond)))
		second.awaitPartitions(1)
		d.awaitCommitted(goes, 5)
		require.EqualValues(t, 20, first.dropped())
		second.ctl.Stop()
		<-second.ctl.Done()
		d.await("fifteen new calls", func() bool { return len(first.offsetsOf(goes)) == 35 })
		before := d.commitCount()
		old.now()
		<-time.After(5 * time.Second)
		require.Empty(t, d.commitsOf(goes, before), "the old calls have marked something")
		fresh.now()
		d.awaitCommitted(goes, 20)
		first.drain()
	})
}

// The same with acknowledgements that come late: those of records that were sent under the old
// assignment finish nothing of the new one.
func TestOldAcknowledgementsMarkNothingOfANewAssignment(t *testing.T) {
	virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		d := newDesk(t, k, 0)
		k.CreateTopic(t, "copies", 1)
		d.write(goes, 0, 20)
		first := d.clerk(settings.RevokeTimeout(time.Second))
		again := newRelease(t)
		envelopes := stream.TryMap(first.handle.CommittableSource(), func(ctx context.Context, m deskMessage) (envelope.Envelope[string, string, envelope.Committable], error) {
			first.note(m)
			if len(first.offsetsOf(goes)) > 20 {
				if err := again.wait(ctx); err != nil {
					return nil, err
				}
			}
			return envelope.Single(*envelope.Keyless[string]("copies", m.Value), m.Offset), nil
		})
		released := k.HoldAcks("copies")
		t.Cleanup(released)
		first.run(envelopes.To(producer.CommittableSink(d.producer(), settings.NewCommitter(settings.MaxInterval(10*time.Millisecond)))))
		d.await("twenty sent", func() bool { return len(first.offsetsOf(goes)) == 20 })
		k.AwaitHeld(t, 1)
		second := d.clerk()
		stay := newRelease(t)
		second.run(second.copies(func(ctx context.Context, _ deskMessage) error { return stay.wait(ctx) }))
		second.awaitPartitions(1)
		require.EqualValues(t, 20, first.dropped())
		second.ctl.Stop()
		<-second.ctl.Done()
		d.await("the first to have it again", func() bool { return len(first.offsetsOf(goes)) == 21 })
		before := d.commitCount()
		released()
		<-time.After(5 * time.Second)
		require.Empty(t, d.commitsOf(goes, before))
		require.EqualValues(t, -1, d.committed(goes))
		again.now()
		d.awaitCommitted(goes, 20)
		first.drain()
		require.Len(t, kafkatest.ReadAll(t, k, "copies"), 40)
	})
}

// A partition goes and comes again and again. In each assignment its records are those from the
// committed offset on, in order and without a gap: none was fetched for the one before.
func TestEachAssignmentBeginsAtTheCommittedOffset(t *testing.T) {
	eachKind(t, virtual, func(t *testing.T, k *kafkatest.Broker, kind groupKind) {
		const n = 20000
		d := newDesk(t, k, n)
		var mu sync.Mutex
		var wrong []string
		next := map[int32]int64{} // of the assignment there is
		watched := func(owner string) (*clerk, stream.Graph) {
			c := &clerk{d: d}
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
			c.handle = consumer.New(d.settings(kind.opts(int(owner[0]))...), consumer.Topics(deskTopic), consumer.OnRebalance(handler))
			return c, c.copies(func(ctx context.Context, m deskMessage) error {
				mu.Lock()
				if p, o := m.Partition(), m.Record.Offset(); !mine[p] || o != next[p] {
					wrong = append(wrong, fmt.Sprintf("%s: %d@%d, its own %v, expected %d", owner, p, o, mine[p], next[p]))
				}
				next[m.Partition()] = m.Record.Offset() + 1
				mu.Unlock()
				return idle(ctx, time.Millisecond)
			})
		}
		first, graph := watched("a")
		first.run(graph)
		first.awaitPartitions(2)
		for range 6 {
			second, graph := watched("b")
			second.run(graph)
			second.awaitPartitions(1)
			d.await("some work", func() bool { return len(second.offsetsOf(0))+len(second.offsetsOf(1)) > 100 })
			second.drain()
			first.awaitPartitionsOf(kind)
		}
		first.drain()
		require.Empty(t, wrong)
	})
}

// awaitPartitionsOf waits until the clerk has both again; those of a static member that has gone
// wait for it.
func (c *clerk) awaitPartitionsOf(kind groupKind) {
	if kind.name != "static" {
		c.awaitPartitions(2)
	}
}

// The sub-stream of a partition fails while others of its records are under way: the next one goes
// on with the first that was not finished, and what the old calls return marks nothing of it.
func TestRewindWithElementsInFlight(t *testing.T) {
	virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		const n = 300
		d := newDesk(t, k, n)
		c := d.clerk()
		var mu sync.Mutex
		failed, finished := map[int64]bool{}, map[string]bool{}
		c.run(stream.Each(c.handle.CommittablePartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[deskMessage]) stream.Graph {
			return stream.MapAsyncUnordered(src, 8, func(ctx context.Context, m deskMessage) (envelope.Committable, error) {
				c.note(m)
				o := m.Record.Offset()
				if err := idle(ctx, time.Duration(o%7)*time.Millisecond); err != nil {
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
		d.awaitCommitted(0, n)
		d.awaitCommitted(1, n)
		require.Len(t, finished, 2*n)
		require.Len(t, failed, 6)
		high := map[int32]int64{}
		for p := range int32(2) {
			for _, seen := range d.commitsOf(p, 0) {
				require.Greater(t, seen.offset, high[p])
				high[p] = seen.offset
			}
		}
		c.drain()
	})
}

// slowHook is a hook of the client that keeps a poll from returning when a record of some value is
// in it.
type slowHook struct {
	at      string
	waiting chan struct{}
	once    sync.Once
	release *release
}

func (h *slowHook) OnFetchRecordUnbuffered(r *kgo.Record, polled bool) {
	if polled && string(r.Value) == h.at {
		// what was fetched may be fetched again; whether it is delivered again is the test's
		// question
		h.once.Do(func() { close(h.waiting) })
		<-h.release.c
	}
}

// While records are on their way from the client to the stream no rebalance takes place: else those
// of a partition that goes and comes again meanwhile would be delivered to its next assignment.
func TestRebalanceWaitsForDelivery(t *testing.T) {
	eachKind(t, virtual, func(t *testing.T, k *kafkatest.Broker, kind groupKind) {
		const n = 50
		d := newDesk(t, k, n)
		slow := &slowHook{at: "stop", waiting: make(chan struct{}), release: newRelease(t)}
		first := d.clerk(append(kind.opts(0), settings.ClientOptions(kgo.WithHooks(slow)))...)
		first.run(first.copies(nil))
		t.Cleanup(slow.release.now) // before the run is ended, where the test fails
		d.awaitCommitted(0, n)
		d.awaitCommitted(1, n)
		kafkatest.ProduceTo(t, k, deskTopic, 0, kgo.StringRecord("stop"))
		<-slow.waiting
		second := d.clerk(kind.opts(1)...)
		second.run(second.copies(nil))
		<-time.After(1500 * time.Millisecond) // many heartbeats, and no session
		require.Empty(t, second.has(), "a rebalance took place")
		slow.release.now()
		d.await("both to have one", func() bool { return len(first.has()) == 1 && len(second.has()) == 1 })
		d.awaitCommitted(0, n+1)
		require.Equal(t, upTo(0, n+1), slices.Concat(first.offsetsOf(0), second.offsetsOf(0)))
		first.drain()
		second.drain()
	})
}
