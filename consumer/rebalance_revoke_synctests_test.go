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
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// other is the other one of two partitions.
func other(p int32) int32 { return 1 - p }

// takeover lets another member join one that has both partitions, and returns the partition that it
// gets.
func takeover(second *grouptest.Member, g stream.Graph) int32 {
	second.Start(g)
	return second.AwaitPartitions(1)[0]
}

// The buffered records of a revoked partition are not delivered any more when the new owner has it:
// they are taken back at the start of the revoke, which waits for what is in the stream and no
// longer.
func TestBufferedRecordsOfARevokedPartition(t *testing.T) {
	sources := map[string]func(c *grouptest.Member, work func(context.Context, *strMessage) error) stream.Graph{
		"single": func(c *grouptest.Member, work func(context.Context, *strMessage) error) stream.Graph {
			return c.Works(work)
		},
		"partitioned": func(c *grouptest.Member, work func(context.Context, *strMessage) error) stream.Graph {
			return stream.Each(c.Handle.CommittablePartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strMessage]) stream.Graph {
				return stream.TryMap(src, func(ctx context.Context, m *strMessage) (envelope.Committable, error) {
					c.Took.Add(&m.Record)
					return m.Offset, work(ctx, m)
				}).To(consumer.CommitterSink(settings.NewCommitter()))
			})
		},
	}
	for name, graph := range sources {
		t.Run(name, func(t *testing.T) {
			grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
				const n = 1000
				w.Write(0, 0, n)
				w.Write(1, 0, n)
				slow := func(ctx context.Context, _ *strMessage) error { return grouptest.Idle(ctx, 10*time.Millisecond) }
				first, second := w.Member(), w.Member()
				first.Start(graph(first, slow))
				w.Until("some work", func() bool { return len(first.Took.Offsets(0)) > 10 && len(first.Took.Offsets(1)) > 10 })
				began := time.Now()
				p := takeover(second, second.Works(nil))
				require.Less(t, time.Since(began), 6*time.Second, "nothing but the chunk in hand is waited for")
				w.Until("the second to have read its partition", func() bool {
					return len(second.Took.Offsets(p)) > 0 && second.Took.Offsets(p)[len(second.Took.Offsets(p))-1] == n-1
				})
				revoked := first.Events(consumer.Revoked)
				require.Len(t, revoked, 1)
				at := second.Events(consumer.Assigned)[0].At
				for _, x := range first.Took.Of(p) {
					require.Less(t, x.At, at.Add(1), "offset %d", x.Offset)
				}
				require.Equal(t, upTo(0, n), slices.Concat(first.Took.Offsets(p), second.Took.Offsets(p)), "each once")
				w.AwaitCommitted(other(p), n)
				require.Equal(t, upTo(0, n), first.Took.Offsets(other(p)))
				require.Zero(t, first.Dropped())
				first.Drain()
				second.Drain()
			})
		})
	}
}

// goes is the partition of a member with both that another one gets who joins. With the eager
// protocol that is left to chance.
const goes int32 = 1

// Slow elements of a revoked partition lie in a chunk of 256: the one that is at work is finished,
// and the others are given back where they are. None is delivered after that, and none twice.
func TestSlowElementsOfARevokedPartition(t *testing.T) {
	grouptest.Each(t, grouptest.Incremental, 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
		w.Write(goes, 0, 256)
		first := w.Member(append(kind.Member(0), settings.RevokeTimeout(2*time.Second))...)
		first.Start(first.Works(func(ctx context.Context, _ *strMessage) error { return grouptest.Idle(ctx, 73*time.Millisecond) }))
		w.Until("the first chunk", func() bool { return len(first.Took.Offsets(goes)) > 0 })
		second := w.Member(kind.Member(1)...)
		require.Equal(t, goes, takeover(second, second.Works(nil)))
		w.AwaitCommitted(goes, 256)
		at := second.Events(consumer.Assigned)[0].At
		done := len(first.Took.Offsets(goes))
		for _, x := range first.Took.Of(goes) {
			require.Less(t, x.At, at, "offset %d was delivered after the revoke", x.Offset)
		}
		require.Less(t, done, 100)
		require.Zero(t, first.Dropped())
		require.NotContains(t, w.Log.String(), "partitions are given up with records in flight")
		require.Equal(t, upTo(int64(done), 256), second.Took.Offsets(goes), "what had begun is finished, and nothing else")
		w.Write(other(goes), 0, 10)
		w.AwaitCommitted(other(goes), 10)
		first.Drain()
		second.Drain()
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
			grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
				w.Write(0, 0, 10)
				w.Write(1, 0, 10)
				first, second := w.Member(), w.Member()
				offsets := graph(stream.Map(first.Handle.CommittableSource(), func(m *strMessage) envelope.Committable {
					first.Took.Add(&m.Record)
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
				first.Start(flat.To(consumer.CommitterSink(settings.NewCommitter())))
				w.Until("all to be in the Batch", func() bool { return len(first.Took.Offsets(0)) == 10 && len(first.Took.Offsets(1)) == 10 })
				began := time.Now()
				p := takeover(second, second.Works(nil))
				require.Less(t, time.Since(began), 3*time.Second)
				w.AwaitCommitted(p, 10)
				w.AwaitCommitted(other(p), 10)
				mu.Lock()
				// Those that go are given back: no stage with effects has begun them.
				require.Equal(t, []int{10}, sizes, "those of the partition that stays go on together")
				mu.Unlock()
				require.Equal(t, upTo(0, 10), second.Took.Offsets(p))
				require.Zero(t, first.Dropped())
				first.Drain()
				second.Drain()
			})
		})
	}
}

