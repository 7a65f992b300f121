// Command partitions gives each partition a stream of its own: stream.Each starts one when the
// partition is assigned, and it ends when the partition is taken away. What a partition needs is
// made where its stream is built, and nobody else touches it: no locks. A slow partition holds up
// no other.
//
//	go run ./examples/partitions
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
	message   = consumer.CommittableMessage[string, string]
)

// count counts the visits of each page. All visits of a page are in one partition, so a partition's
// counts are whole.
func count(visits *consumer.Consumer[string, string], done func(partition, map[string]int)) stream.Graph {
	return stream.Each(visits.CommittablePartitionedSource(), 0, func(p partition, visits stream.Source[*message]) stream.Graph {
		pages := map[string]int{} // of this partition alone
		offsets := stream.Map(visits, func(m *message) envelope.Committable {
			pages[m.Key]++
			if m.Key == closing {
				done(p, pages)
			}
			return m.Offset
		})
		return offsets.To(consumer.CommitterSink(settings.NewCommitter()))
	})
}

// closing is the key of the last record of each partition.
const closing = "closing time"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt) // Ctrl-C drains
	defer stop()
	if err := run(ctx, os.Stdout, 1000); err != nil && !errors.Is(err, stream.ErrDrained) {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, n int) error {
	b, err := broker.Find(ctx, "visits")
	if err != nil {
		return err
	}
	defer b.Close()
	if err := visit(ctx, b, n); err != nil {
		return err
	}
	cs := settings.NewConsumer(serde.String(), serde.String(), b.Bootstrap(), settings.Group(b.Group("counting")))
	// a service leaves ToEnd out
	c := consumer.New(cs, consumer.Topics(b.Topic("visits")), consumer.ToEnd())
	// the partitions' streams run at the same time
	var mu sync.Mutex
	err = count(c, func(p partition, pages map[string]int) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(out, "partition %d: %v\n", p.Partition, pages)
	}).Run(ctx)
	if err != nil {
		return err
	}
	committed, end, err := b.Committed(ctx, "counting", "visits")
	fmt.Fprintf(out, "%d of %d offsets committed\n", committed, end)
	return err
}

// visit writes n visits of ten pages, and after them a closing record into each partition.
func visit(ctx context.Context, b *broker.Broker, n int) error {
	ps := settings.NewProducer(serde.String(), serde.String(), b.Bootstrap())
	visits := stream.FromSeq(func(yield func(*envelope.Record[string, string]) bool) {
		for i := range n {
			if !yield(envelope.New(b.Topic("visits"), fmt.Sprintf("page-%d", i%10), fmt.Sprintf("visitor-%d", i))) {
				return
			}
		}
		for p := range int32(4) {
			last := envelope.New(b.Topic("visits"), closing, "")
			last.Partition = envelope.ToPartition(p)
			if !yield(last) {
				return
			}
		}
	})
	return visits.To(producer.PlainSink(ps)).Run(ctx)
}
