package docs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
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

func TestRecipeHandler(t *testing.T) {
	k, _, ps := filled(t, 0)
	// snippet: recipe-handler
	element, err := producer.NewElement(ps) // one for the process
	if err != nil {
		return
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
		if err != nil { // in the log with the reason; the caller may ask again
			http.Error(w, "not accepted", http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, "%s[%d]@%d", at.Topic, at.Partition, at.Offset)
	}
	// end
	defer element.Close(t.Context())
	ask := func(body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		orders(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/orders", strings.NewReader(body)))
		return w
	}
	require.Equal(t, http.StatusAccepted, ask(`{"ID":"nr-1","Text":"hello"}`).Code)
	require.Equal(t, http.StatusBadRequest, ask(`{`).Code)
	require.Len(t, kafkatest.ReadAll(t, k, "orders"), 1)
	require.NoError(t, element.Close(t.Context()))
	require.Equal(t, http.StatusServiceUnavailable, ask(`{"ID":"nr-2"}`).Code)
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
	k, cs, ps := filled(t, 100)
	ctx := t.Context()
	errBad := errors.New("the amount ends with 7")
	check := func(_ context.Context, m *message) (*message, error) {
		if strings.HasSuffix(m.Value, "7") {
			return nil, errBad
		}
		return m, nil
	}
	// snippet: recipe-dead-letters
	letter := func(f stream.Failed[*message]) envelope.Envelope[string, string, envelope.Committable] {
		rec := envelope.New("dead-letters", f.Value.Key, f.Value.Value)
		rec.Headers = append(rec.Headers, envelope.Header{Key: "error", Value: []byte(f.Err.Error())},
			envelope.Header{Key: "from", Value: fmt.Append(nil, f.Value.Offset)})
		return envelope.Single(*rec, f.Value.Offset)
	}
	// A letter is written before the offset of its record is committed, as everything else is.
	letters := stream.NewFlow(func(src stream.Source[stream.Failed[*message]]) stream.Source[envelope.Envelope[string, string, envelope.Committable]] {
		return stream.Map(src, letter)
	}).To(producer.CommittableSink(ps, settings.NewCommitter()))
	three := stream.OnError(stream.Retry(stream.Backoff{Attempts: 3, First: 10 * time.Millisecond}))
	orders := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	fine := stream.TryMapDivert(orders.CommittableSource(), check, letters, three)
	err := fine.To(consumer.CommitterSinkOf[*message](settings.NewCommitter())).Run(ctx)
	// end
	require.NoError(t, err)
	require.Len(t, kafkatest.ReadAll(t, k, "dead-letters"), 10)
	require.EqualValues(t, 100, committed(t, k))
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

func TestRecipeRestart(t *testing.T) {
	k, cs, _ := filled(t, 100)
	ctx, times := t.Context(), 0
	graph := func() stream.Graph {
		return stream.TryMap(consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd()).CommittableSource(), func(_ context.Context, m *message) (*message, error) {
			if times < 2 {
				times++
				return nil, errors.New("not today")
			}
			return m, nil
		}).To(consumer.CommitterSinkOf[*message](settings.NewCommitter()))
	}
	// snippet: recipe-restart
	pause := 100 * time.Millisecond
	for {
		began := time.Now()
		err := graph().Run(ctx)
		if err == nil || errors.Is(err, stream.ErrDrained) || ctx.Err() != nil {
			break // complete, or asked to end
		}
		if time.Since(began) > 10*time.Minute {
			pause = 100 * time.Millisecond // it had gone well for long
		}
		fmt.Println("the pipeline has failed and begins again after", pause, err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, time.Minute)
	}
	// end
	require.Equal(t, 2, times)
	require.EqualValues(t, 100, committed(t, k))
}
