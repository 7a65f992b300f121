// Command sharedclient runs two streams that share one client: its connections, its batches, and
// its one window of records in flight. The streams come and go; the client is closed after them by
// whoever has made it.
//
//	go run ./examples/sharedclient
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"sync"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/examples/internal/broker"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

type order struct {
	Number int
	Total  float64
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) // Ctrl-C drains
	defer stop()
	if err := run(ctx, os.Stdout, 1000); err != nil && !errors.Is(err, stream.ErrDrained) {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, n int) (err error) {
	b, err := broker.Find(ctx, "orders", "audit")
	if err != nil {
		return err
	}
	defer b.Close()

	// The window is the client's: 5,000 records and 8 MiB, for both streams together.
	ps := settings.NewProducer(serde.String(), serde.JSON[order](), b.Bootstrap(), settings.Window(5000, 8<<20))
	client, err := producer.NewClient(ps)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close(context.WithoutCancel(ctx))) }()

	// Records of other types go through the same client: of these settings only the serdes are
	// used, and what they were given must not contradict the client.
	text := settings.NewProducer(serde.None(), serde.String(), b.Bootstrap())

	orders := stream.Map(stream.FromRange(0, n), func(i int) *envelope.Record[string, order] {
		return envelope.New(b.Topic("orders"), fmt.Sprintf("customer-%d", i%7), order{Number: i, Total: float64(i) / 4})
	}).To(producer.PlainSink(ps, producer.On(client)))
	audit := stream.Map(stream.FromRange(0, n/10), func(i int) *envelope.Record[struct{}, string] {
		return envelope.Keyless[struct{}](b.Topic("audit"), fmt.Sprintf("seen up to %d", i*10))
	}).To(producer.PlainSink(text, producer.On(client)))

	var runs sync.WaitGroup
	errs := make([]error, 2)
	for i, g := range []stream.Graph{orders, audit} {
		runs.Go(func() { errs[i] = g.Run(ctx) })
	}
	runs.Wait()

	m := client.Metrics()
	fmt.Fprintf(out, "%d records acknowledged, %d failed, %d in flight\n", m.Acknowledged, m.Failed, m.InFlight)
	return errors.Join(errs...)
}
