package kafkatest_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/serde"
)

// In a test file this is func TestOrders(t *testing.T).
func ExampleStart() {
	_ = func(t *testing.T) {
		k := kafkatest.Start(t, kafkatest.Topics(4, "orders"))
		kafkatest.Produce(t, k, "orders", kgo.KeyStringRecord("nr-1", `{"total":3}`))

		type order struct{ Total int }
		got := kafkatest.Expect(t, k, "orders", serde.String(), serde.JSON[order](), 1)
		require.Equal(t, order{Total: 3}, got[0].Value)
	}
}

// Acknowledgements that do not come: the records are written, and the code under
// test does not know.
func ExampleBroker_HoldAcks() {
	_ = func(t *testing.T) {
		k := kafkatest.Start(t, kafkatest.Topics(1, "invoices"))
		release := k.HoldAcks("invoices")
		// … start the code under test
		k.AwaitHeld(t, 1)
		require.EqualValues(t, -1, kafkatest.CommittedOffset(t, k, "billing", "orders", 0))
		release()
	}
}

// What the code under test asks brokers for that those of a release do not have.
func ExampleVersion() {
	_ = func(t *testing.T) {
		k := kafkatest.Start(t, kafkatest.Version("2.8"), kafkatest.Topics(4, "orders"))
		kafkatest.Produce(t, k, "orders", kgo.StringRecord("nr-1"))
		// … run the code under test
	}
}

// A time that costs none. Run it with: go test -tags synctests ./...
func ExampleVirtual() {
	_ = func(t *testing.T) {
		kafkatest.Virtual(t, func(t *testing.T, k *kafkatest.Broker) {
			// … start the code under test with k.Bootstrap() and k.Dialer()
			k.Kill()
			k.Restart(t)
			kafkatest.Expect(t, k, "invoices", serde.String(), serde.String(), 2)
		}, kafkatest.Topics(2, "orders", "invoices"))
	}
}

func ExampleNewResult() {
	var offset kafkatest.FakeCommittable
	res := kafkatest.NewResult(*envelope.New("invoices", "nr-1", 3), 7, envelope.Committable(&offset))
	res.Pass().Commit()
	fmt.Println(res.Metadata.Topic, res.Metadata.Offset, offset.Commits())
	// Output: invoices 7 1
}

// A function of the user's is tested without a broker.
func ExampleNewMessage() {
	bill := func(m *consumer.CommittableMessage[string, int]) {
		fmt.Println(m.Topic(), m.Record.Offset(), m.Key, m.Value)
		m.Offset.Commit()
	}
	m, offset := kafkatest.NewMessage(*envelope.New("orders", "nr-1", 3), 7)
	bill(m)
	fmt.Println(offset.Commits())
	// Output:
	// orders 7 nr-1 3
	// 1
}
