package docs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/bubble"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

func TestRecipeHandler(t *testing.T) {
	k, _, ps := filled(t, 0)
	said := new(bytes.Buffer)
	log := slog.New(slog.NewTextHandler(said, nil))
	// snippet: recipe-handler
	serve := func(ctx context.Context, listener net.Listener) error {
		element, err := producer.NewElement(ps) // one for the process
		if err != nil {
			return err
		}
		orders := func(w http.ResponseWriter, r *http.Request) {
			var order struct{ ID, Text string }
			if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
			defer cancel()
			at, err := element.Send(ctx, envelope.New("orders", order.ID, order.Text))
			if err != nil { // the caller may ask again
				log.Error("an order was not accepted", "order", order.ID, "error", err)
				http.Error(w, "not accepted", http.StatusServiceUnavailable)
				return
			}
			w.WriteHeader(http.StatusAccepted)
			fmt.Fprintf(w, "%s[%d]@%d", at.Topic, at.Partition, at.Offset)
		}
		server := &http.Server{Handler: http.HandlerFunc(orders)}
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		select {
		case <-ctx.Done():
		case err = <-served: // the listener has failed
		}
		// first the handlers, which still send; then the Element, which waits for what was sent
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		return errors.Join(err, server.Shutdown(end), element.Close(end))
	}
	// end
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, listener) }()
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute, DisableKeepAlives: true}}
	ask := func(of context.Context, body io.Reader) int {
		r, err := http.NewRequestWithContext(of, http.MethodPost, "http://"+listener.Addr().String(), body)
		require.NoError(t, err)
		r.Header.Set("Expect", "100-continue")
		answer, err := client.Do(r)
		require.NoError(t, err)
		answer.Body.Close()
		return answer.StatusCode
	}
	require.Equal(t, http.StatusAccepted, ask(t.Context(), strings.NewReader(`{"ID":"nr-1","Text":"hello"}`)))
	require.Equal(t, http.StatusBadRequest, ask(t.Context(), strings.NewReader(`{`)))
	large := `{"ID":"nr-2","Text":"` + strings.Repeat("x", 4<<20) + `"}`
	require.Equal(t, http.StatusServiceUnavailable, ask(t.Context(), strings.NewReader(large)))

	// What a handler has begun when the service is to end is still written.
	begun := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: leave})
	require.Equal(t, http.StatusAccepted, ask(begun, strings.NewReader(`{"ID":"nr-3","Text":"the last"}`)))
	require.NoError(t, <-ended)
	require.Len(t, kafkatest.ReadAll(t, k, "orders"), 2)
	require.Contains(t, said.String(), "order=nr-2")
	require.Contains(t, said.String(), "MESSAGE_TOO_LARGE")

	// A listener that fails ends the service, with the reason.
	require.ErrorIs(t, serve(t.Context(), listener), net.ErrClosed)
}

// table is a database's, as far as the recipe needs it: a row is there once.
type table struct {
	mu   sync.Mutex
	rows map[string]string
}

func (tb *table) upsert(_ context.Context, rows []row) error {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	for _, r := range rows {
		tb.rows[r.key] = r.text
	}
	return nil
}

type row struct{ key, text string }

func TestRecipeBatchIntoSQL(t *testing.T) {
	k, cs, _ := filled(t, 100)
	ctx, db := t.Context(), &table{rows: map[string]string{}}
	// snippet: recipe-sql
	type batch = []*consumer.CommittableMessage[string, string]
	save := func(ctx context.Context, ms batch) (batch, error) {
		rows := make([]row, len(ms))
		for i, m := range ms {
			rows[i] = row{m.Key, m.Value}
		}
		// one INSERT … ON CONFLICT (key) DO UPDATE, in one transaction: a batch may come again
		return ms, db.upsert(ctx, rows)
	}
	orders := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	patient := stream.OnError(stream.Retry(stream.Backoff{First: 100 * time.Millisecond, Max: 30 * time.Second}))
	saved := stream.TryMap(stream.Batch(orders.CommittableSource(), 500, time.Second), save, patient)
	err := saved.To(consumer.CommitterSinkOf[batch](settings.NewCommitter())).Run(ctx)
	// end
	require.NoError(t, err)
	require.Len(t, db.rows, 100)
	require.EqualValues(t, 100, committed(t, k))
}

