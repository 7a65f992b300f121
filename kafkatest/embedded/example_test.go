package embedded_test

import (
	"context"
	"fmt"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest/embedded"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

func ExampleOpen() {
	b, err := embedded.Open(embedded.Topics(1, "words"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	ctx := context.Background()

	ps := settings.NewProducer(serde.String(), serde.String(), b.Bootstrap())
	words := stream.FromSlice([]*envelope.Record[string, string]{envelope.New("words", "k", "hello")})
	fmt.Println(words.To(producer.PlainSink(ps)).Run(ctx))

	cs := settings.NewConsumer(serde.String(), serde.String(), b.Bootstrap())
	first, err := stream.First(ctx, consumer.New(cs, consumer.Partitions(consumer.TopicPartition{Topic: "words"}), consumer.ToEnd()).PlainSource())
	fmt.Println(first.Value, err)
	// Output:
	// <nil>
	// hello <nil>
}
