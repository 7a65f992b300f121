package producer_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

type invoice struct{ Total int }

// exampleBroker starts a Kafka for an example, with topics of one partition.
func exampleBroker(topics ...string) (settings.Producer[string, invoice], func()) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topics...))
	if err != nil {
		log.Fatal(err)
	}
	return settings.NewProducer(serde.String(), serde.JSON[invoice](), settings.Bootstrap(k.ListenAddrs()...)), k.Close
}

func ExamplePlainSink() {
	ps, stop := exampleBroker("invoices")
	defer stop()
	ctx := context.Background()

	invoices := []*envelope.Record[string, invoice]{
		envelope.New("invoices", "nr-1", invoice{Total: 12}),
		envelope.New("invoices", "nr-2", invoice{Total: 30}),
		envelope.NewTombstone[invoice]("invoices", "nr-1"),
	}
	err := stream.FromSlice(invoices).To(producer.PlainSink(ps)).Run(ctx)
	fmt.Println("all acknowledged:", err == nil)
	// Output: all acknowledged: true
}

func ExampleFlexiFlow() {
	ps, stop := exampleBroker("invoices", "audit")
	defer stop()
	ctx := context.Background()

	type order struct {
		id    string
		total int
	}
	orders := stream.FromSlice([]order{{"nr-1", 12}, {"nr-2", 0}, {"nr-3", 5000}})
	envelopes := stream.Map(orders, func(o order) envelope.Envelope[string, invoice, string] {
		rec := envelope.New("invoices", o.id, invoice{Total: o.total})
		switch {
		case o.total == 0: // nothing to send; it keeps its place all the same
			return envelope.PassThrough[string, invoice](o.id)
		case o.total > 1000: // two records that belong together
			return envelope.Multi([]envelope.Record[string, invoice]{*rec, *envelope.New("audit", o.id, rec.Value)}, o.id)
		}
		return envelope.Single(*rec, o.id)
	})
	for res, err := range stream.Via(envelopes, producer.FlexiFlow[string](ps)).All(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		switch r := res.(type) {
		case *envelope.Result[string, invoice, string]:
			fmt.Printf("%s: %s@%d\n", r.Pass(), r.Metadata.Topic, r.Metadata.Offset)
		case *envelope.MultiResult[string, invoice, string]:
			for _, part := range r.Parts {
				fmt.Printf("%s: %s@%d\n", r.Pass(), part.Metadata.Topic, part.Metadata.Offset)
			}
		default:
			fmt.Printf("%s: free\n", r.Pass())
		}
	}
	// Output:
	// nr-1: invoices@0
	// nr-2: free
	// nr-3: invoices@1
	// nr-3: audit@0
}

// From a topic to another, at least once: an order's offset is committed when its invoice has been
// acknowledged, and those of all orders before it.
func ExampleCommittableSink() {
	ps, stop := exampleBroker("orders", "invoices")
	defer stop()
	ctx := context.Background()

	var orders []*envelope.Record[string, invoice]
	for i, total := range []int{12, 0, 30} {
		orders = append(orders, envelope.New("orders", fmt.Sprint("nr-", i+1), invoice{Total: total}))
	}
	if err := stream.FromSlice(orders).To(producer.PlainSink(ps)).Run(ctx); err != nil {
		log.Fatal(err)
	}

	toInvoice := func(m *consumer.CommittableMessage[string, invoice]) envelope.Envelope[string, invoice, envelope.Committable] {
		if m.Value.Total == 0 {
			// nothing to produce, and the offset advances
			return envelope.PassThrough[string, invoice](m.Offset)
		}
		return envelope.Single(*envelope.New("invoices", m.Key, m.Value), m.Offset)
	}
	cs := settings.NewConsumer(serde.String(), serde.JSON[invoice](), settings.Bootstrap(ps.Bootstrap()...), settings.Group("billing"))
	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	err := stream.Map(c.CommittableSource(), toInvoice).To(producer.CommittableSink(ps, settings.NewCommitter())).Run(ctx)
	fmt.Println("written, acknowledged and committed:", err == nil)
	// Output: written, acknowledged and committed: true
}

