// Command withoutstream sends records without a stream, in the four ways that there are: waiting,
// with a callback, with a future, and as an envelope.
//
//	go run ./examples/withoutstream
package main

import (
	"context"
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
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) (err error) {
	b, err := broker.Find(ctx, "greetings", "copies")
	if err != nil {
		return err
	}
	defer b.Close()
	greetings, copies := b.Topic("greetings"), b.Topic("copies")

	// One Element serves the whole program, from any number of goroutines.
	p, err := producer.NewElement(settings.NewProducer(serde.String(), serde.String(), b.Bootstrap()))
	if err != nil {
		return err
	}
	defer func() {
		// waits for what is in flight
		if closing := p.Close(context.WithoutCancel(ctx)); err == nil {
			err = closing
		}
	}()

	// Send waits for the acknowledgement.
	md, err := p.Send(ctx, envelope.New(greetings, "en", "hello"))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Send: offset %d, key of %d bytes\n", md.Offset, md.KeySize)

	// SendAsync waits for room in the window only; the callback has the outcome.
	told := make(chan error, 1)
	err = p.SendAsync(ctx, envelope.New(greetings, "en", "good morning"), func(md envelope.Metadata, err error) {
		if err == nil {
			fmt.Fprintf(out, "SendAsync: offset %d\n", md.Offset)
		}
		told <- err
	})
	if err != nil {
		return err // it was not sent, and the callback is not called
	}
	if err := <-told; err != nil {
		return err
	}

	// SendFuture gives the outcome to whoever waits for it.
	future, err := p.SendFuture(ctx, envelope.New(greetings, "en", "good evening"))
	if err != nil {
		return err
	}
	if md, err = future.Wait(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "SendFuture: offset %d\n", md.Offset)

	// SendEnvelope sends any envelope. This one is acknowledged when both its records are, and
	// carries a number of ours.
	res, err := producer.SendEnvelope(ctx, p, envelope.Multi([]envelope.Record[string, string]{
		*envelope.New(greetings, "en", "good night"),
		*envelope.New(copies, "en", "good night"),
	}, 42))
	if err != nil {
		return err
	}
	for _, part := range res.(*envelope.MultiResult[string, string, int]).Parts {
		fmt.Fprintf(out, "SendEnvelope %d: %s at offset %d\n", res.Pass(), part.Record.Value, part.Metadata.Offset)
	}
	return nil
}
