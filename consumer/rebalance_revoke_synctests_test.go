//go:build synctests

package consumer_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// other is the desk's other partition.
func other(p int32) int32 { return 1 - p }

// takeover lets another clerk join one that has both partitions, and returns the partition that it
// gets.
func takeover(second *clerk, g stream.Graph) int32 {
	second.d.t.Helper()
	second.run(g)
	return second.awaitPartitions(1)[0]
}

// The buffered records of a revoked partition are not delivered any more when the new owner has it:
// they are taken back at the start of the revoke, which waits for what is in the stream and no
// longer.
func TestBufferedRecordsOfARevokedPartition(t *testing.T) {
	sources := map[string]func(c *clerk, work func(context.Context, deskMessage) error) stream.Graph{
		"single": func(c *clerk, work func(context.Context, deskMessage) error) stream.Graph { return c.copies(work) },
		"partitioned": func(c *clerk, work func(context.Context, deskMessage) error) stream.Graph {
			return stream.Each(c.handle.CommittablePartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[deskMessage]) stream.Graph {
				return stream.TryMap(src, func(ctx context.Context, m deskMessage) (envelope.Committable, error) {
					c.note(m)
					return m.Offset, work(ctx, m)
				}).To(consumer.CommitterSink(settings.NewCommitter()))
			})
		},
	}
	for name, graph := range sources {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, k *kafkatest.Broker) {
				const n = 1000
				d := newDesk(t, k, n)
				slow := func(ctx context.Context, _ deskMessage) error { return idle(ctx, 10*time.Millisecond) }
				first, second := d.clerk(), d.clerk()
				first.run(graph(first, slow))
				d.await("some work", func() bool { return len(first.offsetsOf(0)) > 10 && len(first.offsetsOf(1)) > 10 })
				began := time.Now()
				p := takeover(second, second.copies(nil))
				require.Less(t, time.Since(began), 6*time.Second, "nothing but the chunk in hand is waited for")
				d.await("the second to have read its partition", func() bool {
					return len(second.offsetsOf(p)) > 0 && second.offsetsOf(p)[len(second.offsetsOf(p))-1] == n-1
				})
				revoked := first.happened(consumer.Revoked)
				require.Len(t, revoked, 1)
				at := second.happened(consumer.Assigned)[0].at
				for _, x := range first.takenOf(p) {
					require.Less(t, x.at, at.Add(1), "offset %d", x.offset)
				}
				require.Equal(t, upTo(0, n), slices.Concat(first.offsetsOf(p), second.offsetsOf(p)), "each once")
				d.awaitCommitted(other(p), n)
				require.Equal(t, upTo(0, n), first.offsetsOf(other(p)))
				require.Zero(t, first.dropped())
				first.drain()
				second.drain()
			})
		})
	}
}

