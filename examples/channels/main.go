// Command channels puts Kafka between two channels: requests come in on one, and where their
// records were written goes out on another, in the order of the requests. The program around it
// knows channels only.
//
//	go run ./examples/channels
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/examples/internal/broker"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// payment is what is written.
type payment struct {
	Account string
	Cents   int
}

// request is what the program is asked; id is its own affair, and comes back with the result.
type request struct {
	id      int
	payment payment
}

type (
	message = envelope.Envelope[string, payment, int]
	result  = envelope.Results[string, payment, int]
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) // Ctrl-C drains
	defer stop()
	if err := run(ctx, os.Stdout, 10); err != nil && !errors.Is(err, stream.ErrDrained) {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, n int) error {
	b, err := broker.Find(ctx, "payments")
	if err != nil {
		return err
	}
	defer b.Close()
	ps := settings.NewProducer(serde.String(), serde.JSON[payment](), b.Bootstrap())

	requests, results := make(chan request), make(chan result)
	go ask(ctx, requests, n)

	// A payment of nothing writes nothing. Its request has an answer all the same, in its turn.
	toMessage := func(r request) message {
		if r.payment.Cents == 0 {
			return envelope.PassThrough[string, payment](r.id)
		}
		return envelope.Single(*envelope.New(b.Topic("payments"), r.payment.Account, r.payment), r.id)
	}
	envelopes := stream.Map(stream.FromChan(requests), toMessage)
	written := stream.Via(envelopes, producer.FlexiFlow[int](ps))

	ended := make(chan error, 1)
	go func() {
		ended <- written.To(stream.ToChan(results)).Run(ctx)
		close(results) // the stream leaves that to the channel's owner
	}()

	for res := range results {
		switch r := res.(type) {
		case *envelope.Result[string, payment, int]:
			fmt.Fprintf(out, "request %d: %d bytes in partition %d at offset %d\n", r.Pass(), r.Metadata.ValueSize, r.Metadata.Partition, r.Metadata.Offset)
		case *envelope.PassThroughResult[string, payment, int]:
			fmt.Fprintf(out, "request %d: nothing to write\n", r.Pass())
		}
	}
	return <-ended
}

// ask is the program's own goroutine. Closing the channel completes the stream.
func ask(ctx context.Context, requests chan<- request, n int) {
	defer close(requests)
	for id := range n {
		r := request{id: id, payment: payment{Account: fmt.Sprintf("account-%d", id%3), Cents: id % 5 * 100}}
		select {
		case requests <- r: // waits while the stream back-pressures
		case <-ctx.Done():
			return
		}
	}
}
