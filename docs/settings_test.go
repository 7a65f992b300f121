package docs_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
)

func TestSettings(t *testing.T) {
	// snippet: settings-producer
	ps := settings.NewProducer(serde.String(), serde.JSON[Order](),
		settings.Bootstrap("kafka-1:9092", "kafka-2:9092"),
		settings.ClientID("billing"),
		settings.Compression(kgo.ZstdCompression(), kgo.NoCompression()),
		settings.Linger(20*time.Millisecond),
		settings.Window(10_000, 64<<20), // records and bytes in flight
	)
	if err := ps.Err(); err != nil { // all problems at once; whatever takes ps asks for them too
		fmt.Println(err)
	}
	prompt := ps.With(settings.Linger(0)) // a copy that differs
	// end
	require.NoError(t, ps.Err())
	require.Zero(t, prompt.Linger())

	bad := settings.NewProducer(serde.String(), serde.String(), settings.Bootstrap("kafka"), settings.Acks(settings.AcksLeader), settings.Idempotence(true))
	// snippet: settings-problems
	var problem *settings.Problem
	if errors.As(bad.Err(), &problem) { // the first; Unwrap() []error has each
		fmt.Println(problem.Setting, problem.Java, problem.Value, problem.Reason)
	}
	// end
	require.Equal(t, "Bootstrap", problem.Setting)

	// snippet: settings-security
	secure := settings.NewProducer(serde.String(), serde.String(),
		settings.Bootstrap("kafka-1:9093"),
		settings.TLS(&tls.Config{MinVersion: tls.VersionTLS13}), // the broker's name is verified
		// asked at each connection
		settings.SASL(plain.Plain(func(context.Context) (plain.Auth, error) {
			return plain.Auth{User: os.Getenv("KAFKA_USER"), Pass: os.Getenv("KAFKA_PASSWORD")}, nil
		})),
	)
	fmt.Println(secure) // without secrets, and so with %+v, in JSON and in slog
	// end
	require.NoError(t, secure.Err())

	// snippet: settings-raw
	tuned := ps.With(settings.ClientOptions(
		kgo.Rack("eu-1"),
		kgo.RecordRetries(20),
	))
	refused := ps.With(settings.ClientOptions(kgo.ProducerLinger(0)))
	// the second is refused by name: that is settings.Linger's
	fmt.Println(tuned.Err(), refused.Err())
	// end
	require.NoError(t, tuned.Err())
	require.ErrorContains(t, refused.Err(), "kgo.ProducerLinger")

	// snippet: settings-retries
	patient := ps.With(settings.DeliveryTimeout(10*time.Minute), settings.RequestTimeout(30*time.Second))
	strict := ps.With(settings.ClientOptions(kgo.RecordRetries(0)))
	unbounded := ps.With(settings.Window(45_000, math.MaxInt)) // no limit by bytes
	// end
	for _, s := range []settings.Producer[string, Order]{patient, strict, unbounded} {
		require.NoError(t, s.Err())
	}
}

func TestClientFactory(t *testing.T) {
	k := kafkatest.Start(t)
	var made *kgo.Client
	register := func(cl *kgo.Client) { made = cl }
	// snippet: settings-factory
	ps := settings.NewProducer(serde.String(), serde.String(), k.Bootstrap(),
		// opts are what the settings stand for: use them, add to them
		settings.ClientFactory(func(opts ...kgo.Opt) (*kgo.Client, error) {
			cl, err := kgo.NewClient(append(opts, kgo.DisableClientMetrics())...)
			if err == nil {
				register(cl)
			}
			return cl, err
		}))
	// end
	cl, err := producer.NewClient(ps)
	require.NoError(t, err)
	require.Same(t, made, cl.Kgo())
	require.NoError(t, cl.Close(t.Context()))
}

func TestPartitioner(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(4, "orders"))
	// snippet: settings-partitioner
	byFirstLetter := kgo.BasicConsistentPartitioner(func(topic string) func(r *kgo.Record, n int) int {
		return func(r *kgo.Record, n int) int {
			if len(r.Key) == 0 {
				return 0
			}
			return int(r.Key[0]) % n
		}
	})
	ps := settings.NewProducer(serde.String(), serde.String(), k.Bootstrap(), settings.Partitioner(byFirstLetter))
	// end
	p, err := producer.NewElement(ps)
	require.NoError(t, err)
	sendTo := func(key string) int32 {
		md, err := p.Send(t.Context(), newRecord("orders", key, "v"))
		require.NoError(t, err)
		return md.Partition
	}
	require.EqualValues(t, 'a'%4, sendTo("ada"))
	require.EqualValues(t, 'b'%4, sendTo("bela"))
	require.NoError(t, p.Close(t.Context()))
}
