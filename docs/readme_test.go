package docs_test

// snippet: readme-imports
import (
	"context"
	"errors"
	"fmt"
	"time"

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

// ship writes orders to Kafka as they come in on a channel, until the channel is closed or ctx ends.
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

// bill asks a tax service about 16 orders at a time, tries again where that fails, writes the invoices, and yields where each of them is, in the orders' order.
func bill(ctx context.Context, brokers string, orders []Order, tax func(context.Context, Order) (float64, error)) error {
	ps := settings.NewProducer(serde.String(), serde.JSON[Invoice](), settings.Bootstrap(brokers))

	type number int // what goes beside each record and comes back with its result
	next := number(0)
	envelopes := stream.Map(
		stream.MapAsync(stream.FromSlice(orders), 16, func(ctx context.Context, o Order) (Invoice, error) {
			t, err := tax(ctx, o)
			return Invoice{o, t}, err
		}, stream.OnError(stream.Retry(stream.Backoff{Attempts: 5, First: 50 * time.Millisecond}))),
		func(i Invoice) envelope.Envelope[string, Invoice, number] {
			next++
			return envelope.Single(*envelope.New("invoices", i.Customer, i), next)
		})

	for res, err := range stream.Via(envelopes, producer.FlexiFlow[number](ps)).All(ctx) {
		if err != nil {
			return err // which stage, and why
		}
		if r, ok := res.(*envelope.Result[string, Invoice, number]); ok {
			fmt.Printf("invoice %d: partition %d, offset %d\n", r.Pass(), r.Metadata.Partition, r.Metadata.Offset)
		}
	}
	return nil
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
