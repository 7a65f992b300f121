//go:build synctests

package docs_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// How long a service takes to end with the default time-outs: the table on the page of guarantees.
func TestHowLongAnEndTakes(t *testing.T) {
	for name, c := range map[string]struct {
		gone, silent, fails, waits, stuck bool // the brokers, and the call of one record

		atLeast, atMost time.Duration
	}{
		"nothing in the way":                {atMost: time.Second},
		"a call that fails":                 {fails: true, atLeast: 14 * time.Second, atMost: 16 * time.Second},
		"a call that ends with its context": {waits: true, atLeast: 20 * time.Second, atMost: 21 * time.Second},
		"a call that never returns":         {stuck: true, atLeast: 25 * time.Second, atMost: 26 * time.Second},
		"brokers that are gone":             {gone: true, atLeast: 25 * time.Second, atMost: 26 * time.Second},
		"gone, and a call never returns":    {gone: true, stuck: true, atLeast: 30 * time.Second, atMost: 31 * time.Second},
		"brokers that are silent":           {silent: true, atLeast: 25 * time.Second, atMost: 34 * time.Second},
		"silent, and a call never returns":  {silent: true, stuck: true, atLeast: 30 * time.Second, atMost: 40 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			kafkatest.Virtual(t, func(t *testing.T, k *kafkatest.Broker) {
				silent := settings.Logger(slogDiscard())
				cs := settings.NewConsumer(serde.String(), serde.String(), k.Bootstrap(), k.Dialer(), settings.Group("billing"), silent)
				ps := settings.NewProducer(serde.String(), serde.String(), k.Bootstrap(), k.Dialer(), silent)
				let := make(chan struct{})
				defer close(let)
				work := func(ctx context.Context, m *message) (envelope.Envelope[string, string, envelope.Committable], error) {
					switch {
					case m.Value != "slow":
					case c.fails:
						return nil, errors.New("not today")
					case c.stuck:
						<-let
					case c.waits:
						<-ctx.Done()
						return nil, ctx.Err()
					}
					return envelope.Single(*envelope.New("words", m.Key, m.Value), m.Offset), nil
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				orders := consumer.New(cs, consumer.Topics("orders")).CommittableSource()
				run, err := stream.MapAsyncUnordered(orders, 4, work, stream.OnError(stream.Retry(stream.Backoff{}))).
					To(producer.CommittableSink(ps, settings.NewCommitter())).Start(ctx)
				require.NoError(t, err)
				if c.gone || c.silent {
					defer k.HoldAcks("words")()
				}
				kafkatest.Produce(t, k, "orders", kgo.KeyStringRecord("a", "slow"), kgo.KeyStringRecord("b", "quick"))
				<-time.After(10 * time.Second)
				switch {
				case c.gone:
					k.Kill()
				case c.silent:
					k.Delay(time.Hour)
					defer k.Delay(0)
				}
				began := time.Now()
				cancel()
				<-run.Done()
				took := time.Since(began)
				inTime := c.atMost < 2*time.Second
				require.Equal(t, inTime, errors.Is(run.Err(), stream.ErrDrained))
				require.Equal(t, !inTime, errors.Is(run.Err(), stream.ErrDrainTimeout))
				require.GreaterOrEqual(t, took, c.atLeast, "%v", run.Err())
				require.LessOrEqual(t, took, c.atMost, "%v", run.Err())
			}, kafkatest.Topics(4, "orders", "words"))
		})
	}
}
