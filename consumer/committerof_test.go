package consumer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// row is what a user makes of a message.
type row struct {
	Number  int
	Message commitMessage
}

func rowOf(m commitMessage) row { return row{len(m.Value), m} }

// Elements of any type that carries an offset are committed, where some are left out too.
func TestCommitterSinkOf(t *testing.T) {
	cm := onlyAtTheEnd()
	for name, graph := range map[string]func(w *commitWorld, src stream.Source[commitMessage]) stream.Graph{
		"messages": func(_ *commitWorld, src stream.Source[commitMessage]) stream.Graph {
			return src.To(consumer.CommitterSinkOf[commitMessage](cm))
		},
		"rows": func(_ *commitWorld, src stream.Source[commitMessage]) stream.Graph {
			return stream.Map(src, rowOf).Filter(func(r row) bool { return r.Number > 1 }).To(consumer.CommitterSinkOf[row](cm))
		},
		"batches": func(_ *commitWorld, src stream.Source[commitMessage]) stream.Graph {
			return stream.Batch(src, 7, time.Second).To(consumer.CommitterSinkOf[[]commitMessage](cm))
		},
		"results of messages": func(w *commitWorld, src stream.Source[commitMessage]) stream.Graph {
			out := stream.Map(src, func(m commitMessage) envelope.Envelope[string, string, commitMessage] {
				return envelope.Single(*envelope.New("out", "k", m.Value), m)
			})
			results := stream.Via(out, producer.FlexiFlow[commitMessage](w.producer()))
			return results.To(consumer.CommitterSinkOf[envelope.Results[string, string, commitMessage]](cm))
		},
	} {
		t.Run(name, func(t *testing.T) {
			onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
				w := newCommitWorld(t, k, 50)
				require.NoError(t, graph(w, w.toEnd().CommittableSource()).Run(t.Context()))
				require.EqualValues(t, 50, w.committed(0))
			}, kafkatest.Topics(1, "in", "out"))
		})
	}
}

// An element that is not finished holds its offset: what a batch does not reach the sink with is
// not committed.
func TestCommitterSinkOfBatchThatFails(t *testing.T) {
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 50)
		errFull := errors.New("the disk is full")
		saved := stream.TryMap(stream.Batch(w.toEnd().CommittableSource(), 10, time.Second), func(_ context.Context, ms []commitMessage) ([]commitMessage, error) {
			if ms[0].Record.Offset() >= 20 {
				return nil, errFull
			}
			return ms, nil
		})
		require.ErrorIs(t, saved.To(consumer.CommitterSinkOf[[]commitMessage](onlyAtTheEnd())).Run(t.Context()), errFull)
		require.EqualValues(t, 20, w.committed(0))
	}, kafkatest.Topics(1, "in"))
}

// Batches that came by a channel finish their records, also one by one and shown twice; what
// carries nothing finishes none.
func TestCommitterSinkOfAnotherGraph(t *testing.T) {
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 10)
		w.options = []consumer.Option{consumer.CommitsElsewhere(settings.MaxInterval(10 * time.Millisecond))}
		taken := make(chan commitMessage)
		ctl := w.start(w.consumer().CommittableSource().To(stream.ToChan(taken)))
		type batch = stream.Pair[[]commitMessage, envelope.Committable]
		batches := make(chan batch)
		committing := w.start(stream.FromChan(batches).To(consumer.CommitterSinkOf[batch](quickly())))
		one, two, three := <-taken, <-taken, <-taken
		batches <- batch{}
		batches <- batch{Value: []commitMessage{one, nil, two}, Context: two.Offset}
		w.log.await(t, 0, 2)
		batches <- batch{Context: three.Offset}
		w.log.await(t, 0, 3)
		close(batches)
		<-committing.Done()
		require.NoError(t, committing.Err())
		ctl.Stop()
		<-ctl.Done()
	}, kafkatest.Topics(1, "in"))
}

// MaxBatch counts offsets, and not elements.
func TestCommitterSinkOfCountsOffsets(t *testing.T) {
	onBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := newCommitWorld(t, k, 30)
		cm := settings.NewCommitter(settings.MaxBatch(20), settings.MaxInterval(time.Hour))
		w.start(stream.Batch(w.consumer().CommittableSource(), 10, time.Hour).To(consumer.CommitterSinkOf[[]commitMessage](cm)))
		w.log.await(t, 0, 20)
	}, kafkatest.Topics(1, "in"))
}

// A type that carries no offset is told with what would, and everything else that is wrong, before
// anything is read.
func TestCommitterSinkOfNoOffset(t *testing.T) {
	bad := settings.NewCommitter(settings.MaxBatch(-1))
	graph := stream.FromSlice([]*hidden{{}}).To(consumer.CommitterSinkOf[*hidden](bad))
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
