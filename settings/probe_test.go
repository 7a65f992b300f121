package settings

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

// hookProbe tells when a client was given to it.
type hookProbe struct{ clients int }

func (h *hookProbe) OnNewClient(*kgo.Client) { h.clients++ }

func TestRawOptionsThatAreOwnedAreRefusedByName(t *testing.T) {
	discard := kgo.BasicLogger(nil, kgo.LogLevelNone, nil)
	rows := map[string][]kgo.Opt{
		"SeedBrokers":                         {kgo.SeedBrokers("other:9092")},
		"ClientID":                            {kgo.ClientID("other")},
		"Dialer":                              {kgo.Dialer((&net.Dialer{}).DialContext)},
		"DialTLSConfig":                       {kgo.DialTLS()},
		"SASL":                                {kgo.SASL(plain.Auth{User: "u", Pass: "hunter2"}.AsMechanism())},
		"WithLogger":                          {kgo.WithLogger(discard)},
		"WithContext":                         {kgo.WithContext(t.Context())},
		"RequiredAcks":                        {kgo.RequiredAcks(kgo.LeaderAck())},
		"DisableIdempotentWrite":              {kgo.DisableIdempotentWrite()},
		"AllowIdempotentProduceCancellation":  {kgo.AllowIdempotentProduceCancellation()},
		"MaxProduceRequestsInflightPerBroker": {kgo.MaxProduceRequestsInflightPerBroker(5)},
		"ProducerBatchCompression":            {kgo.ProducerBatchCompression(kgo.ZstdCompression())},
		"ProducerBatchMaxBytes":               {kgo.ProducerBatchMaxBytes(5000)},
		"ProducerBatchMaxBytesFn": {kgo.ProducerBatchMaxBytesFn(func(topic string) int32 {
			if topic == "" {
				return defaultBatchBytes
			}
			return 5000
		})},
		"MaxBufferedRecords":        {kgo.MaxBufferedRecords(10)},
		"MaxBufferedBytes":          {kgo.MaxBufferedBytes(1000)},
		"RecordDeliveryTimeout":     {kgo.RecordDeliveryTimeout(time.Minute)},
		"ProduceRequestTimeout":     {kgo.ProduceRequestTimeout(time.Second)},
		"RecordPartitioner":         {kgo.RecordPartitioner(kgo.ManualPartitioner())},
		"ProducerLinger":            {kgo.ProducerLinger(0)},
		"ManualFlushing":            {kgo.ManualFlushing()},
		"DefaultProduceTopic":       {kgo.DefaultProduceTopic("t")},
		"DefaultProduceTopicAlways": {kgo.DefaultProduceTopic("t"), kgo.DefaultProduceTopicAlways()},
		"TransactionalID":           {kgo.TransactionalID("id")},
		"ConsumeTopics":             {kgo.ConsumeTopics("t")},
		"ConsumePartitions":         {kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"t": {0: kgo.NewOffset()}})},
		"ConsumeRegex":              {kgo.ConsumeRegex()},
		"ConsumerGroup":             {kgo.ConsumerGroup("g")},
		"ShareGroup":                {kgo.ShareGroup("g")},
	}
	for _, o := range ownedOptions {
		require.Contains(t, rows, o.option, "a row of the table without a test")
	}
	for name, opts := range rows {
		t.Run(name, func(t *testing.T) {
			err := valid(ClientOptions(opts...)).Err()
			require.Error(t, err)
			p := problem(t, err, "kgo."+name)
			require.Contains(t, p.Reason, "refused")
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestFranzGoKnowsEveryOwnedOption(t *testing.T) {
	// franz-go answers an unknown name with nil: a misspelt row would never
	// refuse anything.
	for _, name := range probedNames() {
		cl, err := kgo.NewClient()
		require.NoError(t, err)
		require.NotNil(t, cl.OptValues(name), name)
		cl.Close()
	}
}

func TestSeveralRefusedOptionsAreAllNamed(t *testing.T) {
	err := valid(ClientOptions(kgo.RequiredAcks(kgo.NoAck()), kgo.ManualFlushing()), ClientOptions(kgo.TransactionalID("x"))).Err()
	problem(t, err, "kgo.RequiredAcks")
	problem(t, err, "kgo.ManualFlushing")
	problem(t, err, "kgo.TransactionalID")
}

func TestRawPartitionerWithAnotherHashIsRefused(t *testing.T) {
	fnv := kgo.KafkaHasher(func([]byte) uint32 { return 7 })
	err := valid(ClientOptions(kgo.RecordPartitioner(kgo.UniformBytesPartitioner(64<<10, true, true, fnv)))).Err()
	problem(t, err, "kgo.RecordPartitioner")
}

func TestRawOptionsThatSayTheDefaultAreAllowed(t *testing.T) {
	require.NoError(t, valid(ClientOptions(
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(10*time.Millisecond),
		kgo.MaxBufferedRecords(50_000),
		kgo.RecordPartitioner(kgo.UniformBytesPartitioner(64<<10, true, true, nil)),
		kgo.ProducerBatchCompression(kgo.SnappyCompression(), kgo.NoCompression()),
	)).Err())
}

func TestRawOptionsThatAreNotOwnedAreKept(t *testing.T) {
	ps := valid(ClientOptions(kgo.RequestRetries(3), kgo.Rack("a")), ClientOptions(), ClientOptions(kgo.AllowAutoTopicCreation()))
	require.NoError(t, ps.Err())
	require.Len(t, ps.ClientOptions(), 3)
}

func TestRawOptionsThatFranzGoRejects(t *testing.T) {
	err := valid(ClientOptions(kgo.MetadataMinAge(time.Nanosecond))).Err()
	require.ErrorContains(t, problem(t, err, "ClientOptions"), "metadata min age")

	err = valid(ClientOptions(kgo.RequestRetries(3), nil)).Err()
	require.ErrorContains(t, problem(t, err, "ClientOptions"), "option 2 of 2 is nil")
}

func TestProbeBringsNoClientToLife(t *testing.T) {
	h := &hookProbe{}
	require.NoError(t, valid(ClientOptions(kgo.WithHooks(h))).Err())
	require.Zero(t, h.clients, "a hook of the user's saw the probe")
}

func TestProbeLetsOtherPanicsThrough(t *testing.T) {
	require.PanicsWithValue(t, "mine", func() {
		_, _ = probeOptions(nil, kgo.ProducerBatchMaxBytesFn(func(string) int32 { panic("mine") }))
	})
}

func TestEqualSeesThroughUnexportedValues(t *testing.T) {
	dial := func(context.Context, string, string) (net.Conn, error) { return nil, nil }
	require.True(t, equal(kgo.LeaderAck(), kgo.LeaderAck(), sameCode))
	require.False(t, equal(kgo.LeaderAck(), kgo.NoAck(), sameCode))
	require.True(t, equal(dial, dial, sameCode))
	require.False(t, equal(dial, nil, sameCode))
	require.True(t, equal(nil, nil, sameCode))
	require.True(t, equal(map[string]int{"a": 1}, map[string]int{"a": 1}, sameCode))
	require.False(t, equal(map[string]int{"a": 1}, map[string]int{"b": 1}, sameCode))
	require.False(t, equal([]string{"a"}, []string{"a", "b"}, sameCode))
	require.False(t, equal((*tls.Config)(nil), &tls.Config{}, sameCode))
}
