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
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// row is what a user makes of a message.
type row struct {
	Number  int
	Message *strMessage
}

func rowOf(m *strMessage) row { return row{len(m.Value), m} }

// Elements of any type that carries an offset are committed, where some are left out too.
func TestCommitterSinkOf(t *testing.T) {
	cm := onlyAtTheEnd()
	for name, graph := range map[string]func(w *grouptest.World, src stream.Source[*strMessage]) stream.Graph{
		"messages": func(_ *grouptest.World, src stream.Source[*strMessage]) stream.Graph {
			return src.To(consumer.CommitterSinkOf[*strMessage](cm))
		},
		"rows": func(_ *grouptest.World, src stream.Source[*strMessage]) stream.Graph {
			return stream.Map(src, rowOf).Filter(func(r row) bool { return r.Number > 1 }).To(consumer.CommitterSinkOf[row](cm))
		},
		"batches": func(_ *grouptest.World, src stream.Source[*strMessage]) stream.Graph {
			return stream.Batch(src, 7, time.Second).To(consumer.CommitterSinkOf[[]*strMessage](cm))
		},
		"results of messages": func(w *grouptest.World, src stream.Source[*strMessage]) stream.Graph {
			out := stream.Map(src, func(m *strMessage) envelope.Envelope[string, string, *strMessage] {
				return envelope.Single(*envelope.New("out", "k", m.Value), m)
			})
			results := stream.Via(out, producer.FlexiFlow[*strMessage](w.Producer()))
			return results.To(consumer.CommitterSinkOf[envelope.Results[string, string, *strMessage]](cm))
		},
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
				w.Write(0, 0, 50)
				require.NoError(t, graph(w, w.ToEnd().CommittableSource()).Run(t.Context()))
				require.EqualValues(t, 50, w.Committed(0))
			}, grouptest.Broker(kafkatest.Topics(1, "out")))
		})
	}
}

// An element that is not finished holds its offset: what a batch does not reach the sink with is
// not committed.
func TestCommitterSinkOfBatchThatFails(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 50)
		errFull := errors.New("the disk is full")
		saved := stream.TryMap(stream.Batch(w.ToEnd().CommittableSource(), 10, time.Second), func(_ context.Context, ms []*strMessage) ([]*strMessage, error) {
			if ms[0].Record.Offset() >= 20 {
				return nil, errFull
			}
			return ms, nil
		})
		require.ErrorIs(t, saved.To(consumer.CommitterSinkOf[[]*strMessage](onlyAtTheEnd())).Run(t.Context()), errFull)
		require.EqualValues(t, 20, w.Committed(0))
	})
}

// Batches that came by a channel finish their records, also one by one and shown twice; what
// carries nothing finishes none.
func TestCommitterSinkOfAnotherGraph(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 10)
		w.Handle = []consumer.Option{consumer.CommitsElsewhere(settings.MaxInterval(10 * time.Millisecond))}
		taken := make(chan *strMessage)
		ctl := w.Start(w.Consumer().CommittableSource().To(stream.ToChan(taken)))
		type batch = stream.Pair[[]*strMessage, envelope.Committable]
		batches := make(chan batch)
		committing := w.Start(stream.FromChan(batches).To(consumer.CommitterSinkOf[batch](quickly())))
		one, two, three := <-taken, <-taken, <-taken
		batches <- batch{}
		batches <- batch{Value: []*strMessage{one, nil, two}, Context: two.Offset}
		w.Journal.AwaitCommit(t, 0, 2)
		batches <- batch{Context: three.Offset}
		w.Journal.AwaitCommit(t, 0, 3)
		close(batches)
		<-committing.Done()
		require.NoError(t, committing.Err())
		ctl.Stop()
		<-ctl.Done()
	})
}

// MaxBatch counts offsets, and not elements.
func TestCommitterSinkOfCountsOffsets(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 30)
		cm := settings.NewCommitter(settings.MaxBatch(20), settings.MaxInterval(time.Hour))
		w.Start(stream.Batch(w.Consumer().CommittableSource(), 10, time.Hour).To(consumer.CommitterSinkOf[[]*strMessage](cm)))
		w.Journal.AwaitCommit(t, 0, 20)
	})
}

// A type that carries no offset is told with what would, and everything else that is wrong, before
// anything is read.
func TestCommitterSinkOfNoOffset(t *testing.T) {
	bad := settings.NewCommitter(settings.MaxBatch(-1))
	graph := stream.FromSlice([]*hidden{{offset: nil}}).To(consumer.CommitterSinkOf[*hidden](bad))
	err := graph.Run(t.Context())
	var none *consumer.OffsetTypeError
	require.ErrorAs(t, err, &none)
	require.Equal(t, "*consumer_test.hidden", none.Type)
	require.Equal(t, "its field consumer_test.hidden.offset is not exported", none.Reason)
	require.ErrorContains(t, err, "elements of type *consumer_test.hidden carry no offset to commit (its field consumer_test.hidden.offset is not exported): "+
		"accepted are an envelope.Committable, an envelope.Carrier")
	require.ErrorIs(t, err, bad.Err())
	require.ErrorContains(t, stream.FromSlice([]any{1}).To(consumer.CommitterSinkOf[any](quickly())).Run(t.Context()), "elements of type interface {} carry")
}

type hidden struct{ offset envelope.Committable }

// What is no consumer's has its Commit called, and needs no consumer.
func TestCommitterSinkOfFakes(t *testing.T) {
	fakes := make([]*kafkatest.FakeCommittable, 5)
	for i := range fakes {
		fakes[i] = &kafkatest.FakeCommittable{}
	}
	require.NoError(t, stream.FromSlice(append(fakes, nil)).To(consumer.CommitterSinkOf[*kafkatest.FakeCommittable](quickly())).Run(t.Context()))
	require.NoError(t, stream.FromSlice([][]*kafkatest.FakeCommittable{fakes, nil}).To(consumer.CommitterSinkOf[[]*kafkatest.FakeCommittable](quickly())).Run(t.Context()))
	for _, f := range fakes {
		require.Equal(t, 2, f.Commits())
	}
}
