package docs_test

// snippet: readme-imports
import (
	"context"
	"errors"
	"time"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// end

// snippet: readme

type Order struct {
	Customer string  `json:"customer"`
	Amount   float64 `json:"amount"`
	Trial    bool    `json:"trial,omitempty"`
}

type Invoice struct {
	Order
	Tax float64 `json:"tax"`
}

// ship writes orders to Kafka as they come in on a channel, until the channel is closed or ctx
// ends.
func ship(ctx context.Context, brokers string, orders <-chan Order) error {
	ps := settings.NewProducer(serde.String(), serde.JSON[Order](), settings.Bootstrap(brokers))

	paid := stream.FromChan(orders).Filter(func(o Order) bool { return !o.Trial })
	records := stream.Map(paid, func(o Order) *envelope.Record[string, Order] {
		return envelope.New("orders", o.Customer, o) // topic, key, value
	})

	err := records.To(producer.PlainSink(ps)).Run(ctx)
	if errors.Is(err, stream.ErrDrained) {
		return nil // ctx has ended: all that was taken from the channel is acknowledged
	}
	return err
}

// bill reads orders, asks a tax service about 16 of them at a time, and writes invoices. An order's
// offset is committed when its invoice, and everything before it in its partition, is written: no
// order is lost, and a clean restart bills none twice.
func bill(ctx context.Context, brokers string, tax func(context.Context, Order) (float64, error)) error {
	cs := settings.NewConsumer(serde.String(), serde.JSON[Order](), settings.Bootstrap(brokers), settings.Group("billing"))
	ps := settings.NewProducer(serde.String(), serde.JSON[Invoice](), settings.Bootstrap(brokers))

	type message = *consumer.CommittableMessage[string, Order]
	type invoice = envelope.Envelope[string, Invoice, envelope.Committable]

	orders := consumer.New(cs, consumer.Topics("orders")).CommittableSource()
	// what is left out is done, and its offset advances
	large := orders.Filter(func(m message) bool { return m.Value.Amount >= 5 })
	invoices := stream.MapAsync(large, 16, func(ctx context.Context, m message) (invoice, error) {
		t, err := tax(ctx, m.Value)
		return envelope.Single(*envelope.New("invoices", m.Value.Customer, Invoice{m.Value, t}), m.Offset), err
	}, stream.OnError(stream.Retry(stream.Backoff{Attempts: 5, First: 50 * time.Millisecond})))

	err := invoices.To(producer.CommittableSink(ps, settings.NewCommitter())).Run(ctx)
	if errors.Is(err, stream.ErrDrained) {
		// ctx has ended: what was in flight is written and committed, and the group is left
		return nil
	}
	return err
}

// greet sends one record, without a stream.
func greet(ctx context.Context, brokers string) error {
	p, err := producer.NewElement(settings.NewProducer(serde.String(), serde.String(), settings.Bootstrap(brokers)))
	if err != nil {
		return err
	}
	_, err = p.Send(ctx, envelope.New("greetings", "en", "hello"))
	return errors.Join(err, p.Close(ctx))
}

// end
