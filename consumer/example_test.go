package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

type order struct {
	ID    string
	Total int
}

// exampleOrders starts a Kafka for an example, with three orders in the topic of that name, which
// has one partition.
func exampleOrders() (settings.Consumer[string, order], func()) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
	if err != nil {
		log.Fatal(err)
	}
	broker := settings.Bootstrap(k.ListenAddrs()...)
	ps := settings.NewProducer(serde.String(), serde.JSON[order](), broker)
	orders := []*envelope.Record[string, order]{
		envelope.New("orders", "a", order{"nr-1", 12}), envelope.New("orders", "b", order{"nr-2", 0}), envelope.New("orders", "a", order{"nr-3", 30}),
	}
	if err := stream.FromSlice(orders).To(producer.PlainSink(ps)).Run(context.Background()); err != nil {
		log.Fatal(err)
	}
	return settings.NewConsumer(serde.String(), serde.JSON[order](), broker, settings.Group("billing")), k.Close
}

func show(_ context.Context, r *consumer.Record[string, order]) error {
	fmt.Println(r.Offset(), r.Key, r.Value)
	return nil
}

func ExampleConsumer_PlainSource() {
	cs, stop := exampleOrders()
	defer stop()

	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	err := c.PlainSource().To(stream.ForEach(show)).Run(context.Background())
	fmt.Println(err)
	// Output:
	// 0 a {nr-1 12}
	// 1 b {nr-2 0}
	// 2 a {nr-3 30}
	// <nil>
}

func ExampleConsumer_CommittableSource() {
	cs, stop := exampleOrders()
	defer stop()

	// What is filtered out is finished too: its offset is committed with those after it.
	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	paid := c.CommittableSource().Filter(func(m *consumer.CommittableMessage[string, order]) bool { return m.Value.Total > 0 })
	billed := stream.MapAsync(paid, 8, func(ctx context.Context, m *consumer.CommittableMessage[string, order]) (envelope.Committable, error) {
		return m.Offset, show(ctx, &m.Record)
	})
	err := billed.To(consumer.CommitterSink(settings.NewCommitter())).Run(context.Background())
	fmt.Println(err)

	// Nothing is left for the next run.
	left, err := stream.Collect(context.Background(), c.PlainSource())
	fmt.Println(len(left), err)
	// Unordered output:
	// 0 a {nr-1 12}
	// 2 a {nr-3 30}
	// <nil>
	// 0 <nil>
}

func ExampleCommitsElsewhere() {
	cs, stop := exampleOrders()
	defer stop()

	// The elements leave the graph, and whoever has them says when an order is done.
	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd(), consumer.CommitsElsewhere())
	for m, err := range c.CommittableSource().All(context.Background()) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(m.Offset, m.Value)
		m.Offset.Commit()
	}

	// Without the option it is told what is missing.
	c = consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	var none *consumer.NoCommitterError
	err := c.CommittableSource().To(stream.Ignore[*consumer.CommittableMessage[string, order]]()).Run(context.Background())
	fmt.Println(errors.As(err, &none), none.Source)
	left, err := stream.Collect(context.Background(), c.PlainSource())
	fmt.Println(len(left), err)
	// Output:
	// orders[0]@0 {nr-1 12}
	// orders[0]@1 {nr-2 0}
	// orders[0]@2 {nr-3 30}
	// true committableSource
	// 0 <nil>
}

func ExampleConsumer_CommitWithMetadataSource() {
	cs, stop := exampleOrders()
	defer stop()

	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	src := c.CommitWithMetadataSource(func(r *consumer.Record[string, order]) (string, error) { return "billed " + r.Value.ID, nil })
	offsets := stream.Map(src, func(m *consumer.CommittableMessage[string, order]) envelope.Committable { return m.Offset })
	fmt.Println(offsets.To(consumer.CommitterSink(settings.NewCommitter())).Run(context.Background()))
	// Output: <nil>
}

func ExampleConsumer_SourceWithOffsetContext() {
	cs, stop := exampleOrders()
	defer stop()

	// Operators work on the records, and carry the offsets along.
	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	totals := stream.MapWithContext(c.SourceWithOffsetContext(), func(r *consumer.Record[string, order]) int { return r.Value.Total })
	billed := totals.Filter(func(total int) bool { return total > 0 }).Tap(func(total int) { fmt.Println(total) })
	fmt.Println(billed.To(consumer.CommitterSinkWithOffsetContext[int](settings.NewCommitter())).Run(context.Background()))
	// Output:
	// 12
	// 30
	// <nil>
}

