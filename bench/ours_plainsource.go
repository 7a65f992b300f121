package main

import (
	"context"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/stream"
)

// oursPlainSource is P4.
func oursPlainSource(n int) *side {
	return &side{name: "PlainSource", n: n, run: func(ctx context.Context, t *trial) error {
		var all []consumer.TopicPartition
		for p := range t.load.partitions {
			all = append(all, consumer.TopicPartition{Topic: t.source, Partition: p})
		}
		var got tally
		err := t.measure(func() error {
			var opts []consumer.Option
			if t.ends != nil {
				opts = append(opts, consumer.ToEnd())
			}
			src := consumer.New(t.consumerSettings(), consumer.Partitions(all...), opts...).PlainSource()
			if t.ends == nil {
				src = src.Take(t.n)
			}
			take := stream.ForEach(func(_ context.Context, rec *consumer.Record[[]byte, []byte]) error {
				got.take(rec.Value, rec.Offset())
				return nil
			})
			return src.To(take).Run(ctx)
		})
		if err != nil {
			return err
		}
		return got.check(t)
	}}
}