// A batch of two partitions is being worked on when one of them is revoked, and its time is up: the
// batch goes on, since the other partition wants it, and finishes that one alone.
func TestBatchOverARevokedAndAKeptPartition(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 10)
		w.Write(1, 0, 10)
		first, second := w.Member(settings.RevokeTimeout(time.Second)), w.Member()
		release := make(chan struct{})
		batches := stream.Batch(stream.Map(first.Handle.CommittableSource(), func(m *strMessage) *strMessage {
			first.Took.Add(&m.Record)
			return m
		}), 20, time.Hour)
		worked := stream.TryMap(batches, func(ctx context.Context, b []*strMessage) ([]*strMessage, error) {
			select {
			case <-release:
				return b, nil
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		})
		flat := stream.FlatMap(worked, slices.Values[[]*strMessage])
		first.Start(stream.Map(flat, func(m *strMessage) envelope.Committable { return m.Offset }).To(consumer.CommitterSink(settings.NewCommitter())))
		w.Until("the batch", func() bool { return len(first.Took.Offsets(0)) == 10 && len(first.Took.Offsets(1)) == 10 })
		p := takeover(second, second.Works(func(ctx context.Context, m *strMessage) error { return grouptest.Idle(ctx, 10*time.Millisecond) }, settings.MaxBatch(1)))
		require.EqualValues(t, 10, first.Dropped())
		before := len(w.Journal.Commits())
		close(release)
		w.AwaitCommitted(other(p), 10)
		w.AwaitCommitted(p, 10)
		require.Equal(t, upTo(0, 10), second.Took.Offsets(p), "all of it is delivered again")
		owner := w.Journal.CommitsOf(p, before)
		for i, c := range owner {
			require.Equal(t, owner[0].Member, c.Member, "somebody else committed a partition of the second's")
			require.True(t, i == 0 || c.Offset > owner[i-1].Offset, owner)
		}
		require.NotEqual(t, owner[0].Member, w.Journal.CommitsOf(other(p), before)[0].Member)
		first.Drain()
		second.Drain()
	})
}

// A function of the user's does not return during a revoke: the partition goes at the deadline, the
// log names the stage, and the stream goes on when the function does.
func TestFunctionThatDoesNotReturnInARevoke(t *testing.T) {
	grouptest.Each(t, grouptest.Incremental, 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
		w.Write(goes, 0, 100)
		first, second := w.Member(append(kind.Member(0), settings.RevokeTimeout(5*time.Second))...), w.Member(kind.Member(1)...)
		release := grouptest.NewGate(t)
		first.Start(first.Works(func(context.Context, *strMessage) error {
			<-release.C // whatever the context says
			return nil
		}))
		w.Until("the first element", func() bool { return len(first.Took.Offsets(goes)) == 1 })
		began := time.Now()
		require.Equal(t, goes, takeover(second, second.Works(nil)))
		require.GreaterOrEqual(t, time.Since(began), 5*time.Second)
		require.Less(t, time.Since(began), 8*time.Second)
		require.Contains(t, w.Log.String(), "partitions are given up with records in flight")
		require.Contains(t, w.Log.String(), "work", "the stage is named")
		w.AwaitCommitted(goes, 100)
		before := len(w.Journal.Commits())
		release.Open()
		w.Write(other(goes), 0, 100)
		w.AwaitCommitted(other(goes), 100)
		require.Empty(t, w.Journal.CommitsOf(goes, before), "the old owner has committed")
		require.Equal(t, upTo(0, 100), second.Took.Offsets(goes))
		require.Len(t, first.Took.Offsets(goes), 1)
		first.Drain()
		second.Drain()
	})
}

// What user code was handed and finishes after its partition was revoked is ignored; the new owner
// reads it again, and its commits stand.
func TestCommitOfARevokedPartitionIsIgnored(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		w.Write(1, 0, 100)
		first, second := w.Member(settings.RevokeTimeout(time.Second)), w.Member()
		var mu sync.Mutex
		var had []*strMessage
		manual := stream.ForEachManual(func(_ context.Context, m *strMessage) error {
			mu.Lock()
			defer mu.Unlock()
			had = append(had, m)
			first.Took.Add(&m.Record)
			if m.Record.Offset() < 10 {
				m.Offset.Commit()
			}
			return nil
		})
		committed := stream.Map(first.Handle.CommittableSource(), func(m *strMessage) *strMessage { return m })
		sink := stream.Broadcast(manual, stream.NewFlow(func(src stream.Source[*strMessage]) stream.Source[envelope.Committable] {
			return stream.FilterMap(src, func(m *strMessage) (envelope.Committable, bool) { return nil, false })
		}).To(consumer.CommitterSink(settings.NewCommitter(settings.MaxInterval(10*time.Millisecond)))))
		first.Start(committed.To(sink))
		w.Until("all to be handed over", func() bool { return len(first.Took.Offsets(0)) == 100 && len(first.Took.Offsets(1)) == 100 })
		w.AwaitCommitted(0, 10)
		w.AwaitCommitted(1, 10)
		p := takeover(second, second.Works(func(ctx context.Context, m *strMessage) error {
			if m.Record.Offset() == 50 {
				return grouptest.Idle(ctx, time.Minute)
			}
			return nil
		}, settings.MaxInterval(10*time.Millisecond)))
		w.AwaitCommitted(p, 50)
		before := len(w.Journal.Commits())
		mu.Lock()
		for _, m := range had {
			m.Offset.Commit() // of both partitions
		}
		mu.Unlock()
		w.AwaitCommitted(other(p), 100)
		require.EqualValues(t, 50, w.Committed(p))
		require.Empty(t, w.Journal.CommitsOf(p, before))
		w.AwaitCommitted(p, 100)
		require.Equal(t, upTo(10, 100), second.Took.Offsets(p))
		first.Drain()
		second.Drain()
	})
}
