//go:build synctests

package consumer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// endOf is the end of a graph of messages; that of sub-streams stands in each sub-graph.
type endOf func(src stream.Source[*strMessage]) stream.Graph

func inEach(src stream.Source[stream.Sub[consumer.TopicPartition, *strMessage]], end endOf, opts ...stream.Option) stream.Graph {
	return stream.Each(src, 0, func(_ consumer.TopicPartition, src stream.Source[*strMessage]) stream.Graph { return end(src) }, opts...)
}

// messageSources are the sources of messages. Those with the offset as context are a message's
// stages.
var messageSources = map[string]func(c *strConsumer, end endOf) stream.Graph{
	"committableSource":        func(c *strConsumer, end endOf) stream.Graph { return end(c.CommittableSource()) },
	"commitWithMetadataSource": func(c *strConsumer, end endOf) stream.Graph { return end(c.CommitWithMetadataSource(noMetadata)) },
	"committablePartitionedSource in[0]": func(c *strConsumer, end endOf) stream.Graph {
		return inEach(c.CommittablePartitionedSource(), end)
	},
	"commitWithMetadataPartitionedSource in[0]": func(c *strConsumer, end endOf) stream.Graph {
		return inEach(c.CommitWithMetadataPartitionedSource(noMetadata), end)
	},
	"committablePartitionedManualOffsetSource in[0]": func(c *strConsumer, end endOf) stream.Graph {
		return inEach(c.CommittablePartitionedManualOffsetSource(noOffsets, nil), end)
	},
}

// requireRefused says that the graph is not run, and that the error names the source.
func requireRefused(t *testing.T, w *grouptest.World, source string, g stream.Graph) {
	t.Helper()
	var none *consumer.NoCommitterError
	require.ErrorAs(t, g.Run(t.Context()), &none)
	require.Equal(t, &consumer.NoCommitterError{Source: source, Group: w.Group}, none)
	require.ErrorContains(t, none, "consumer.CommitsElsewhere")
	require.EqualValues(t, -1, w.Committed(0))
}

// A source that commits and a graph that does not are a mistake, which is told before a record is
// given out, of whatever kind the end is. The handle is free afterwards.
func TestNoCommitter(t *testing.T) {
	got := make(chan *strMessage, 100)
	begun := func(context.Context, *strMessage) error { return errors.New("a record was given out") }
	ends := map[string]endOf{
		"for each":        func(src stream.Source[*strMessage]) stream.Graph { return src.To(stream.ForEach(begun)) },
		"for each manual": func(src stream.Source[*strMessage]) stream.Graph { return src.To(stream.ForEachManual(begun)) },
		"ignore":          func(src stream.Source[*strMessage]) stream.Graph { return src.To(stream.Ignore[*strMessage]()) },
		"channel":         func(src stream.Source[*strMessage]) stream.Graph { return src.To(stream.ToChan(got)) },
		"diverted, broadcast": func(src stream.Source[*strMessage]) stream.Graph {
			odd := src.Divert(func(m *strMessage) bool { return m.Record.Offset()%2 == 1 }, stream.Ignore[*strMessage]())
			return stream.TryMap(odd, func(ctx context.Context, m *strMessage) (*strMessage, error) { return m, begun(ctx, m) }).
				To(stream.Broadcast(stream.Ignore[*strMessage](), stream.ToChan(got)))
		},
	}
	for source, graph := range messageSources {
		t.Run(source, func(t *testing.T) {
			grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
				w.Fill(1, 0, 10)
				c := w.ToEnd()
				for _, end := range ends {
					requireRefused(t, w, source, graph(c, end))
				}
				require.Empty(t, got)
				require.NoError(t, graph(c, func(src stream.Source[*strMessage]) stream.Graph {
					return src.To(new(grouptest.Deliveries).Committing())
				}).Run(t.Context()))
				require.EqualValues(t, 10, w.Committed(0))
			})
		})
	}
	grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Fill(1, 0, 10)
		c := w.ToEnd()
		for _, src := range []stream.SourceWithContext[*strRecord, envelope.Committable]{c.SourceWithOffsetContext(), c.SourceWithOffsetContextAndMetadata(noMetadata)} {
			requireRefused(t, w, "sourceWithOffsetContext", src.Pairs().To(stream.Ignore[stream.Pair[*strRecord, envelope.Committable]]()))
		}
		var none *consumer.NoCommitterError
		for _, err := range c.CommittableSource().All(t.Context()) {
			require.ErrorAs(t, err, &none)
		}
		require.NotNil(t, none)
		_, err := stream.First(t.Context(), c.CommittableSource().Named("orders"))
		require.ErrorAs(t, err, &none)
		require.Equal(t, "orders", none.Source)
	})
}

