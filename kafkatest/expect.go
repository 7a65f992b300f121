package kafkatest

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/serde"
)

// Expect waits until the topic has n records, counted from its beginning, and
// returns n of them, sorted by partition and offset. The topic may come into being
// meanwhile. What it reads is what a careful consumer sees: records of aborted and
// of open transactions do not count.
//
// It fails the test where the records do not arrive in time (see [Patience]), with
// a list of those that did, and where one cannot be deserialised. That there are
// no more than n it does not say; [ReadAll] does.
func Expect[K, V any](t testing.TB, k *Broker, topic string, key serde.Deserializer[K], value serde.Deserializer[V], n int) []Received[K, V] {
	t.Helper()
	recs, err := k.expect(t, topic, n)
	if err != nil {
		t.Fatalf("kafkatest: %v", err)
	}
	return deserializeAll(t, recs, key, value)
}

func (k *Broker) expect(t testing.TB, topic string, n int) ([]*kgo.Record, error) {
	t.Helper()
	ctx, cancel := k.bounded(t)
	defer cancel()
	cl := k.client(t,
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(100*time.Millisecond),
	)
	defer cl.Close()
	var recs []*kgo.Record
	var last error // the client's most recent complaint, such as an unknown topic
	for len(recs) < n {
		fetches := cl.PollFetches(ctx)
		for _, e := range fetches.Errors() {
			if ctx.Err() == nil {
				last = e.Err
			}
		}
		recs = append(recs, fetches.Records()...)
		if ctx.Err() != nil && len(recs) < n {
			why := ""
			if last != nil {
				why = fmt.Sprintf(" (last error: %v)", last)
			}
			byPosition(recs)
			return nil, fmt.Errorf("topic %q has %d records after %v, and not %d%s:%s", topic, len(recs), k.cfg.patience, n, why, list(recs))
		}
	}
	recs = recs[:n]
	byPosition(recs)
	return recs, nil
}

func deserializeAll[K, V any](t testing.TB, recs []*kgo.Record, key serde.Deserializer[K], value serde.Deserializer[V]) []Received[K, V] {
	t.Helper()
	out := make([]Received[K, V], len(recs))
	for i, rec := range recs {
		r, err := deserialize(rec, key, value)
		if err != nil {
			t.Fatalf("kafkatest: a record does not deserialise: %v:%s", err, list([]*kgo.Record{rec}))
		}
		out[i] = r
	}
	return out
}
