// Command copy is a consumer connected to a producer: an invoice for each order, and an order's
// offset is committed when its invoice, and those of all orders before it, are acknowledged. It is
// ended in the middle and begun again, and nothing is lost or there twice.
//
//	go run ./examples/copy
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

type order struct {
	Number int
	Cents  int
	Trial  bool
}

type invoice struct {
	Order int
	Total string
}

type (
	orders  = consumer.Consumer[string, order]
	message = consumer.CommittableMessage[string, order]
	outcome = envelope.Envelope[string, invoice, envelope.Committable]
)

// bill is what matters here. What the Filter drops is finished with that, and its offset is
// committed like the others.
func bill(from *orders, to settings.Producer[string, invoice], topic string) stream.Graph {
	real := from.CommittableSource().Filter(func(m *message) bool { return !m.Value.Trial })

	invoices := stream.Map(real, func(m *message) outcome {
		i := invoice{Order: m.Value.Number, Total: fmt.Sprintf("%.2f", float64(m.Value.Cents)/100)}
		return envelope.Single(*envelope.New(topic, m.Key, i), m.Offset)
	})

	return invoices.To(producer.CommittableSink(to, settings.NewCommitter()))
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) // Ctrl-C drains
	defer stop()
	if err := run(ctx, os.Stdout, 1000); err != nil && !errors.Is(err, stream.ErrDrained) {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, n int) error {
	b, err := broker.Find(ctx, "orders", "invoices")
	if err != nil {
		return err
	}
	defer b.Close()
	cs := settings.NewConsumer(serde.String(), serde.JSON[order](), b.Bootstrap(), settings.Group(b.Group("billing")))
	ps := settings.NewProducer(serde.String(), serde.JSON[invoice](), b.Bootstrap())

	topic := consumer.Topics(b.Topic("orders"))

	// The first run is a service: it goes on until it is drained. No more is fetched then; what is
	// in flight is finished, and its offsets are committed.
	c := consumer.New(cs, topic)
	service, err := bill(c, ps, b.Topic("invoices")).Start(ctx)
	if err != nil {
		return err
	}
	err = errors.Join(take(ctx, b, 0, n/2), under(ctx, service, c, int64(n/4)))
	if err := errors.Join(err, service.Drain(ctx)); err != nil {
		return err
	}
	if err := tell(ctx, out, b, "drained"); err != nil {
		return err
	}

	// More orders come while nobody is there. The second run begins after what is committed, and
	// ends where there is nothing more to read.
	if err := take(ctx, b, n/2, n); err != nil {
		return err
	}
	if err := bill(consumer.New(cs, topic, consumer.ToEnd()), ps, b.Topic("invoices")).Run(ctx); err != nil {
		return err
	}
	return tell(ctx, out, b, "second run")
}

// under waits until a consumer has partitions, and is less behind than this.
func under(ctx context.Context, service *stream.Control, c *orders, behind int64) error {
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		lags, err := c.Lag(ctx)
		switch {
		case errors.Is(err, consumer.ErrNotRunning), errors.Is(err, consumer.ErrNoAssignment):
			// not yet
		case err != nil || len(lags) > 0 && lags.Behind() < behind:
			return err
		}
		select {
		case <-look.C:
		case <-service.Done():
			return service.Err()
		}
	}
}
