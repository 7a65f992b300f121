package consumer_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// A Batch that is larger than the tracker does not wait for what cannot come.
func TestCommitBatchLargerThanTheTracker(t *testing.T) {
	for _, partitioned := range []bool{false, true} {
		grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
			graph := func(src stream.Source[*strMessage]) stream.Graph {
				return stream.Batch(src, 100_000, slowly).To(stream.Broadcast(stream.Ignore[[]*strMessage](), stream.NewFlow(func(src stream.Source[[]*strMessage]) stream.Source[*strMessage] {
					return stream.Map(src, func(ms []*strMessage) *strMessage { return ms[0] })
				}).To(onlyArms(quickly()))))
			}
			c := w.Consumer(settings.TrackLimit(128))
			var ctl *stream.Control
			if partitioned {
				ctl = w.Start(stream.Each(c.CommittablePartitionedSource(), 4, func(_ consumer.TopicPartition, src stream.Source[*strMessage]) stream.Graph { return graph(src) }))
			} else {
				ctl = w.Start(graph(c.CommittableSource()))
			}
			w.Write(1, 0, 300)
			w.Write(0, 0, 2000)
			w.Journal.AwaitCommit(t, 0, 1800)
			w.Until("the rest in a batch that is not full, of a tracker that is not", func() bool {
				m, err := c.Metrics()
				require.NoError(t, err)
				return m.Queued == 0 && w.Committed(0)+w.Committed(1)+int64(m.Outstanding) == 2300
			})
			require.NoError(t, ctl.Drain(t.Context()))
			// What the batch held has met no stage with effects: it is given back, and none of it
			// is missing.
			rest := w.Rest()
			require.EqualValues(t, 2000, w.Committed(0)+int64(len(rest.Of(0))))
			require.EqualValues(t, 300, w.Committed(1)+int64(len(rest.Of(1))))
			w.Journal.RequireForward(t)
		})
	}
}

// A record that is stuck holds back its partition's offset, and, when the tracker is full, its
// fetching; nothing else. It is shown.
func TestCommitHeldBackByOneRecord(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		c := w.Consumer(settings.TrackLimit(512))
		release, stuck := make(chan struct{}), make(chan struct{})
		src := stream.MapAsyncUnordered(c.CommittableSource(), 4, func(_ context.Context, m *strMessage) (*strMessage, error) {
			if m.Record.Partition() == 0 && m.Record.Offset() == 10 {
				close(stuck)
				<-release
			}
			return m, nil
		})
		ctl := w.Start(grouptest.Offsets(src).To(consumer.CommitterSink(quickly())))
		w.Write(1, 0, 500)
		w.Write(0, 0, 600) // in one fetch perhaps, which is more than the tracker takes
		w.Await("the record", stuck)
		w.AtRest()
		w.Write(0, 600, 3000)
		w.Journal.AwaitCommit(t, 0, 10)
		w.Journal.AwaitCommit(t, 1, 500)
		if w.AtRest() {
			m, err := c.Metrics()
			require.NoError(t, err)
			require.Equal(t, 1, m.Outstanding)
			require.Equal(t, 1, m.Held)
			require.LessOrEqual(t, m.Fetched, int64(500+600))
			require.Equal(t, 1, ctl.Snapshot().Outstanding)
		}
		require.EqualValues(t, 10, w.Committed(0))
		close(release)
		w.Journal.AwaitCommit(t, 0, 3000)
		require.NoError(t, ctl.Drain(t.Context()))
		w.Journal.RequireForward(t)
	})
}

// Attempts of a stage do not finish a record: the last one does.
func TestCommitBehindRetries(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		attempts := map[int64]int{}
		flaky := stream.TryMap(w.ToEnd().CommittableSource(), func(_ context.Context, m *strMessage) (*strMessage, error) {
			o := m.Record.Offset()
			if attempts[o]++; o%9 == 4 && attempts[o] <= 3 {
				return nil, errors.New("not yet")
			}
			return m, nil
		}, stream.OnError(stream.Retry(stream.Backoff{First: time.Millisecond, Attempts: 5})))
		require.NoError(t, grouptest.Offsets(flaky).To(consumer.CommitterSink(quickly())).Run(t.Context()))
		require.EqualValues(t, 100, w.Committed(0))
		require.Equal(t, 4, attempts[4])
		require.Equal(t, 1, attempts[5])
	})
}

