package integration

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What the plain client writes is what the plain client and the Java client read.
func TestSmoke(t *testing.T) {
	const n = 100
	topic := kafka.CreateTopic(t, 3)
	cl := kafka.Client(t, kgo.DefaultProduceTopic(topic))
	want := map[string]string{}
	var records []*kgo.Record
	for i := range n {
		key, value := fmt.Sprintf("key-%d", i), fmt.Sprintf("value-%d", i)
		want[key] = value
		records = append(records, kgo.KeyStringRecord(key, value))
	}
	require.NoError(t, cl.ProduceSync(t.Context(), records...).FirstErr())

	read := map[string]string{}
	consumer := kafka.Client(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	for len(read) < n {
		fetches := consumer.PollFetches(t.Context())
		require.NoError(t, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) { read[string(r.Key)] = string(r.Value) })
	}
	require.Equal(t, want, read)

	t.Run("console consumer", func(t *testing.T) {
		lines := map[string]string{}
		for _, l := range kafka.ConsoleConsume(t, topic, n) {
			lines[string(l.Key)] = string(l.Value)
		}
		require.Equal(t, want, lines)
	})
}
