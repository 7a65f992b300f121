package producer_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// envelopes makes n of all kinds, in a random order, that pass their places through.
func envelopes(rng *rand.Rand, n int, topics ...string) []env {
	envs := make([]env, n)
	for i := range envs {
		rec := func(part int) record {
			topic := topics[rng.IntN(len(topics))]
			return *envelope.New(topic, fmt.Sprint("k", i), fmt.Sprint(i, ".", part))
		}
		switch rng.IntN(10) {
		case 0:
			envs[i] = envelope.PassThrough[string, string](i)
		case 1:
			envs[i] = envelope.Multi[string, string](nil, i)
		case 2, 3:
			recs := make([]record, 1+rng.IntN(5))
			for j := range recs {
				recs[j] = rec(j)
			}
			envs[i] = envelope.Multi(recs, i)
		default:
			envs[i] = envelope.Single(rec(0), i)
		}
	}
	return envs
}

// requireResult says that a result is the i-th envelope's, complete and without an error, and that
// its metadata leads to what was written.
func requireResult(t *testing.T, i int, e env, r res, written map[place]*kgo.Record) {
	t.Helper()
	require.Equal(t, i, r.Pass())
	require.NoError(t, r.Failed())
	check := func(rec *record, md envelope.Metadata) {
		w := written[place{md.Topic, md.Partition, md.Offset}]
		require.NotNil(t, w, "%v", md)
		require.Equal(t, rec.Topic, md.Topic)
		require.Equal(t, rec.Value, string(w.Value))
		require.True(t, md.Timestamp.Equal(w.Timestamp), "%v is not %v", md.Timestamp, w.Timestamp)
		require.Equal(t, len(w.Key), md.KeySize)
		require.Equal(t, len(w.Value), md.ValueSize)
	}
	switch e := e.(type) {
	case *msg:
		got, ok := r.(*envelope.Result[string, string, int])
		require.True(t, ok, "%T", r)
		require.Same(t, &e.Record, got.Record)
		require.Equal(t, e.PassThrough, got.PassThrough)
		check(&e.Record, got.Metadata)
	case *multi:
		got, ok := r.(*envelope.MultiResult[string, string, int])
		require.True(t, ok, "%T", r)
		require.Len(t, got.Parts, len(e.Records))
		for j, part := range got.Parts {
			require.NoError(t, part.Err)
			require.Same(t, &e.Records[j], part.Record)
			check(part.Record, part.Metadata)
		}
	case *pass:
		require.IsType(t, &envelope.PassThroughResult[string, string, int]{}, r)
	}
}

type place struct {
	topic     string
	partition int32
	offset    int64
}

func written(t *testing.T, k *kafkatest.Broker, topics ...string) map[place]*kgo.Record {
	t.Helper()
	m := map[place]*kgo.Record{}
	for _, topic := range topics {
		for _, r := range kafkatest.ReadAll(t, k, topic) {
			m[place{r.Topic, r.Partition, r.Offset}] = r
		}
	}
	return m
}

func TestFlexiFlowGivesOneResultAnEnvelopeInOrder(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Brokers(2), kafkatest.Topics(3, "a", "b"), kafkatest.InMemory())
	rng := rand.New(rand.NewPCG(1, 2))
	for name, window := range map[string]int{"default": 45_000, "small": 7, "one": 1} {
		t.Run(name, func(t *testing.T) {
			envs := envelopes(rng, 3000/(1+45_000/window/1000), "a", "b")
			results, err := stream.Collect(t.Context(), stream.Via(stream.FromSlice(envs), producer.FlexiFlow[int](sets(k, settings.Window(window, unbounded), settings.Linger(0)))))
			require.NoError(t, err)
			require.Len(t, results, len(envs))
			there := written(t, k, "a", "b")
			for i, r := range results {
				requireResult(t, i, envs[i], r, there)
			}
		})
	}
}