func TestRecipeDeadLetters(t *testing.T) {
	k, cs, _ := filled(t, 100)
	tracing := kgo.RecordHeader{Key: "trace", Value: []byte("4711")}
	kafkatest.Produce(t, k, "orders",
		&kgo.Record{Value: []byte("no key: 7"), Headers: []kgo.RecordHeader{tracing}},
		&kgo.Record{Key: []byte("tombstone"), Headers: []kgo.RecordHeader{tracing}},
		&kgo.Record{Key: []byte{}, Value: []byte("an empty key: 7")})
	ctx, brokers := t.Context(), k.Bootstrap()
	errBad := errors.New("the amount ends with 7")
	check := func(_ context.Context, m *message) (*message, error) {
		if strings.HasSuffix(m.Value, "7") || m.Tombstone() {
			return nil, errBad
		}
		return m, nil
	}
	// snippet: recipe-dead-letters
	type letter = *envelope.Record[[]byte, []byte]
	// The record as it was read, byte for byte: a null key stays null, and a tombstone a tombstone.
	dead := func(f stream.Failed[*message]) letter {
		m := f.Value
		rec := &envelope.Record[[]byte, []byte]{Topic: "dead-letters", Value: m.RawValue(), Tombstone: m.Tombstone()}
		if m.HasKey() {
			rec.Key = envelope.Some(m.RawKey())
		}
		rec.Headers = append(slices.Clone(m.Headers()), envelope.Header{Key: "error", Value: []byte(f.Err.Error())},
			envelope.Header{Key: "from", Value: fmt.Append(nil, m.Offset)})
		return rec
	}
	// A record is finished when its letter is acknowledged; the Committer below commits that too.
	raw := settings.NewProducer(serde.Bytes(), serde.Bytes(), brokers)
	letters := stream.NewFlow(func(src stream.Source[stream.Failed[*message]]) stream.Source[letter] {
		return stream.Map(src, dead)
	}).To(producer.PlainSink(raw))
	three := stream.OnError(stream.Retry(stream.Backoff{Attempts: 3, First: 10 * time.Millisecond}))
	orders := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	fine := stream.TryMapDivert(orders.CommittableSource(), check, letters, three)
	err := fine.To(consumer.CommitterSinkOf[*message](settings.NewCommitter())).Run(ctx)
	// end
	require.NoError(t, err)
	require.EqualValues(t, 103, committed(t, k))
	got := map[string]*kgo.Record{}
	for _, r := range kafkatest.ReadAll(t, k, "dead-letters") {
		got[fmt.Sprintf("%v %q", r.Key == nil, r.Key)] = r
		reasons := r.Headers[len(r.Headers)-2:]
		require.Equal(t, kgo.RecordHeader{Key: "error", Value: []byte(errBad.Error())}, reasons[0])
		require.Equal(t, "from", reasons[1].Key)
		require.Contains(t, string(reasons[1].Value), "orders")
	}
	require.Len(t, got, 13)
	keyless, tombstone, empty := got[`true ""`], got[`false "tombstone"`], got[`false ""`]
	require.NotNil(t, keyless, "a null key")
	require.Equal(t, "no key: 7", string(keyless.Value))
	require.Equal(t, tracing, keyless.Headers[0])
	require.NotNil(t, tombstone)
	require.Nil(t, tombstone.Value, "a tombstone")
	require.Equal(t, tracing, tombstone.Headers[0])
	require.NotNil(t, empty, "an empty key")
	require.Len(t, empty.Headers, 2)
}

func TestRecipeOrderByKey(t *testing.T) {
	k, cs, _ := filled(t, 100)
	ctx := t.Context()
	var mu sync.Mutex
	called := map[string]int{}
	charge := func(_ context.Context, m *message) (*message, error) {
		mu.Lock()
		defer mu.Unlock()
		called[m.Key]++
		return m, nil
	}
	// snippet: recipe-by-key
	// A key's records lie in one partition. Partitions run beside each other, each in its order.
	orders := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	err := stream.Each(orders.CommittablePartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*message]) stream.Graph {
		return stream.TryMap(src, charge).To(consumer.CommitterSinkOf[*message](settings.NewCommitter()))
	}).Run(ctx)
	// end
	require.NoError(t, err)
	require.Len(t, called, 100)
	require.EqualValues(t, 100, committed(t, k))
}

func TestRecipeHealth(t *testing.T) {
	k, cs, ps := filled(t, 100)
	ctx := t.Context()
	said := new(bytes.Buffer)
	log := slog.New(slog.NewTextHandler(said, nil))
	client, err := producer.NewClient(ps)
	require.NoError(t, err)
	orders := consumer.New(cs, consumer.Topics("orders"))
	release := k.HoldAcks("invoices")
	run, err := stream.Map(orders.CommittableSource(), func(m *message) envelope.Envelope[string, string, envelope.Committable] {
		return envelope.Single(*envelope.New("invoices", m.Key, m.Value), m.Offset)
	}).To(producer.CommittableSink(ps, settings.NewCommitter(), producer.On(client))).Start(ctx)
	require.NoError(t, err)
	k.AwaitHeld(t, 1)
	// snippet: recipe-health
	// run is a *stream.Control, orders a consumer's handle, client a *producer.Client.
	health := func(ctx context.Context) {
		lags, err := orders.Lag(ctx) // asks the brokers: give ctx a time-out
		if err != nil {
			log.Warn("health", "error", err) // it has no place in its group, or no broker answers
			return
		}
		s, sent := run.Snapshot(), client.Metrics()
		var retried, skipped uint64
		for _, stage := range s.Stages {
			retried += stage.Retried
			skipped += stage.Skipped
		}
		log.Info("health",
			"lag", lags.Behind(), // not finished, of all there is in the topic
			"outstanding", s.Outstanding, "oldest", s.Oldest, // in the pipeline, and for how long
			"in_flight", sent.InFlight, "failed", sent.Failed, // with the brokers
			"retried", retried, "skipped", skipped, "given_up", run.Summary().GivenUp)
	}
	// end
	health(ctx)
	require.Regexp(t, `lag=100 outstanding=\d+ oldest=\S+ in_flight=\d+ failed=0 retried=0 skipped=0 given_up=0`, said.String())
	require.NotContains(t, said.String(), "outstanding=0 ")
	require.NotContains(t, said.String(), "in_flight=0 ")
	release()
	require.NoError(t, run.Drain(ctx))
	require.NoError(t, client.Close(ctx))
	health(ctx)
	require.Contains(t, said.String(), "level=WARN msg=health")
}

