package docs_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/stream"
)

func TestRecord(t *testing.T) {
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	// snippet: envelope-record
	keyed := envelope.New("prices", "EURUSD", 1.1)                // *Record[string, float64]
	keyless := envelope.Keyless[string]("prices", 1.1)            // a null key
	deleted := envelope.NewTombstone[float64]("prices", "EURUSD") // a null value
	whole := envelope.Record[string, float64]{
		Topic:     "prices",
		Partition: envelope.ToPartition(0), // unset: the partitioner chooses, by the key
		Key:       envelope.Some(""),       // an empty key; unset is a null one
		Value:     0,
		Headers:   []envelope.Header{{Key: "source", Value: []byte("desk")}, {Key: "source", Value: nil}},
		Timestamp: at, // unset: when it is sent
	}
	// end
	require.True(t, keyed.Key.IsSet())
	require.False(t, keyless.Key.IsSet())
	require.True(t, deleted.Tombstone)
	require.True(t, whole.Key.IsSet())
}

// snippet: envelope-forms

type ticket int

// toEnvelope gives each price its ticket, whether something is written or not.
func toEnvelope(t ticket, price float64, copies int) envelope.Envelope[string, float64, ticket] {
	rec := *envelope.New("prices", "EURUSD", price)
	switch {
	case price <= 0:
		return envelope.PassThrough[string, float64](t) // nothing to write, in its turn
	case copies > 1:
		recs := make([]envelope.Record[string, float64], copies)
		for i := range recs {
			recs[i] = rec
			recs[i].Partition = envelope.ToPartition(int32(i))
		}
		return envelope.Multi(recs, t) // done when all of them are acknowledged
	}
	return envelope.Single(rec, t)
}

// show looks at a result. There are these three, and no others.
func show(res envelope.Results[string, float64, ticket]) string {
	switch r := res.(type) {
	case *envelope.Result[string, float64, ticket]:
		return fmt.Sprintf("%d: %v at %s[%d]@%d", r.Pass(), r.Record.Value, r.Metadata.Topic, r.Metadata.Partition, r.Metadata.Offset)
	case *envelope.MultiResult[string, float64, ticket]:
		return fmt.Sprintf("%d: %d records, %v", r.Pass(), len(r.Parts), r.Err)
	case *envelope.PassThroughResult[string, float64, ticket]:
		return fmt.Sprintf("%d: nothing", r.Pass())
	}
	return ""
}

// end

func TestForms(t *testing.T) {
	require.IsType(t, &envelope.Message[string, float64, ticket]{}, toEnvelope(1, 1, 1))
	require.IsType(t, &envelope.MultiMessage[string, float64, ticket]{}, toEnvelope(1, 1, 2))
	require.IsType(t, &envelope.PassThroughMessage[string, float64, ticket]{}, toEnvelope(1, 0, 1))

	// snippet: kafkatest-results
	one := kafkatest.NewResult(*envelope.New("prices", "EURUSD", 1.1), 7, ticket(1)) // at offset 7
	two := kafkatest.NewMultiResult([]envelope.Part[string, float64]{
		kafkatest.NewPart(envelope.New("prices", "EURUSD", 1.1), 8),
		kafkatest.NewFailedPart(envelope.New("prices", "GBPUSD", 1.3), errors.New("too large")),
	}, ticket(2))
	three := kafkatest.NewPassThroughResult[string, float64](ticket(3))
	// end
	require.Equal(t, "1: 1.1 at prices[0]@7", show(one))
	require.Equal(t, "2: 2 records, too large", show(two))
	require.Equal(t, "3: nothing", show(three))
}

func TestSlab(t *testing.T) {
	prices := stream.FromSlice([]float64{1.1, 1.2})
	// snippet: envelope-slab
	var slab envelope.Slab[string, float64, ticket] // for one stream that runs once at a time
	envelopes := stream.Map(prices, func(p float64) envelope.Envelope[string, float64, ticket] {
		return slab.Single(envelope.Record[string, float64]{Topic: "prices", Value: p}, 1)
	})

	var plain envelope.Slab[string, float64, envelope.None]
	// for producer.PlainSink
	records := stream.Map(prices, func(p float64) *envelope.Record[string, float64] {
		return plain.Record(envelope.Record[string, float64]{Topic: "prices", Value: p})
	})
	// end
	recs, err := stream.Collect(t.Context(), records)
	require.NoError(t, err)
	require.Equal(t, 1.2, recs[1].Value)
	all, err := stream.Collect(t.Context(), envelopes)
	require.NoError(t, err)
	require.Len(t, all, 2)
}