// Acknowledgements that come in another order than the envelopes change nothing about the results'
// order.
func TestFlexiFlowKeepsTheOrderOfLateAcknowledgements(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Brokers(3), kafkatest.Topics(1, "a", "b", "c"), kafkatest.InMemory())
	apart(t, k, "a", "b", "c")
	rng := rand.New(rand.NewPCG(3, 4))
	envs := envelopes(rng, 2000, "a", "b", "c")
	// The first of each topic is held, so that nothing is acknowledged; then those of c, b and a,
	// in this order, are.
	holds := []func(){k.HoldAcks("c"), k.HoldAcks("b"), k.HoldAcks("a")}
	out := make(chan res, len(envs))
	cl := client(t, sets(k))
	ctl := grouptest.Start(t, stream.Via(stream.FromSlice(envs), producer.FlexiFlow[int](bare(k), producer.On(cl))).To(stream.ToChan(out)))
	k.AwaitHeld(t, 3)
	for i, release := range holds {
		release()
		if i == len(holds)-1 {
			break
		}
		// Another sender sees its acknowledgement after those of the topic.
		topic := []string{"c", "b"}[i]
		_, err := element(t, sets(k)).Send(t.Context(), envelope.New(topic, "other", "other"))
		require.NoError(t, err)
	}
	<-ctl.Done()
	require.NoError(t, ctl.Err())
	require.Len(t, out, len(envs))
	there := written(t, k, "a", "b", "c")
	for i := range envs {
		requireResult(t, i, envs[i], <-out, there)
	}
}

func TestFlowWithContextCarriesEachElementsContext(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(4, "out"), kafkatest.InMemory())
	type none = envelope.None
	var pairs []stream.Pair[envelope.Envelope[string, string, none], string]
	for i, r := range numbered("out", 3000) {
		e := envelope.Single(*r, none{})
		switch i % 5 {
		case 0:
			e = envelope.PassThrough[string, string](none{})
		case 1:
			e = envelope.Multi([]record{*r, *r}, none{})
		case 2:
			e = envelope.Multi[string, string](nil, none{})
		}
		pairs = append(pairs, stream.Pair[envelope.Envelope[string, string, none], string]{Value: e, Context: fmt.Sprint("c", i)})
	}
	flow := producer.FlowWithContext[string](sets(k, settings.Window(50, unbounded)))
	got, err := stream.Collect(t.Context(), stream.ViaWithContext(stream.FromPairs(stream.FromSlice(pairs)), flow).Pairs())
	require.NoError(t, err)
	require.Len(t, got, len(pairs))
	for i, p := range got {
		require.Equal(t, fmt.Sprint("c", i), p.Context)
		require.NoError(t, p.Value.Failed())
		if r, ok := p.Value.(*envelope.Result[string, string, none]); ok {
			require.Equal(t, fmt.Sprint(i), r.Record.Value)
		}
	}
}

// A flow in front of a sink, two flows in a row, and a flow in a later part of a Concat.
func TestFlexiFlowComposes(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(2, "a", "b"), kafkatest.InMemory())
	again := stream.NewFlow(func(s stream.Source[res]) stream.Source[env] {
		return stream.Map(s, func(r res) env {
			return envelope.Single(*envelope.New("b", fmt.Sprint("k", r.Pass()), fmt.Sprint(r.Pass())), r.Pass())
		})
	})
	flow := producer.FlexiFlow[int](sets(k))
	sink := stream.Join(stream.Join(flow, again), flow).To(stream.Ignore[res]())
	require.NoError(t, stream.FromSlice(singles(numbered("a", 1000))).To(sink).Run(t.Context()))
	requireAll(t, k, "a", 1000)
	requireAll(t, k, "b", 1000)

	results, err := stream.Collect(t.Context(), stream.Concat(
		stream.Via(stream.FromSlice(singles(numbered("a", 10))), flow),
		stream.Via(stream.FromSlice(singles(numbered("a", 10))), flow),
	))
	require.NoError(t, err)
	require.Len(t, results, 20)
}

// Whoever wants no more ends the stream: what was sent is sent, the rest is not.
func TestFlexiFlowBehindWhichAStreamIsCutOff(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "out"), kafkatest.InMemory())
	endless := stream.FromFunc(func(_ context.Context, emit func(env) bool) error {
		for i := 0; emit(envelope.Single(*envelope.New("out", fmt.Sprint("k", i), fmt.Sprint(i)), i)); i++ {
		}
		return nil
	})
	results, err := stream.Collect(t.Context(), stream.Via(endless, producer.FlexiFlow[int](sets(k, settings.Window(100, unbounded)))).Take(10))
	require.NoError(t, err)
	require.Len(t, results, 10)
	got := kafkatest.ReadAll(t, k, "out")
	require.GreaterOrEqual(t, len(got), 10)
	requireAll(t, k, "out", len(got))
}