// An element that is given up while its partition stays is delivered again, and so is what came
// after it; nothing is committed beyond it before that. The branch that refuses is a sub-stream
// that fails, which Each skips: another one follows.
func TestCommitAbandonedIsDeliveredAgain(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 200)
		var mu sync.Mutex
		failed, got := map[int64]int{}, map[int64]int{}
		graph := func(_ consumer.TopicPartition, src stream.Source[*strMessage]) stream.Graph {
			return grouptest.Offsets(stream.TryMap(src, func(_ context.Context, m *strMessage) (*strMessage, error) {
				mu.Lock()
				defer mu.Unlock()
				o := m.Record.Offset()
				if failed[o]++; o%50 == 25 && failed[o] <= 2 { // twice at the same offset
					return nil, errors.New("broken")
				}
				got[o]++
				return m, nil
			})).To(consumer.CommitterSink(quickly()))
		}
		require.NoError(t, stream.Each(w.ToEnd().CommittablePartitionedSource(), 4, graph, stream.OnError(stream.Skip())).Run(t.Context()))
		require.EqualValues(t, 200, w.Committed(0))
		for o := range int64(200) {
			require.Equal(t, 1, got[o], o)
		}
		w.Journal.RequireForward(t)
	})
}

// A branch of a Broadcast that ends gives up what it is given from then on; while others live, that
// holds back nothing.
func TestCommitBranchThatEnds(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 300)
		branch := stream.NewFlow(func(src stream.Source[*strMessage]) stream.Source[*strMessage] { return src.Take(20) }).To(stream.Ignore[*strMessage]())
		n := 0
		count := stream.ForEach(func(context.Context, *strMessage) error {
			n++
			return nil
		})
		require.NoError(t, w.ToEnd().CommittableSource().To(stream.Broadcast(branch, count, onlyArms(quickly()))).Run(t.Context()))
		require.EqualValues(t, 300, w.Committed(0))
		require.Equal(t, 300, n)
	})
}

// refusing is a sink that gives up the elements for which refuse says so.
func refusing(refuse func(*strMessage) bool) stream.Sink[*strMessage] {
	return stream.Sink[*strMessage](blueprint.NewSink(func(b *core.Builder, at core.At) core.Stage[*strMessage] {
		isl := at.Island
		info := isl.AddStage(b.Name("refusing"))
		return core.Stage[*strMessage]{Push: func(m *strMessage) {
			isl.In(info)
			if refuse(m) {
				isl.Abandon()
			}
		}, Done: func() {}, Link: &core.Link{}}
	}))
}

// An element that is given up while the run goes on and its partition stays: the consumer goes back
// to it, twice to the same one if need be.
func TestCommitRewind(t *testing.T) {
	for _, behind := range []bool{false, true} {
		grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
			w.Write(0, 0, 500)
			w.Write(1, 0, 500)
			var mu sync.Mutex
			refused, got := map[[2]int64]int{}, map[[2]int64]int{}
			sink := refusing(func(m *strMessage) bool {
				mu.Lock()
				defer mu.Unlock()
				at := [2]int64{int64(m.Partition()), m.Record.Offset()}
				if at[0] == 0 && (at[1] == 0 || at[1] == 100 || at[1] == 499) && refused[at] < 2 {
					for _, c := range w.Journal.CommitsOf(0, 0) {
						require.LessOrEqual(t, c.Offset, at[1])
					}
					refused[at]++
					return true
				}
				got[at]++
				return false
			})
			src := w.ToEnd().CommittableSource()
			if behind {
				src = stream.MapAsyncUnordered(src, 4, func(_ context.Context, m *strMessage) (*strMessage, error) { return m, nil })
			}
			require.NoError(t, src.To(stream.Broadcast(sink, onlyArms(quickly()))).Run(t.Context()))
			require.EqualValues(t, 500, w.Committed(0))
			require.EqualValues(t, 500, w.Committed(1))
			require.Len(t, got, 1000)
			require.Len(t, refused, 3)
			for at, n := range refused {
				require.Equal(t, 2, n, at)
			}
			w.Journal.RequireForward(t)
		})
	}
}
