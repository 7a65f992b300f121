package docs_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

func newRecord(topic, key, value string) *envelope.Record[string, string] {
	return envelope.New(topic, key, value)
}

func broker(t *testing.T, topics ...string) (*kafkatest.Broker, settings.Producer[string, string]) {
	k := kafkatest.Start(t, kafkatest.Topics(4, topics...))
	return k, settings.NewProducer(serde.String(), serde.String(), k.Bootstrap())
}

func TestPlainSink(t *testing.T) {
	k, ps := broker(t, "words")
	ctx := t.Context()
	words := []string{"a", "b", "c"}
	// snippet: plain-sink
	records := stream.Map(stream.FromSlice(words), func(w string) *envelope.Record[string, string] {
		return envelope.New("words", w, w)
	})
	err := records.To(producer.PlainSink(ps)).Run(ctx) // nil: every record is acknowledged
	// end
	require.NoError(t, err)
	require.Len(t, kafkatest.ReadAll(t, k, "words"), 3)
}

func TestFlexiFlow(t *testing.T) {
	_, ps := broker(t, "words")
	ctx := t.Context()
	var told []string
	// snippet: flexi-flow
	type request struct{ ID, Text string }
	requests := stream.FromSlice([]request{{"r1", "hello"}, {"r2", ""}, {"r3", "bye"}})

	envelopes := stream.Map(requests, func(r request) envelope.Envelope[string, string, string] {
		if r.Text == "" {
			return envelope.PassThrough[string, string](r.ID)
		}
		return envelope.Single(*envelope.New("words", r.ID, r.Text), r.ID)
	})
	// the pass-through's type is named, the rest inferred
	answers := stream.Via(envelopes, producer.FlexiFlow[string](ps))

	err := answers.To(stream.ForEach(func(_ context.Context, res envelope.Results[string, string, string]) error {
		told = append(told, res.Pass()) // in the order of the requests
		return nil
	})).Run(ctx)
	// end
	require.NoError(t, err)
	require.Equal(t, []string{"r1", "r2", "r3"}, told)
}

func TestFlowWithContext(t *testing.T) {
	_, ps := broker(t, "words")
	ctx := t.Context()
	// snippet: flow-with-context
	type request struct{ ID, Text string }
	requests := stream.WithContext(
		stream.FromSlice([]request{{"r1", "hello"}, {"r2", "bye"}}),
		func(r request) string { return r.ID })

	envelopes := stream.MapWithContext(requests, func(r request) envelope.Envelope[string, string, envelope.None] {
		return envelope.Single(*envelope.New("words", r.ID, r.Text), envelope.None{})
	})
	answers := stream.ViaWithContext(envelopes, producer.FlowWithContext[string](ps))

	// Value: the result, Context: the request's id
	pairs, err := stream.Collect(ctx, answers.Pairs())
	// end
	require.NoError(t, err)
	require.Equal(t, "r1", pairs[0].Context)
	require.Equal(t, "r2", pairs[1].Context)
}

func TestSharedClient(t *testing.T) {
	k, ps := broker(t, "orders", "audit")
	ctx := t.Context()
	orders, audit := stream.FromSlice([]*envelope.Record[string, string]{newRecord("orders", "a", "1")}), stream.FromSlice([]*envelope.Record[string, string]{newRecord("audit", "a", "1")})
	run := func() error {
		// snippet: shared-client
		client, err := producer.NewClient(ps)
		if err != nil {
			return err
		}
		defer client.Close(ctx) // after the streams: they never close it

		if err := client.Reach(ctx); err != nil {
			// names the addresses; without this, records wait for brokers up to the delivery
			// time-out
			return err
		}
		first, err := orders.To(producer.PlainSink(ps, producer.On(client))).Start(ctx)
		if err != nil {
			return err
		}
		err = audit.To(producer.PlainSink(ps, producer.On(client))).Run(ctx)
		<-first.Done()

		m := client.Metrics()
		fmt.Println(m.Acknowledged, m.Failed, m.InFlight, m.Waiting)
		return errors.Join(err, first.Err())
		// end
	}
	require.NoError(t, run())
	require.Len(t, kafkatest.ReadAll(t, k, "orders"), 1)
	require.Len(t, kafkatest.ReadAll(t, k, "audit"), 1)
}

func TestWrap(t *testing.T) {
	k, ps := broker(t, "orders")
	ctx := t.Context()
	orders := stream.FromSlice([]*envelope.Record[string, string]{newRecord("orders", "a", "1")})
	addr := k.Addrs()[0]
	run := func() error {
		// snippet: wrap
		// so that records can name their partitions
		cl, err := kgo.NewClient(kgo.SeedBrokers(addr), settings.PartitionerOpt())
		if err != nil {
			return err
		}
		defer cl.Close() // yours

		client, err := producer.Wrap(cl) // once: the window belongs to what it returns
		if err != nil {
			return err
		}
		return orders.To(producer.PlainSink(ps, producer.On(client))).Run(ctx)
		// end
	}
	require.NoError(t, run())
}