// idle waits for so long, or for the end of the context.
func idle(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// goes is the partition of a clerk with both that another one gets who joins. With the eager
// protocol that is left to chance.
const goes int32 = 1

func eachKindButEager(t *testing.T, test func(t *testing.T, k *kafkatest.Broker, kind groupKind)) {
	for _, kind := range groupKinds[1:] {
		t.Run(kind.name, func(t *testing.T) {
			virtual(t, func(t *testing.T, k *kafkatest.Broker) { test(t, k, kind) }, quickBroker)
		})
	}
}

// Slow elements of a revoked partition lie in a chunk of 256: the one that is at work is finished,
// and the others are given back where they are. None is delivered after that, and none twice.
func TestSlowElementsOfARevokedPartition(t *testing.T) {
	eachKindButEager(t, func(t *testing.T, k *kafkatest.Broker, kind groupKind) {
		d := newDesk(t, k, 0)
		d.write(goes, 0, 256)
		first := d.clerk(append(kind.opts(0), settings.RevokeTimeout(2*time.Second))...)
		first.run(first.copies(func(ctx context.Context, _ deskMessage) error { return idle(ctx, 73*time.Millisecond) }))
		d.await("the first chunk", func() bool { return len(first.offsetsOf(goes)) > 0 })
		second := d.clerk(kind.opts(1)...)
		require.Equal(t, goes, takeover(second, second.copies(nil)))
		d.awaitCommitted(goes, 256)
		at := second.happened(consumer.Assigned)[0].at
		done := len(first.offsetsOf(goes))
		for _, x := range first.takenOf(goes) {
			require.Less(t, x.at, at, "offset %d was delivered behind the revoke", x.offset)
		}
		require.Less(t, done, 100)
		require.Zero(t, first.dropped())
		require.NotContains(t, d.log.String(), "partitions are given up with records in flight")
		require.Equal(t, upTo(int64(done), 256), second.offsetsOf(goes), "what had begun is finished, and nothing else")
		d.write(other(goes), 0, 10)
		d.awaitCommitted(other(goes), 10)
		first.drain()
		second.drain()
	})
}

// A revoke while records wait in a Batch for more does not wait for the Batch's time: those of the
// partition that goes are given back.
func TestRevokeHurriesABatch(t *testing.T) {
	graphs := map[string]func(src stream.Source[envelope.Committable]) stream.Source[envelope.Committable]{
		"alone": func(src stream.Source[envelope.Committable]) stream.Source[envelope.Committable] { return src },
		"behind a Merge with a quiet channel": func(src stream.Source[envelope.Committable]) stream.Source[envelope.Committable] {
			return stream.Merge(src, stream.FromChan(make(chan envelope.Committable)))
		},
		"behind an Async": func(src stream.Source[envelope.Committable]) stream.Source[envelope.Committable] { return src.Async() },
	}
	for name, graph := range graphs {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, k *kafkatest.Broker) {
				d := newDesk(t, k, 10)
				first, second := d.clerk(), d.clerk()
				offsets := graph(stream.Map(first.handle.CommittableSource(), func(m deskMessage) envelope.Committable {
					first.note(m)
					return m.Offset
				}))
				var mu sync.Mutex
				var sizes []int
				batches := stream.Batch(offsets, 1000, 30*time.Second).Tap(func(b []envelope.Committable) {
					mu.Lock()
					defer mu.Unlock()
					sizes = append(sizes, len(b))
				})
				flat := stream.FlatMap(batches, slices.Values[[]envelope.Committable])
				first.run(flat.To(consumer.CommitterSink(settings.NewCommitter())))
				d.await("all to be in the Batch", func() bool { return len(first.offsetsOf(0)) == 10 && len(first.offsetsOf(1)) == 10 })
				began := time.Now()
				p := takeover(second, second.copies(nil))
				require.Less(t, time.Since(began), 3*time.Second)
				d.awaitCommitted(p, 10)
				d.awaitCommitted(other(p), 10)
				mu.Lock()
				// Those that go are given back: no stage with effects has begun them.
				require.Equal(t, []int{10}, sizes, "those of the partition that stays go on together")
				mu.Unlock()
				require.Equal(t, upTo(0, 10), second.offsetsOf(p))
				require.Zero(t, first.dropped())
				first.drain()
				second.drain()
			})
		})
	}
}

// A batch of two partitions is being worked on when one of them is revoked, and its time is up: the
// batch goes on, since the other partition wants it, and finishes that one alone.
func TestBatchOverARevokedAndAKeptPartition(t *testing.T) {
	virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		d := newDesk(t, k, 10)
		first, second := d.clerk(settings.RevokeTimeout(time.Second)), d.clerk()
		release := make(chan struct{})
		batches := stream.Batch(stream.Map(first.handle.CommittableSource(), func(m deskMessage) deskMessage {
			first.note(m)
			return m
		}), 20, time.Hour)
		worked := stream.TryMap(batches, func(ctx context.Context, b []deskMessage) ([]deskMessage, error) {
			select {
			case <-release:
				return b, nil
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		})
		flat := stream.FlatMap(worked, slices.Values[[]deskMessage])
		first.run(stream.Map(flat, func(m deskMessage) envelope.Committable { return m.Offset }).To(consumer.CommitterSink(settings.NewCommitter())))
		d.await("the batch", func() bool { return len(first.offsetsOf(0)) == 10 && len(first.offsetsOf(1)) == 10 })
		p := takeover(second, second.copies(func(ctx context.Context, m deskMessage) error { return idle(ctx, 10*time.Millisecond) }, settings.MaxBatch(1)))
		require.EqualValues(t, 10, first.dropped())
		before := d.commitCount()
		close(release)
		d.awaitCommitted(other(p), 10)
		d.awaitCommitted(p, 10)
		require.Equal(t, upTo(0, 10), second.offsetsOf(p), "all of it is delivered again")
		owner := d.commitsOf(p, before)
		for i, c := range owner {
			require.Equal(t, owner[0].member, c.member, "somebody else committed a partition of the second's")
			require.True(t, i == 0 || c.offset > owner[i-1].offset, owner)
		}
		require.NotEqual(t, owner[0].member, d.commitsOf(other(p), before)[0].member)
		first.drain()
		second.drain()
	})
}

