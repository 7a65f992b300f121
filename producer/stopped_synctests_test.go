//go:build synctests

package producer_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// User code that comes back after the end of its run finds a stage that writes nothing any more,
// also where the client lives on.
func TestNothingIsWrittenBehindTheEnd(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		ps := settings.NewProducer(serde.String(), serde.String(), k.Bootstrap(), k.Dialer())
		cl, err := producer.NewClient(ps)
		require.NoError(t, err)
		defer func() { require.NoError(t, cl.Close(context.Background())) }()
		entered, goOn := make(chan struct{}), make(chan struct{})
		late := stream.Map(stream.FromSlice([]string{"late"}), func(v string) *envelope.Record[string, string] {
			close(entered)
			<-goOn
			return envelope.New("t", "k", v)
		})
		ctl, err := late.To(producer.PlainSink(ps, producer.On(cl))).Start(t.Context(), stream.CloseTimeout(time.Second))
		require.NoError(t, err)
		<-entered
		ctl.Stop()
		<-ctl.Done()
		var stuck *stream.StuckError
		require.ErrorAs(t, ctl.Err(), &stuck)
		close(goOn)
		synctest.Wait()
		require.NoError(t, cl.Flush(t.Context()))
		require.Empty(t, kafkatest.ReadAll(t, k, "t"))
	}, kafkatest.Topics(1, "t"))
}

// A stop reaches an envelope of more records than the client has room for, and what was written is
// what the error counts.
func TestStopWithinALargeEnvelope(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		ps := settings.NewProducer(serde.String(), serde.String(), k.Bootstrap(), k.Dialer(), settings.Window(1000, 1<<30))
		cl, err := producer.NewClient(ps)
		require.NoError(t, err)
		release := k.HoldAcks("t")
		records := make([]envelope.Record[string, string], 60_000)
		for i := range records {
			records[i] = *envelope.New("t", "k", strconv.Itoa(i))
		}
		large := stream.FromSlice([]envelope.Envelope[string, string, int]{envelope.Multi(records, 1)})
		flow := stream.Via(large, producer.FlexiFlow[int](ps, producer.On(cl)))
		ctl, err := flow.To(stream.Ignore[envelope.Results[string, string, int]]()).Start(t.Context())
		require.NoError(t, err)
		synctest.Wait()
		ctl.Stop()
		<-ctl.Done()
		var stuck *stream.StuckError
		require.NotErrorAs(t, ctl.Err(), &stuck)
		var left *producer.OutcomeError
		require.ErrorAs(t, ctl.Err(), &left)
		require.Less(t, left.Unknown, int64(len(records)))
		release()
		require.NoError(t, cl.Close(context.Background()))
		require.Zero(t, cl.Metrics().InFlight)
		require.Len(t, kafkatest.ReadAll(t, k, "t"), int(left.Unknown))
	}, kafkatest.Topics(1, "t"))
}

// Closing the Client around a client of the user's own leaves the user's own records alone.
func TestClosingAWrappedClient(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		owned, err := kgo.NewClient(append(k.ClientOptions(), kgo.AllowIdempotentProduceCancellation())...)
		require.NoError(t, err)
		defer owned.Close()
		require.NoError(t, owned.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte("first")}).FirstErr())
		cl, err := producer.Wrap(owned)
		require.NoError(t, err)
		ps := settings.NewProducer(serde.String(), serde.String(), k.Bootstrap(), k.Dialer())
		p, err := producer.NewElement(ps, producer.On(cl))
		require.NoError(t, err)
		release := k.HoldAcks("t")
		future, err := p.SendFuture(t.Context(), envelope.New("t", "k", "ours"))
		require.NoError(t, err)
		k.AwaitHeld(t, 1)
		outcome := make(chan error, 1)
		owned.Produce(context.Background(), &kgo.Record{Topic: "t", Value: []byte("the user's")}, func(_ *kgo.Record, err error) { outcome <- err })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var left *producer.OutcomeError
		require.ErrorAs(t, cl.Close(ctx), &left)
		release()
		require.NoError(t, <-outcome)
		_, err = future.Wait(t.Context())
		require.NoError(t, err)
	}, kafkatest.Topics(1, "t"))
}