// It is told together with what else is wrong.
func TestNoCommitterIsToldWithOtherProblems(t *testing.T) {
	grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
		c := consumer.New(w.Loose(), consumer.Partitions(at(0)))
		err := c.CommittableSource().To(stream.Ignore[*strMessage]()).Run(t.Context())
		var none *consumer.NoCommitterError
		require.ErrorAs(t, err, &none)
		require.ErrorIs(t, err, consumer.ErrNoGroup)
		c = consumer.New(w.Settings(), consumer.Topics("in"), consumer.CommitsElsewhere(settings.MaxBatch(0)))
		err = c.CommittableSource().To(stream.Ignore[*strMessage]()).Run(t.Context())
		var problem *settings.Problem
		require.ErrorAs(t, err, &problem)
		require.NotErrorAs(t, err, &none)
	})
}

// One partition's sub-graph commits and another's does not: that is refused whichever is first, and
// no policy skips it.
func TestNoCommitterInOneSubGraph(t *testing.T) {
	for _, commits := range []int32{0, 1} {
		grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
			w.Fill(2, 0, 10)
			c := w.Consumer()
			g := stream.Each(c.CommittablePartitionedSource(), 0, func(p consumer.TopicPartition, src stream.Source[*strMessage]) stream.Graph {
				if p.Partition == commits {
					return src.To(new(grouptest.Deliveries).Committing())
				}
				return src.To(stream.Ignore[*strMessage]())
			}, stream.OnError(stream.Skip()))
			var none *consumer.NoCommitterError
			require.ErrorAs(t, w.Outcome(w.Start(g)), &none)
			require.Equal(t, "committablePartitionedSource "+at(1-commits).String(), none.Source)
		})
	}
}

// subsOf are sub-streams that the user makes, one of each ten messages.
func subsOf(c *strConsumer) stream.Source[stream.Sub[int64, *strMessage]] {
	return stream.Map(stream.Batch(c.CommittableSource(), 10, time.Second), func(ms []*strMessage) stream.Sub[int64, *strMessage] {
		return stream.Sub[int64, *strMessage]{Key: ms[0].Record.Offset(), Source: stream.FromSlice(ms)}
	})
}

// Where the graph's end is an Each, its sub-graphs are looked at, and for those inside of them
// theirs. A committing stage before the Each is as good.
func TestCommitterInSubGraphs(t *testing.T) {
	commits := func(_ int64, src stream.Source[*strMessage]) stream.Graph {
		return src.To(new(grouptest.Deliveries).Committing())
	}
	forgets := func(_ int64, src stream.Source[*strMessage]) stream.Graph {
		return src.To(stream.Ignore[*strMessage]())
	}
	inner := func(graph func(int64, stream.Source[*strMessage]) stream.Graph) func(int64, stream.Source[*strMessage]) stream.Graph {
		return func(k int64, src stream.Source[*strMessage]) stream.Graph {
			one := stream.FromSlice([]stream.Sub[int64, *strMessage]{{Key: k, Source: src}})
			return stream.Each(one, 0, graph)
		}
	}
	grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Fill(1, 0, 30)
		handle := func() *strConsumer { return w.ToEnd() }
		requireRefused(t, w, "committableSource", stream.Each(subsOf(handle()), 1, forgets))
		requireRefused(t, w, "committableSource", stream.Each(subsOf(handle()), 1, inner(forgets), stream.OnError(stream.Skip())))
		requireRefused(t, w, "committableSource", stream.Concat(stream.FromSlice[*strMessage](nil), handle().CommittableSource()).To(stream.Ignore[*strMessage]()))

		require.NoError(t, stream.Each(subsOf(handle()), 1, commits).Run(t.Context()))
		require.EqualValues(t, 30, w.Committed(0))
		w.Fill(1, 30, 10)
		require.NoError(t, stream.Each(subsOf(handle()), 1, inner(commits)).Run(t.Context()))
		require.EqualValues(t, 40, w.Committed(0))
		w.Fill(1, 40, 10)
		require.NoError(t, handle().CommittableSource().To(stream.Broadcast(stream.Ignore[*strMessage](), new(grouptest.Deliveries).Committing())).Run(t.Context()))
		require.EqualValues(t, 50, w.Committed(0))
	})
}

// A committing stage that cannot be built, since its settings are wrong, is there all the same: no
// other is asked for.
func TestCommitterWithWrongSettingsIsOne(t *testing.T) {
	grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
		wrong := settings.NewCommitter(settings.MaxBatch(0))
		for name, end := range map[string]endOf{
			"sink": func(src stream.Source[*strMessage]) stream.Graph {
				return grouptest.Offsets(src).To(consumer.CommitterSink(wrong))
			},
			"flow": func(src stream.Source[*strMessage]) stream.Graph {
				return stream.Via(grouptest.Offsets(src), consumer.CommitterFlow(wrong)).To(stream.Ignore[consumer.Committed]())
			},
		} {
			err := end(w.Consumer().CommittableSource()).Run(t.Context())
			require.ErrorContains(t, err, "MaxBatch", name)
			var none *consumer.NoCommitterError
			require.NotErrorAs(t, err, &none, name)
		}
	})
}
