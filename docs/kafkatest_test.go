package docs_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/kafkatest/embedded"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// snippet: kafkatest-pipeline

// uppercase is the pipeline under test.
func uppercase(words []string, where ...settings.ProducerOption) stream.Graph {
	ps := settings.NewProducer(serde.String(), serde.JSON[string](), where...)
	return stream.Map(stream.FromSlice(words), func(w string) *envelope.Record[string, string] {
		return envelope.New("words", w, w+"!")
	}).To(producer.PlainSink(ps))
}

func TestUppercase(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(4, "words")) // stops with the test
	require.NoError(t, uppercase([]string{"a", "b"}, k.Bootstrap(), k.Dialer()).Run(t.Context()))

	// waits, in a bounded time
	got := kafkatest.Expect(t, k, "words", serde.String(), serde.JSON[string](), 2)
	require.ElementsMatch(t, []string{"a!", "b!"}, []string{got[0].Value, got[1].Value})
	require.Len(t, kafkatest.ReadAll(t, k, "words"), 2) // and no more
}

// end

func TestFaults(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "words"))
	// snippet: kafkatest-faults
	// The first two produce requests find a leader that is none.
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition, Count: 2})
	require.NoError(t, uppercase([]string{"a"}, k.Bootstrap()).Run(t.Context()))

	// A broker that dies with what it has, and comes back with it.
	k.Kill()
	ctl, err := uppercase([]string{"b"}, k.Bootstrap()).Start(t.Context())
	require.NoError(t, err)
	k.Restart(t)
	<-ctl.Done()
	require.NoError(t, ctl.Err())
	require.Len(t, kafkatest.ReadAll(t, k, "words"), 2)

	// Written, and not acknowledged: what the pipeline knows, and what is so, are two things.
	release := k.HoldAcks("words")
	ctl, err = uppercase([]string{"c"}, k.Bootstrap()).Start(t.Context(), stream.CloseTimeout(100*time.Millisecond))
	require.NoError(t, err)
	k.AwaitHeld(t, 1)
	ctl.Stop()
	<-ctl.Done()
	require.ErrorIs(t, ctl.Err(), stream.ErrStopped)
	release()
	require.Len(t, kafkatest.ReadAll(t, k, "words"), 3)
	// end
}

func TestEmbedded(t *testing.T) {
	// snippet: kafkatest-embedded
	run := func(ctx context.Context) error {
		b, err := embedded.Open(embedded.Topics(4, "words")) // on free ports of this machine
		if err != nil {
			return err
		}
		defer b.Close()
		ps := settings.NewProducer(serde.String(), serde.String(), b.Bootstrap())
		words := stream.FromSlice([]*envelope.Record[string, string]{envelope.New("words", "en", "hello")})
		return words.To(producer.PlainSink(ps)).Run(ctx)
	}
	// end
	require.NoError(t, run(t.Context()))
}

func TestProduceForTests(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(2, "orders"))
	// snippet: kafkatest-produce
	kafkatest.Produce(t, k, "orders", kgo.KeyStringRecord("nr-1", `{"amount":3}`)) // plain records
	kafkatest.ProduceValues(t, k, "orders", `{"amount":4}`)
	// typed ones
	kafkatest.ProduceAs(t, k, "orders", serde.String(), serde.JSON[Order](), envelope.New("", "nr-2", Order{Amount: 5}))
	// end
	require.Len(t, kafkatest.ReadAll(t, k, "orders"), 3)
}

func TestAnOlderKafka(t *testing.T) {
	// snippet: kafkatest-version
	old := kafkatest.Start(t, kafkatest.Version("2.8"), kafkatest.Topics(1, "words"))
	require.NoError(t, uppercase([]string{"a"}, old.Bootstrap()).Run(t.Context()))

	// The form in which records are written and read came with 0.11.
	older := kafkatest.Start(t, kafkatest.Version("0.10.2"), kafkatest.Topics(1, "words"))
	err := uppercase([]string{"a"}, older.Bootstrap()).Run(t.Context())
	require.ErrorContains(t, err, "broker is too old")
	// end
}

func TestMessagesForTests(t *testing.T) {
	ctx := t.Context()
	type OrderMessage = consumer.CommittableMessage[string, Order]
	charge := func(_ context.Context, m *OrderMessage) error {
		if m.Value.Amount > 3 {
			return errors.New("too much")
		}
		m.Offset.Commit()
		return nil
	}
	// snippet: kafkatest-message
	// at offset 7
	m, offset := kafkatest.NewMessage(*envelope.New("orders", "nr-1", Order{Amount: 3}), 7)
	require.NoError(t, charge(ctx, m))
	require.Equal(t, 1, offset.Commits())

	m, offset = kafkatest.NewMessage(*envelope.New("orders", "nr-2", Order{Amount: 4}), 8)
	require.Error(t, charge(ctx, m))
	require.Zero(t, offset.Commits())
	// end
}