func ExampleCommitterSinkOf() {
	cs, stop := exampleOrders()
	defer stop()

	// A batch is saved as a whole, and finishes all its messages.
	type message = *consumer.CommittableMessage[string, order]
	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	saved := stream.TryMap(stream.Batch(c.CommittableSource(), 500, time.Second), func(_ context.Context, ms []message) ([]message, error) {
		fmt.Println(len(ms), "in one transaction")
		return ms, nil
	})
	fmt.Println(saved.To(consumer.CommitterSinkOf[[]message](settings.NewCommitter())).Run(context.Background()))

	err := stream.FromSlice([]int{1}).To(consumer.CommitterSinkOf[int](settings.NewCommitter())).Run(context.Background())
	var none *consumer.OffsetTypeError
	fmt.Println(errors.As(err, &none), none.Type)
	// Output:
	// 3 in one transaction
	// <nil>
	// true int
}

func ExampleConsumer_SourceWithOffsetContextAndMetadata() {
	cs, stop := exampleOrders()
	defer stop()

	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	src := c.SourceWithOffsetContextAndMetadata(func(r *consumer.Record[string, order]) (string, error) { return r.Value.ID, nil })
	type rec = *consumer.Record[string, order]
	fmt.Println(src.To(consumer.CommitterSinkWithOffsetContext[rec](settings.NewCommitter())).Run(context.Background()))
	// Output: <nil>
}

func ExampleConsumer_AtMostOnceSource() {
	cs, stop := exampleOrders()
	defer stop()

	// For work that must not be done twice. A crash loses up to 100 records of a partition, and
	// what is in flight.
	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	fmt.Println(c.AtMostOnceSource(100).To(stream.ForEach(show)).Run(context.Background()))
	// Output:
	// 0 a {nr-1 12}
	// 1 b {nr-2 0}
	// 2 a {nr-3 30}
	// <nil>
}

func ExampleConsumer_PlainPartitionedSource() {
	cs, stop := exampleOrders()
	defer stop()

	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	err := stream.Each(c.PlainPartitionedSource(), 0, func(p consumer.TopicPartition, src stream.Source[*consumer.Record[string, order]]) stream.Graph {
		fmt.Println(p)
		return src.To(stream.ForEach(show))
	}).Run(context.Background())
	fmt.Println(err)
	// Output:
	// orders[0]
	// 0 a {nr-1 12}
	// 1 b {nr-2 0}
	// 2 a {nr-3 30}
	// <nil>
}

func ExampleConsumer_CommittablePartitionedSource() {
	cs, stop := exampleOrders()
	defer stop()

	type message = *consumer.CommittableMessage[string, order]
	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	err := stream.Each(c.CommittablePartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[message]) stream.Graph {
		billed := stream.TryMap(src, func(ctx context.Context, m message) (envelope.Committable, error) {
			return m.Offset, show(ctx, &m.Record)
		})
		return billed.To(consumer.CommitterSink(settings.NewCommitter()))
	}).Run(context.Background())
	fmt.Println(err)
	// Output:
	// 0 a {nr-1 12}
	// 1 b {nr-2 0}
	// 2 a {nr-3 30}
	// <nil>
}

func ExampleConsumer_CommitWithMetadataPartitionedSource() {
	cs, stop := exampleOrders()
	defer stop()

	type message = *consumer.CommittableMessage[string, order]
	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	src := c.CommitWithMetadataPartitionedSource(func(r *consumer.Record[string, order]) (string, error) { return r.Value.ID, nil })
	err := stream.Each(src, 0, func(_ consumer.TopicPartition, src stream.Source[message]) stream.Graph {
		return stream.Map(src, func(m message) envelope.Committable { return m.Offset }).To(consumer.CommitterSink(settings.NewCommitter()))
	}).Run(context.Background())
	fmt.Println(err)
	// Output: <nil>
}

// Totals are kept with the offset after the last order that is in them; a database would write
// both in one transaction.
func ExampleConsumer_PlainPartitionedManualOffsetSource() {
	cs, stop := exampleOrders()
	defer stop()

	var mu sync.Mutex
	// nr-1 is in it
	total, next := 12, map[consumer.TopicPartition]int64{{Topic: "orders", Partition: 0}: 1}
	load := func(_ context.Context, ps []consumer.TopicPartition) (map[consumer.TopicPartition]int64, error) {
		mu.Lock()
		defer mu.Unlock()
		from := map[consumer.TopicPartition]int64{}
		for _, p := range ps {
			from[p] = next[p]
		}
		return from, nil
	}
	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	err := stream.Each(c.PlainPartitionedManualOffsetSource(load, nil), 0, func(p consumer.TopicPartition, src stream.Source[*consumer.Record[string, order]]) stream.Graph {
		return src.To(stream.ForEach(func(_ context.Context, r *consumer.Record[string, order]) error {
			mu.Lock()
			defer mu.Unlock()
			total, next[p] = total+r.Value.Total, r.Offset()+1
			return nil
		}))
	}).Run(context.Background())
	fmt.Println(total, next, err)
	// Output: 42 map[orders[0]:3] <nil>
}

