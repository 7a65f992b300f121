package kafkatest_test

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// oldest is the oldest Kafka on which everything works that is not named as newer. docs/settings.md
// says so too.
const oldest = "0.11.0"

// The main jobs run on each of these, from the oldest on; between two of them a request that the
// library uses came or changed.
func TestOlderKafkas(t *testing.T) {
	t.Parallel()
	for _, release := range []string{oldest, "1.0", "2.0", "2.3", "2.4", "2.8", "3.0", "3.6", "3.9", "4.0"} {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			k := kafkatest.Start(t, kafkatest.Version(release), kafkatest.Topics(2, "in", "out"), kafkatest.InMemory())
			ps := settings.NewProducer(serde.String(), serde.String(), k.Bootstrap(), k.Dialer(), quiet(),
				settings.Compression(kgo.ZstdCompression(), kgo.SnappyCompression()))
			write(t, ps)
			t.Run("group", func(t *testing.T) { copyOnce(t, k, ps, settings.Group("copy")) })
			t.Run("eager group", func(t *testing.T) { copyOnce(t, k, ps, settings.Group("eager"), settings.Protocol(settings.Eager)) })
			t.Run("KIP-848 asked for", func(t *testing.T) {
				copyOnce(t, k, ps, settings.Group("848"), settings.Protocol(settings.ConsumerProtocol))
			})
			// Before 2.3 it joins when the session of its first run has ended.
			t.Run("static member", func(t *testing.T) {
				copyOnce(t, k, ps, settings.Group("static"), settings.InstanceID("i"), settings.SessionTimeout(time.Second), settings.HeartbeatInterval(200*time.Millisecond))
			})
			t.Run("transactions read", func(t *testing.T) { readAll(t, k, settings.Group("reads"), settings.Isolation(settings.ReadCommitted)) })
			t.Run("at most once", func(t *testing.T) { atMostOnce(t, k) })
		})
	}
}

// Below the oldest a stream fails at once, and says why.
func TestKafkasThatAreTooOld(t *testing.T) {
	t.Parallel()
	k := kafkatest.Start(t, kafkatest.Version("0.10.2"), kafkatest.Topics(1, "in"), kafkatest.InMemory())
	ps := settings.NewProducer(serde.String(), serde.String(), k.Bootstrap(), k.Dialer(), quiet())
	err := stream.FromSlice([]*envelope.Record[string, string]{envelope.New("in", "k", "v")}).To(producer.PlainSink(ps)).Run(t.Context())
	require.ErrorContains(t, err, "broker is too old")
	var r *producer.RecordError
	require.ErrorAs(t, err, &r)
}

// written is how many records there are.
const written = 20

// write writes one half with a sink and the other with an Element.
func write(t *testing.T, ps settings.Producer[string, string]) {
	t.Helper()
	var half []*envelope.Record[string, string]
	for i := range written / 2 {
		half = append(half, envelope.New("in", strconv.Itoa(i), "v"+strconv.Itoa(i)))
	}
	require.NoError(t, stream.FromSlice(half).To(producer.PlainSink(ps)).Run(t.Context()))
	p, err := producer.NewElement(ps)
	require.NoError(t, err)
	defer func() { require.NoError(t, p.Close(t.Context())) }()
	for i := written / 2; i < written; i++ {
		md, err := p.Send(t.Context(), envelope.New("in", strconv.Itoa(i), "v"+strconv.Itoa(i)))
		require.NoError(t, err)
		require.GreaterOrEqual(t, md.Offset, int64(0))
	}
}

// quiet keeps what clients say out of the test's output.
func quiet() settings.Option { return settings.Logger(slog.New(slog.DiscardHandler)) }

// on are the settings of a consumer of k.
func on(k *kafkatest.Broker, opts ...settings.ConsumerOption) settings.Consumer[string, string] {
	return settings.NewConsumer(serde.String(), serde.String(), k.Bootstrap(), k.Dialer(), quiet()).With(opts...)
}

// copyOnce copies everything to its end, at least once, and finds that nothing is left.
func copyOnce(t *testing.T, k *kafkatest.Broker, ps settings.Producer[string, string], opts ...settings.ConsumerOption) {
	t.Helper()
	cs := on(k, opts...)
	before := len(kafkatest.ReadAll(t, k, "out"))
	c := consumer.New(cs, consumer.Topics("in"), consumer.ToEnd())
	copied := stream.Map(c.CommittableSource(), func(m *consumer.CommittableMessage[string, string]) envelope.Envelope[string, string, envelope.Committable] {
		return envelope.Single(*envelope.New("out", m.Key, m.Value), m.Offset)
	})
	require.NoError(t, copied.To(producer.CommittableSink(ps, settings.NewCommitter())).Run(t.Context()))
	require.Len(t, kafkatest.ReadAll(t, k, "out"), before+written)
	var committed int64
	for p := range int32(2) {
		committed += max(0, kafkatest.CommittedOffset(t, k, cs.Group(), "in", p))
	}
	require.EqualValues(t, written, committed)
	left, err := stream.Collect(t.Context(), c.PlainSource())
	require.NoError(t, err)
	require.Empty(t, left)
}

// readAll reads everything and commits nothing.
func readAll(t *testing.T, k *kafkatest.Broker, opts ...settings.ConsumerOption) {
	t.Helper()
	got, err := stream.Collect(t.Context(), consumer.New(on(k, opts...), consumer.Topics("in"), consumer.ToEnd()).PlainSource())
	require.NoError(t, err)
	require.Len(t, got, written)
}

// atMostOnce reads with a group that commits ahead, until a drain.
func atMostOnce(t *testing.T, k *kafkatest.Broker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := consumer.New(on(k, settings.Group("once")), consumer.Topics("in"))
	seen := make(chan string, written)
	ctl, err := c.AtMostOnceSource(1).To(stream.ForEach(func(_ context.Context, r *consumer.Record[string, string]) error {
		seen <- fmt.Sprint(r.Partition(), "@", r.Offset())
		return nil
	})).Start(ctx)
	require.NoError(t, err)
	there := map[string]bool{}
	for len(there) < written {
		select {
		case at := <-seen:
			require.False(t, there[at], "%s came twice", at)
			there[at] = true
		case <-ctl.Done():
			require.NoError(t, ctl.Err())
			t.FailNow()
		}
	}
	require.NoError(t, ctl.Drain(ctx))
}

// A release offers its own requests and no others, also after a restart, and one that is none is
// named.
func TestVersion(t *testing.T) {
	t.Parallel()
	k := kafkatest.Start(t, kafkatest.Version("2.8"), kafkatest.Version("2.4"))
	for range 2 {
		cl, err := kgo.NewClient(k.ClientOptions()...)
		require.NoError(t, err)
		resp, err := kmsg.NewPtrApiVersionsRequest().RequestWith(t.Context(), cl)
		require.NoError(t, err)
		offered := map[int16]int16{}
		for _, key := range resp.ApiKeys {
			offered[key.ApiKey] = key.MaxVersion
		}
		require.EqualValues(t, 8, offered[int16(kmsg.Produce)])
		require.NotContains(t, offered, int16(kmsg.ConsumerGroupHeartbeat))
		cl.Close()
		k.Kill()
		k.Restart(t)
	}
	msg := failure(t, func(tb testing.TB) { kafkatest.Start(tb, kafkatest.Version("2.99")) })
	require.Contains(t, msg, `there is no Kafka "2.99"`)
	require.Contains(t, msg, "v2.8")
}