func TestElement(t *testing.T) {
	_, ps := broker(t, "words", "copies")
	ctx := t.Context()
	logged := make(chan error, 1)
	run := func() error {
		// snippet: element
		p, err := producer.NewElement(ps) // one for the whole program, from any goroutine
		if err != nil {
			return err
		}
		defer p.Close(ctx) // waits for what is in flight, within the close time-out

		md, err := p.Send(ctx, envelope.New("words", "en", "hello"))
		if err != nil {
			return err
		}
		fmt.Println(md.Topic, md.Partition, md.Offset, md.Timestamp, md.KeySize, md.ValueSize)
		// end

		// snippet: element-async
		err = p.SendAsync(ctx, envelope.New("words", "en", "hello"), func(md envelope.Metadata, err error) {
			logged <- err // on a goroutine of the Element's, one call after the other
		})
		if err != nil {
			return err // it was not sent; the function is not called
		}
		future, err := p.SendFuture(ctx, envelope.New("words", "en", "bye"))
		if err != nil {
			return err
		}
		md, err = future.Wait(ctx) // or select on future.Done()
		// end
		if err != nil {
			return err
		}
		if err := <-logged; err != nil {
			return err
		}
		// snippet: element-envelope
		res, err := producer.SendEnvelope(ctx, p, envelope.Multi([]envelope.Record[string, string]{
			*envelope.New("words", "en", "hello"),
			*envelope.New("copies", "en", "hello"),
		}, "request 7"))
		if multi, ok := res.(*envelope.MultiResult[string, string, string]); ok {
			for _, part := range multi.Parts {
				fmt.Println(multi.Pass(), part.Record.Topic, part.Metadata.Offset, part.Err)
			}
		}
		// end
		return err
	}
	require.NoError(t, run())
}

func TestSkipFailed(t *testing.T) {
	k, ps := broker(t, "words")
	ctx := t.Context()
	words := stream.FromSlice([]envelope.Envelope[string, string, int]{
		envelope.Single(*newRecord("words", "a", "a"), 1),
		envelope.Single(envelope.Record[string, string]{Topic: "words", Value: "b", Partition: envelope.ToPartition(99)}, 2),
	})
	failed := map[int]error{}
	// snippet: skip-failed
	results := stream.Via(words, producer.FlexiFlow[int](ps, producer.SkipFailed()))
	for res, err := range results.All(ctx) {
		if err != nil {
			return
		}
		if err := res.Failed(); err != nil {
			// this one is not written, or not known to be; the stream goes on
			failed[res.Pass()] = err
		}
	}
	// end
	require.Len(t, failed, 1)
	require.Error(t, failed[2])
	require.Len(t, kafkatest.ReadAll(t, k, "words"), 1)
}

func TestDeadLetters(t *testing.T) {
	k, ps := broker(t, "dead")
	words := stream.FromSlice([]string{"a", "b", "c"})
	check := func(_ context.Context, word string) (string, error) {
		if word == "b" {
			return "", errors.New("no such word")
		}
		return word, nil
	}
	// snippet: dead-letters
	deadLetters := stream.NewFlow(func(src stream.Source[stream.Failed[string]]) stream.Source[*envelope.Record[string, string]] {
		return stream.Map(src, func(f stream.Failed[string]) *envelope.Record[string, string] {
			return envelope.New("dead", f.Value, fmt.Sprintf("%v, after %d attempts", f.Err, f.Attempts))
		})
	}).To(producer.PlainSink(ps))
	tried := stream.OnError(stream.Retry(stream.Backoff{Attempts: 3, First: time.Millisecond}))
	accepted := stream.MapAsyncDivert(words, 8, check, deadLetters, tried)
	// end
	got, err := stream.Collect(t.Context(), accepted)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "c"}, got)
	dead := kafkatest.ReadAll(t, k, "dead")
	require.Len(t, dead, 1)
	require.Equal(t, "b", string(dead[0].Key))
	require.Contains(t, string(dead[0].Value), "no such word, after 3 attempts")
}

func TestProducerErrors(t *testing.T) {
	k, ps := broker(t, "words")
	ps = ps.With(settings.BatchBytes(2000), settings.Compression(kgo.NoCompression()))
	ctx := t.Context()
	_ = k
	err := stream.FromSlice([]*envelope.Record[string, string]{newRecord("words", "a", string(make([]byte, 5000)))}).To(producer.PlainSink(ps)).Run(ctx)
	var (
		place       *stream.StageError
		record      *producer.RecordError
		late        *producer.DeliveryTimeoutError
		unreachable *producer.UnreachableError
		rest        *producer.OutcomeError
	)
	// snippet: producer-errors
	if errors.As(err, &place) {
		fmt.Println("stage", place.Stage)
	}
	if errors.As(err, &record) {
		fmt.Println("a record for", record.Topic, record.Partition, record.Err)
	}
	if errors.As(err, &late) {
		fmt.Println("no outcome within", late.Timeout)
	}
	if errors.As(err, &unreachable) {
		fmt.Println("no broker at", unreachable.Addrs)
	}
	if errors.As(err, &rest) {
		fmt.Println("at the end:", rest.Undelivered, rest.Failed, rest.Unknown)
	}
	tooLarge := errors.Is(err, kerr.MessageTooLarge) // Kafka's own errors, through all of them
	// end
	require.True(t, tooLarge)
	require.NotNil(t, record)
	require.NotNil(t, place)
}

func TestDrainWithinKubernetes(t *testing.T) {
	_, ps := broker(t, "words")
	words := make(chan string)
	ctx, cancel := context.WithCancel(t.Context())
	records := stream.Map(stream.FromChan(words), func(w string) *envelope.Record[string, string] { return newRecord("words", w, w) })
	ended := make(chan error, 1)
	go func() {
		// snippet: drain
		err := records.To(producer.PlainSink(ps)).Run(ctx,
			stream.DrainTimeout(15*time.Second), // from the end of ctx on
			stream.CloseTimeout(5*time.Second))  // for outcomes after a fault or a hard stop
		// end
		ended <- err
	}()
	words <- "a"
	cancel()
	require.ErrorIs(t, <-ended, stream.ErrDrained)
}
