// Command ownoffsets keeps the offsets with the results, and not in Kafka: a file for each
// partition says what was summed up and how far, and is written whole or not at all. So each
// payment counts once, whatever crashes and whoever has the partition: Kafka's group shares the
// partitions, and knows nothing of the offsets.
//
//	go run ./examples/ownoffsets
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/examples/internal/broker"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

type (
	partition = consumer.TopicPartition
	payment   = consumer.Record[string, int]
)

// sum adds up the payments of each partition, a hundred at a time.
func sum(payments *consumer.Consumer[string, int], in folder) stream.Graph {
	// load is asked where to begin with partitions that have come. The function for those that go
	// is not needed: each batch is in its file already.
	source := payments.PlainPartitionedManualOffsetSource(in.load, nil)
	return stream.Each(source, 0, func(p partition, payments stream.Source[*payment]) stream.Graph {
		return stream.Batch(payments, 100, 100*time.Millisecond).
			To(stream.ForEach(func(_ context.Context, batch []*payment) error { return in.add(p, batch) }))
	})
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) // Ctrl-C drains
	defer stop()
	if err := run(ctx, os.Stdout, 1000); err != nil && !errors.Is(err, stream.ErrDrained) {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, n int) error {
	b, err := broker.Find(ctx, "payments")
	if err != nil {
		return err
	}
	defer b.Close()
	dir, err := os.MkdirTemp("", "vicuna-ownoffsets-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	in := folder(dir)
	cs := settings.NewConsumer(serde.String(), serde.JSON[int](), b.Bootstrap(), settings.Group(b.Group("accounting")))

	// the second run begins where the files of the first say
	for _, name := range []string{"first", "second"} {
		if err := pay(ctx, b, n); err != nil {
			return err
		}
		// a service leaves ToEnd out
		c := consumer.New(cs, consumer.Topics(b.Topic("payments")), consumer.ToEnd())
		if err := sum(c, in).Run(ctx); err != nil {
			return err
		}
		total, records, err := in.totals()
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "after the %s run: %d payments, %d in all\n", name, records, total)
	}
	return nil
}

// pay writes n payments of 1.
func pay(ctx context.Context, b *broker.Broker, n int) error {
	ps := settings.NewProducer(serde.String(), serde.JSON[int](), b.Bootstrap())
	return stream.Map(stream.FromRange(0, n), func(i int) *envelope.Record[string, int] {
		return envelope.New(b.Topic("payments"), fmt.Sprintf("account-%d", i%50), 1)
	}).To(producer.PlainSink(ps)).Run(ctx)
}
