package producer_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/testlog"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type (
	record = envelope.Record[string, string]
	env    = envelope.Envelope[string, string, int]
	res    = envelope.Results[string, string, int]
	msg    = envelope.Message[string, string, int]
	multi  = envelope.MultiMessage[string, string, int]
	pass   = envelope.PassThroughMessage[string, string, int]
)

// unbounded is a window's other limit where one is under test.
const unbounded = 1 << 30

// sets returns settings for the broker; an own logger among the options replaces the silent one.
func sets(k *kafkatest.Broker, opts ...settings.ProducerOption) settings.Producer[string, string] {
	ps := settings.NewProducer(serde.String(), serde.String(), k.Bootstrap(), k.Dialer(), testlog.Silent())
	return ps.With(opts...)
}

// bare returns settings in which nothing but the broker is given, so that they contradict no shared
// client.
func bare(k *kafkatest.Broker) settings.Producer[string, string] {
	return settings.NewProducer(serde.String(), serde.String(), k.Bootstrap())
}

// numbered makes records with consecutive numbers as values, and keys.
func numbered(topic string, n int) []*record {
	recs := make([]*record, n)
	for i := range recs {
		recs[i] = envelope.New(topic, fmt.Sprint("k", i), fmt.Sprint(i))
	}
	return recs
}

// singles makes envelopes of records, passing their places through.
func singles(recs []*record) []env {
	envs := make([]env, len(recs))
	for i, r := range recs {
		envs[i] = envelope.Single(*r, i)
	}
	return envs
}

// client makes a client to be shared that is closed at the end.
func client(t *testing.T, ps settings.Producer[string, string]) *producer.Client {
	t.Helper()
	cl, err := producer.NewClient(ps)
	require.NoError(t, err)
	t.Cleanup(func() { _ = cl.Close(context.Background()) })
	return cl
}

// element makes an Element that is closed at the end.
func element(t *testing.T, ps settings.Producer[string, string], opts ...producer.Option) *producer.Element[string, string] {
	t.Helper()
	p, err := producer.NewElement(ps, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	return p
}

func values(recs []*kgo.Record) []string {
	vs := make([]string, len(recs))
	for i, r := range recs {
		vs[i] = string(r.Value)
	}
	return vs
}

// requireAll says that a topic has each of n numbered records once, and those of a partition in
// order.
func requireAll(t *testing.T, k *kafkatest.Broker, topic string, n int) {
	t.Helper()
	got := kafkatest.ReadAll(t, k, topic)
	seen := make([]int, n)
	last := map[int32]int{}
	for _, r := range got {
		var i int
		_, err := fmt.Sscan(string(r.Value), &i)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint("k", i), string(r.Key))
		seen[i]++
		if before, ok := last[r.Partition]; ok {
			require.Less(t, before, i, "partition %d is out of order", r.Partition)
		}
		last[r.Partition] = i
	}
	for i, times := range seen {
		require.Equal(t, 1, times, "record %d of %d", i, n)
	}
}

// apart puts partition 0 of each topic on a broker of its own, so that withheld acknowledgements of
// one do not hold the others'.
func apart(t *testing.T, k *kafkatest.Broker, topics ...string) {
	t.Helper()
	for i, topic := range topics {
		require.NoError(t, k.Cluster().MoveTopicPartition(topic, 0, int32(i)))
	}
}