func TestRecipeRestart(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	var graph func() stream.Graph
	// snippet: recipe-restart
	serve := func(ctx context.Context) error {
		pause := 100 * time.Millisecond
		for {
			began := time.Now()
			run, err := graph().Start(ctx)
			if err != nil {
				return err // the graph or its settings: the next one would be refused too
			}
			<-run.Done()
			switch err = run.Err(); {
			case err == nil, ctx.Err() != nil:
				return err // complete; or asked to end, and then with what could not be finished
			case errors.As(err, new(*stream.StuckError)):
				return err // user code is still at work, and the next run would be beside it
			case errors.As(err, new(*settings.Problem)), errors.As(err, new(*consumer.NoCommitterError)), errors.As(err, new(*consumer.OffsetTypeError)):
				return err // of a graph inside of the run, such as one of Each
			}
			if time.Since(began) > 10*time.Minute {
				pause = 100 * time.Millisecond // it had gone well for long
			}
			log.Error("the pipeline has failed and begins again", "error", err, "pause", pause)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return err
			}
			pause = min(2*pause, time.Minute)
		}
	}
	// end
	t.Run("heals", func(t *testing.T) {
		k, cs, _ := filled(t, 100)
		times := 0
		graph = func() stream.Graph {
			return stream.TryMap(consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd()).CommittableSource(), func(_ context.Context, m *message) (*message, error) {
				if times < 2 {
					times++
					return nil, errors.New("not today")
				}
				return m, nil
			}).To(consumer.CommitterSinkOf[*message](settings.NewCommitter()))
		}
		require.NoError(t, serve(t.Context()))
		require.Equal(t, 2, times)
		require.EqualValues(t, 100, committed(t, k))
	})

	// never counts the runs of a graph that no further run can mend.
	never := func(t *testing.T, g stream.Graph, as any) {
		runs := 0
		graph = func() stream.Graph {
			runs++
			return g
		}
		require.ErrorAs(t, serve(t.Context()), as)
		require.Equal(t, 1, runs)
	}
	cs := settings.NewConsumer(serde.String(), serde.String(), settings.Bootstrap("127.0.0.1:1"), settings.Group("billing"))
	t.Run("no committer", func(t *testing.T) {
		never(t, consumer.New(cs, consumer.Topics("orders")).CommittableSource().To(stream.Ignore[*message]()), new(*consumer.NoCommitterError))
	})
	t.Run("settings", func(t *testing.T) {
		never(t, consumer.New(cs.With(settings.TrackLimit(0)), consumer.Topics("orders")).PlainSource().To(stream.Ignore[*consumer.Record[string, string]]()), new(*settings.Problem))
	})
	t.Run("a graph inside", func(t *testing.T) {
		sub := stream.FromSlice([]stream.Sub[int, int]{{Key: 1, Source: stream.FromRange(0, 1)}})
		never(t, stream.Each(sub, 1, func(int, stream.Source[int]) stream.Graph {
			return consumer.New(cs, consumer.Topics("orders")).CommittableSource().To(stream.Ignore[*message]())
		}), new(*consumer.NoCommitterError))
	})
	t.Run("stuck", func(t *testing.T) {
		bubble.Test(t, func(t *testing.T) {
			let := make(chan struct{})
			never(t, stream.MapAsync(stream.FromRange(0, 2), 2, func(_ context.Context, n int) (int, error) {
				if n == 0 {
					<-let // whatever the context says
				}
				return n, errors.New("not today")
			}).To(stream.Ignore[int]()), new(*stream.StuckError))
			close(let)
		})
	})
	t.Run("fails while it ends", func(t *testing.T) {
		bubble.Test(t, func(t *testing.T) {
			failure := errors.New("could not be put down")
			graph = func() stream.Graph {
				return stream.FromFunc(func(ctx context.Context, _ func(int) bool) error {
					<-ctx.Done()
					return failure
				}).To(stream.Ignore[int]())
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			require.ErrorIs(t, serve(ctx), failure)
		})
	})
	t.Run("ends in a pause", func(t *testing.T) {
		bubble.Test(t, func(t *testing.T) {
			failure := errors.New("not today")
			graph = func() stream.Graph {
				return stream.FromFunc(func(context.Context, func(int) bool) error { return failure }).To(stream.Ignore[int]())
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			require.ErrorIs(t, serve(ctx), failure)
		})
	})
}