// A function of the user's does not return during a revoke: the partition goes at the deadline, the
// log names the stage, and the stream goes on when the function does.
func TestFunctionThatDoesNotReturnInARevoke(t *testing.T) {
	eachKindButEager(t, func(t *testing.T, k *kafkatest.Broker, kind groupKind) {
		d := newDesk(t, k, 0)
		d.write(goes, 0, 100)
		first, second := d.clerk(append(kind.opts(0), settings.RevokeTimeout(5*time.Second))...), d.clerk(kind.opts(1)...)
		release := newRelease(t)
		first.run(first.copies(func(context.Context, deskMessage) error {
			<-release.c // whatever the context says
			return nil
		}))
		d.await("the first element", func() bool { return len(first.offsetsOf(goes)) == 1 })
		began := time.Now()
		require.Equal(t, goes, takeover(second, second.copies(nil)))
		require.GreaterOrEqual(t, time.Since(began), 5*time.Second)
		require.Less(t, time.Since(began), 8*time.Second)
		require.Contains(t, d.log.String(), "partitions are given up with records in flight")
		require.Contains(t, d.log.String(), "work", "the stage is named")
		d.awaitCommitted(goes, 100)
		before := d.commitCount()
		release.now()
		d.write(other(goes), 0, 100)
		d.awaitCommitted(other(goes), 100)
		require.Empty(t, d.commitsOf(goes, before), "the old owner has committed")
		require.Equal(t, upTo(0, 100), second.offsetsOf(goes))
		require.Len(t, first.offsetsOf(goes), 1)
		first.drain()
		second.drain()
	})
}

// What user code was handed and finishes after its partition was revoked is ignored; the new owner
// reads it again, and its commits stand.
func TestCommitOfARevokedPartitionIsIgnored(t *testing.T) {
	virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		d := newDesk(t, k, 100)
		first, second := d.clerk(settings.RevokeTimeout(time.Second)), d.clerk()
		var mu sync.Mutex
		var had []deskMessage
		manual := stream.ForEachManual(func(_ context.Context, m deskMessage) error {
			mu.Lock()
			defer mu.Unlock()
			had = append(had, m)
			first.note(m)
			if m.Record.Offset() < 10 {
				m.Offset.Commit()
			}
			return nil
		})
		committed := stream.Map(first.handle.CommittableSource(), func(m deskMessage) deskMessage { return m })
		sink := stream.Broadcast(manual, stream.NewFlow(func(src stream.Source[deskMessage]) stream.Source[envelope.Committable] {
			return stream.FilterMap(src, func(m deskMessage) (envelope.Committable, bool) { return nil, false })
		}).To(consumer.CommitterSink(settings.NewCommitter(settings.MaxInterval(10*time.Millisecond)))))
		first.run(committed.To(sink))
		d.await("all to be handed over", func() bool { return len(first.offsetsOf(0)) == 100 && len(first.offsetsOf(1)) == 100 })
		d.awaitCommitted(0, 10)
		d.awaitCommitted(1, 10)
		p := takeover(second, second.copies(func(ctx context.Context, m deskMessage) error {
			if m.Record.Offset() == 50 {
				return idle(ctx, time.Minute)
			}
			return nil
		}, settings.MaxInterval(10*time.Millisecond)))
		d.awaitCommitted(p, 50)
		before := d.commitCount()
		mu.Lock()
		for _, m := range had {
			m.Offset.Commit() // of both partitions
		}
		mu.Unlock()
		d.awaitCommitted(other(p), 100)
		require.EqualValues(t, 50, d.committed(p))
		require.Empty(t, d.commitsOf(p, before))
		d.awaitCommitted(p, 100)
		require.Equal(t, upTo(10, 100), second.offsetsOf(p))
		first.drain()
		second.drain()
	})
}