// The offset stays beside the elements, as their context, and they need not know of it.
func ExampleCommittableSinkWithOffsetContext() {
	ps, stop := exampleBroker("orders", "invoices")
	defer stop()
	ctx := context.Background()

	order := envelope.New("orders", "nr-1", invoice{Total: 12})
	if err := stream.FromSlice([]*envelope.Record[string, invoice]{order}).To(producer.PlainSink(ps)).Run(ctx); err != nil {
		log.Fatal(err)
	}

	cs := settings.NewConsumer(serde.String(), serde.JSON[invoice](), settings.Bootstrap(ps.Bootstrap()...), settings.Group("billing"))
	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	invoices := stream.MapWithContext(c.SourceWithOffsetContext(), func(r *consumer.Record[string, invoice]) envelope.Envelope[string, invoice, envelope.None] {
		return envelope.Single(*envelope.New("invoices", r.Key, r.Value), envelope.None{})
	})
	err := invoices.To(producer.CommittableSinkWithOffsetContext(ps, settings.NewCommitter())).Run(ctx)
	fmt.Println("written, acknowledged and committed:", err == nil)
	// Output: written, acknowledged and committed: true
}

func ExampleFlowWithContext() {
	ps, stop := exampleBroker("invoices")
	defer stop()
	ctx := context.Background()

	type request struct {
		id string
		nr string
	}
	requests := stream.FromSlice([]request{{"req-a", "nr-1"}, {"req-b", "nr-2"}})
	envelopes := stream.MapWithContext(
		stream.WithContext(requests, func(r request) string { return r.id }),
		func(r request) envelope.Envelope[string, invoice, envelope.None] {
			return envelope.Single(*envelope.New("invoices", r.nr, invoice{Total: 1}), envelope.None{})
		})
	written := stream.ViaWithContext(envelopes, producer.FlowWithContext[string](ps))
	for pair, err := range written.Pairs().All(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(pair.Context, "is answered, error:", pair.Value.Failed())
	}
	// Output:
	// req-a is answered, error: <nil>
	// req-b is answered, error: <nil>
}

// Several streams and Elements share one client: its connections, its batches and its window.
func ExampleNewClient() {
	ps, stop := exampleBroker("invoices", "audit")
	defer stop()
	ctx := context.Background()

	cl, err := producer.NewClient(ps)
	if err != nil {
		log.Fatal(err)
	}
	invoices := stream.FromSlice([]*envelope.Record[string, invoice]{envelope.New("invoices", "nr-1", invoice{12})}).To(producer.PlainSink(ps, producer.On(cl)))
	audit := stream.FromSlice([]*envelope.Record[string, invoice]{envelope.New("audit", "nr-1", invoice{12})}).To(producer.PlainSink(ps, producer.On(cl)))
	for _, g := range []stream.Graph{invoices, audit} {
		if err := g.Run(ctx); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("acknowledged:", cl.Metrics().Acknowledged)
	fmt.Println("closed:", cl.Close(ctx) == nil) // by its owner, after the streams
	// Output:
	// acknowledged: 2
	// closed: true
}

func ExampleElement() {
	ps, stop := exampleBroker("invoices")
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	p, err := producer.NewElement(ps)
	if err != nil {
		log.Fatal(err)
	}
	md, err := p.Send(ctx, envelope.New("invoices", "nr-1", invoice{Total: 12}))
	fmt.Printf("%s[%d]@%d %v\n", md.Topic, md.Partition, md.Offset, err)

	future, err := p.SendFuture(ctx, envelope.New("invoices", "nr-2", invoice{Total: 30}))
	if err != nil {
		log.Fatal(err)
	}
	md, err = future.Wait(ctx)
	fmt.Printf("%s[%d]@%d %v\n", md.Topic, md.Partition, md.Offset, err)

	err = p.SendAsync(ctx, envelope.New("invoices", "nr-3", invoice{Total: 7}), func(md envelope.Metadata, err error) {
		fmt.Printf("%s[%d]@%d %v\n", md.Topic, md.Partition, md.Offset, err)
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Close(ctx); err != nil { // waits for the callback
		log.Fatal(err)
	}
	// Output:
	// invoices[0]@0 <nil>
	// invoices[0]@1 <nil>
	// invoices[0]@2 <nil>
}

func ExampleSendEnvelope() {
	ps, stop := exampleBroker("invoices")
	defer stop()
	ctx := context.Background()

	p, err := producer.NewElement(ps)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = p.Close(ctx) }()
	res, err := producer.SendEnvelope(ctx, p, envelope.Single(*envelope.New("invoices", "nr-1", invoice{Total: 12}), "request 7"))
	fmt.Println(res.Pass(), err)
	// Output: request 7 <nil>
}
