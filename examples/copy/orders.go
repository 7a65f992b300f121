package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/examples/internal/broker"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// take writes the orders from one number up to another. Each tenth is a trial.
func take(ctx context.Context, b *broker.Broker, from, to int) error {
	ps := settings.NewProducer(serde.String(), serde.JSON[order](), b.Bootstrap())
	return stream.Map(stream.FromRange(from, to), func(i int) *envelope.Record[string, order] {
		return envelope.New(b.Topic("orders"), fmt.Sprintf("customer-%d", i%7), order{Number: i, Cents: 100 + i, Trial: i%10 == 0})
	}).To(producer.PlainSink(ps)).Run(ctx)
}

// tell prints what a plain client finds: the offsets of the group, and the invoices.
func tell(ctx context.Context, out io.Writer, b *broker.Broker, when string) error {
	committed, end, err := b.Committed(ctx, "billing", "orders")
	if err != nil {
		return err
	}
	records, err := b.Read(ctx, "invoices")
	if err != nil {
		return err
	}
	times := map[int]int{}
	for _, r := range records {
		var i invoice
		if err := json.Unmarshal(r.Value, &i); err != nil {
			return err
		}
		times[i.Order]++
	}
	fmt.Fprintf(out, "%s: %d of %d orders committed, %d invoices, %d of them twice\n", when, committed, end, len(times), len(records)-len(times))
	return nil
}