func ExampleConsumer_CommittablePartitionedManualOffsetSource() {
	cs, stop := exampleOrders()
	defer stop()

	type message = *consumer.CommittableMessage[string, order]
	load := func(context.Context, []consumer.TopicPartition) (map[consumer.TopicPartition]int64, error) {
		return map[consumer.TopicPartition]int64{{Topic: "orders", Partition: 0}: 2}, nil
	}
	revoked := func(ps []consumer.TopicPartition) { log.Println("gone, and finished:", ps) }
	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	err := stream.Each(c.CommittablePartitionedManualOffsetSource(load, revoked), 0, func(_ consumer.TopicPartition, src stream.Source[message]) stream.Graph {
		billed := stream.TryMap(src, func(ctx context.Context, m message) (envelope.Committable, error) {
			return m.Offset, show(ctx, &m.Record)
		})
		return billed.To(consumer.CommitterSink(settings.NewCommitter()))
	}).Run(context.Background())
	fmt.Println(err)
	// Output:
	// 2 a {nr-3 30}
	// <nil>
}

func ExampleOffsets() {
	cs, stop := exampleOrders()
	defer stop()

	from := consumer.Offsets(map[consumer.TopicPartition]int64{{Topic: "orders", Partition: 0}: 1})
	fmt.Println(consumer.New(cs, from, consumer.ToEnd()).PlainSource().To(stream.ForEach(show)).Run(context.Background()))
	// Output:
	// 1 b {nr-2 0}
	// 2 a {nr-3 30}
	// <nil>
}

func ExampleConsumer_Pause() {
	cs, stop := exampleOrders()
	defer stop()

	c := consumer.New(cs, consumer.Topics("orders"))
	fmt.Println(errors.Is(c.Pause(), consumer.ErrNotRunning))
	err := c.PlainSource().Take(3).To(stream.ForEach(func(ctx context.Context, r *consumer.Record[string, order]) error {
		p := consumer.TopicPartition{Topic: r.Topic(), Partition: r.Partition()}
		if err := c.Pause(p); err != nil { // until whatever it is is well again
			return err
		}
		return errors.Join(show(ctx, r), c.Resume(p))
	})).Run(context.Background())
	fmt.Println(err)
	// Output:
	// true
	// 0 a {nr-1 12}
	// 1 b {nr-2 0}
	// 2 a {nr-3 30}
	// <nil>
}

func ExampleConsumer_Lag() {
	cs, stop := exampleOrders()
	defer stop()

	c := consumer.New(cs, consumer.Topics("orders"))
	err := c.PlainSource().Take(2).To(stream.ForEach(func(ctx context.Context, r *consumer.Record[string, order]) error {
		lags, err := c.Lag(ctx)
		fmt.Println(lags[0].End, lags.Behind()) // the one in hand is not finished
		return err
	})).Run(context.Background())
	fmt.Println(err)
	// Output:
	// 3 3
	// 3 2
	// <nil>
}

func ExampleOnRebalance() {
	cs, stop := exampleOrders()
	defer stop()

	h := consumer.Handler{
		Assigned: func(ctx context.Context, r *consumer.Restricted, ps []consumer.TopicPartition) error {
			end, err := r.End(ctx, ps...)
			fmt.Println("assigned", ps, end)
			return err
		},
		Stopped: func(_ context.Context, _ *consumer.Restricted, ps []consumer.TopicPartition) error {
			fmt.Println("stopped", ps)
			return nil
		},
	}
	c := consumer.New(cs, consumer.Topics("orders"), consumer.OnRebalance(h), consumer.ToEnd())
	fmt.Println(c.PlainSource().To(stream.Ignore[*consumer.Record[string, order]]()).Run(context.Background()))
	// Output:
	// assigned [orders[0]] map[orders[0]:3]
	// stopped [orders[0]]
	// <nil>
}

func ExampleEvents() {
	cs, stop := exampleOrders()
	defer stop()

	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd(), consumer.Events(func(e consumer.Event) { fmt.Println(e.Kind, e.Partitions) }))
	fmt.Println(c.PlainSource().To(stream.Ignore[*consumer.Record[string, order]]()).Run(context.Background()))
	// Output:
	// assigned [orders[0]]
	// stopped [orders[0]]
	// <nil>
}
