package consumer_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/stream"
)

// The summary of a copy says what was read, written and committed, of one stream and of
// sub-streams, also where a run goes on from what another has committed.
func TestSummaryOfACopy(t *testing.T) {
	for name, graph := range map[string]func(t *testing.T, w *grouptest.World) stream.Graph{
		"one stream": func(t *testing.T, w *grouptest.World) stream.Graph {
			return stream.Map(w.ToEnd().CommittableSource(), copyOf("out")).To(sink(t, w, onlyAtTheEnd()))
		},
		"sub-streams": func(t *testing.T, w *grouptest.World) stream.Graph {
			return stream.Each(w.ToEnd().CommittablePartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*strMessage]) stream.Graph {
				return stream.Map(src, copyOf("out")).To(producer.CommittableSink(w.Producer(), onlyAtTheEnd()))
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
				w.Fill(2, 0, 100)
				for _, n := range []int64{200, 60} {
					ctl := w.Start(graph(t, w))
					require.NoError(t, w.Outcome(ctl))
					s := ctl.Summary()
					require.EqualValues(t, n, s.In)
					require.Equal(t, n, s.Written)
					require.Equal(t, n, s.Committed)
					w.Fill(2, 100, 30)
				}
			}, grouptest.Broker(kafkatest.Topics(2, "out")))
		})
	}
}
