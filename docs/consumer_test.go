package docs_test

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

type (
	text    = consumer.Record[string, string]
	message = consumer.CommittableMessage[string, string]
)

// filled is a broker with n records in a topic of four partitions, and the settings for both sides.
func filled(t *testing.T, n int) (*kafkatest.Broker, settings.Consumer[string, string], settings.Producer[string, string]) {
	k, ps := broker(t, "orders", "invoices", "dead-letters")
	recs := make([]*kgo.Record, n)
	for i := range recs {
		recs[i] = kgo.KeyStringRecord(fmt.Sprint("key-", i), strconv.Itoa(i))
	}
	kafkatest.Produce(t, k, "orders", recs...)
	return k, settings.NewConsumer(serde.String(), serde.String(), k.Bootstrap(), settings.Group("billing")), ps
}

// committed is the sum of the group's offsets.
func committed(t *testing.T, k *kafkatest.Broker) (sum int64) {
	for p := range int32(4) {
		sum += max(0, kafkatest.CommittedOffset(t, k, "billing", "orders", p))
	}
	return sum
}

func TestConsumerToProducer(t *testing.T) {
	k, cs, ps := filled(t, 100)
	ctx := t.Context()
	// snippet: consume-produce
	invoices := func(m *consumer.CommittableMessage[string, string]) envelope.Envelope[string, string, envelope.Committable] {
		if strings.HasSuffix(m.Value, "7") {
			// nothing to write; its offset advances all the same
			return envelope.PassThrough[string, string](m.Offset)
		}
		return envelope.Single(*envelope.New("invoices", m.Key, "invoice for "+m.Value), m.Offset)
	}

	// without ToEnd it goes on for ever
	orders := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	err := stream.Map(orders.CommittableSource(), invoices).
		To(producer.CommittableSink(ps, settings.NewCommitter())).
		Run(ctx)
	// end
	require.NoError(t, err)
	require.Len(t, kafkatest.ReadAll(t, k, "invoices"), 90)
	require.EqualValues(t, 100, committed(t, k))
}

func TestRecycling(t *testing.T) {
	k, cs, ps := filled(t, 100)
	ctx := t.Context()
	// snippet: recycle
	orders := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd(), consumer.Recycle())
	var slab envelope.Slab[string, string, envelope.Committable]
	err := stream.Map(orders.CommittableSource(), func(m *consumer.CommittableMessage[string, string]) envelope.Envelope[string, string, envelope.Committable] {
		return slab.Single(envelope.Record[string, string]{Topic: "invoices", Key: envelope.Some(m.Key), Value: "invoice for " + m.Value}, m.Offset)
	}).To(producer.CommittableSink(ps, settings.NewCommitter())).Run(ctx)
	// end
	require.NoError(t, err)
	require.Len(t, kafkatest.ReadAll(t, k, "invoices"), 100)
}

func TestConsumerSettings(t *testing.T) {
	k, _, _ := filled(t, 0)
	// snippet: consumer-settings
	cs := settings.NewConsumer(serde.String(), serde.JSON[map[string]any](),
		k.Bootstrap(), // settings.Bootstrap("kafka-1:9092", "kafka-2:9092") elsewhere
		settings.Group("billing"),
		// where nothing is committed; Java's default is latest
		settings.StartFrom(settings.Earliest),
		// no records of transactions that were aborted, or are open
		settings.Isolation(settings.ReadCommitted),
		// what is fetched and in flight: bytes and records
		settings.Budget(64<<20, 500_000),
	)
	if err := cs.Err(); err != nil {
		panic(err) // all problems at once
	}
	// end
	require.Equal(t, "billing", cs.Group())
}

func TestPlainSource(t *testing.T) {
	_, cs, _ := filled(t, 10)
	ctx := t.Context()
	// snippet: plain-source
	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	err := c.PlainSource().To(stream.ForEach(func(ctx context.Context, r *consumer.Record[string, string]) error {
		fmt.Println(r.Topic(), r.Partition(), r.Offset(), r.Timestamp(), r.Key, r.Value, r.Headers())
		return nil
	})).Run(ctx)
	// end
	require.NoError(t, err)
}

func TestCommitterSinkOf(t *testing.T) {
	k, cs, _ := filled(t, 100)
	ctx := t.Context()
	stored := 0
	insert := func(_ context.Context, ms []*message) error {
		stored += len(ms)
		return nil
	}
	// snippet: committer-sink-of
	type Msg = consumer.CommittableMessage[string, string]
	save := func(ctx context.Context, ms []*Msg) ([]*Msg, error) {
		return ms, insert(ctx, ms) // one statement, or one transaction, for all of them
	}

	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	rows := stream.Batch(c.CommittableSource(), 500, time.Second)
	err := stream.TryMap(rows, save).To(consumer.CommitterSinkOf[[]*Msg](settings.NewCommitter())).Run(ctx)
	// end
	require.NoError(t, err)
	require.Equal(t, 100, stored)
	require.EqualValues(t, 100, committed(t, k))
}

func TestCommitterSink(t *testing.T) {
	k, cs, _ := filled(t, 100)
	ctx := t.Context()
	store := func(context.Context, *message) (envelope.Committable, error) { return nil, nil }
	_ = store
	var mu sync.Mutex
	stored := 0
	// snippet: committer-sink
	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	saved := stream.MapAsyncUnordered(c.CommittableSource(), 16, func(ctx context.Context, m *consumer.CommittableMessage[string, string]) (envelope.Committable, error) {
		mu.Lock() // whatever takes time: here it is a database
		stored++
		mu.Unlock()
		return m.Offset, nil
	})
	err := saved.To(consumer.CommitterSink(settings.NewCommitter())).Run(ctx)
	// end
	require.NoError(t, err)
	require.Equal(t, 100, stored)
	require.EqualValues(t, 100, committed(t, k))
}

func TestCommitterFlow(t *testing.T) {
	k, cs, _ := filled(t, 100)
	ctx := t.Context()
	// snippet: committer-flow
	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	offsets := stream.Map(c.CommittableSource(), func(m *consumer.CommittableMessage[string, string]) envelope.Committable { return m.Offset })
	commits := stream.Via(offsets, consumer.CommitterFlow(settings.NewCommitter(settings.MaxBatch(10))))
	n, err := stream.Fold(ctx, commits, 0, func(n int, c consumer.Committed) int { return n + c.Elements })
	// end
	require.NoError(t, err)
	require.Equal(t, 100, n)
	require.EqualValues(t, 100, committed(t, k))
}

func TestOffsetContext(t *testing.T) {
	k, cs, ps := filled(t, 10)
	ctx := t.Context()
	// snippet: offset-context
	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	envelopes := stream.MapWithContext(c.SourceWithOffsetContext(), func(r *consumer.Record[string, string]) envelope.Envelope[string, string, envelope.None] {
		// the offset follows by itself
		return envelope.Single(*envelope.New("invoices", r.Key, r.Value), envelope.None{})
	})
	err := envelopes.To(producer.CommittableSinkWithOffsetContext(ps, settings.NewCommitter())).Run(ctx)
	// end
	require.NoError(t, err)
	require.EqualValues(t, 10, committed(t, k))
}

func TestCommitWithMetadata(t *testing.T) {
	k, cs, _ := filled(t, 10)
	ctx := t.Context()
	// snippet: commit-metadata
	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	src := c.CommitWithMetadataSource(func(r *consumer.Record[string, string]) (string, error) {
		return "order " + r.Value, nil
	})
	// end
	offsets := stream.Map(src, func(m *message) envelope.Committable { return m.Offset })
	require.NoError(t, offsets.To(consumer.CommitterSink(settings.NewCommitter())).Run(ctx))
	require.EqualValues(t, 10, committed(t, k))
}

func TestAtMostOnce(t *testing.T) {
	k, cs, _ := filled(t, 50)
	ctx := t.Context()
	got := 0
	// snippet: at-most-once
	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	err := c.AtMostOnceSource(100). // so many records of each partition are committed ahead
					To(stream.ForEach(func(context.Context, *consumer.Record[string, string]) error {
			got++
			return nil
		})).Run(ctx)
	// end
	require.NoError(t, err)
	require.Equal(t, 50, got)
	require.EqualValues(t, 50, committed(t, k))
}

func TestPartitionedSource(t *testing.T) {
	k, cs, _ := filled(t, 100)
	ctx := t.Context()
	work := func(_ context.Context, m *message) (envelope.Committable, error) { return m.Offset, nil }
	// snippet: partitioned
	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	g := stream.Each(c.CommittablePartitionedSource(), 0, func(p consumer.TopicPartition, src stream.Source[*consumer.CommittableMessage[string, string]]) stream.Graph {
		return stream.TryMap(src, work).To(consumer.CommitterSink(settings.NewCommitter()))
	})
	err := g.Run(ctx)
	// end
	require.NoError(t, err)
	require.EqualValues(t, 100, committed(t, k))
}

// offsetsInMemory plays a database that keeps offsets with the results.
type offsetsInMemory struct {
	mu sync.Mutex
	at map[consumer.TopicPartition]int64
}

func (o *offsetsInMemory) load(_ context.Context, _ []consumer.TopicPartition) (map[consumer.TopicPartition]int64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.at), nil
}

func (o *offsetsInMemory) save(_ context.Context, r *text) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.at[consumer.TopicPartition{Topic: r.Topic(), Partition: r.Partition()}] = r.Offset() + 1
	return nil
}

func TestManualOffsets(t *testing.T) {
	_, cs, _ := filled(t, 100)
	ctx := t.Context()
	db := &offsetsInMemory{at: map[consumer.TopicPartition]int64{}}
	// snippet: manual-offsets
	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	// load: where each assigned partition begins
	src := c.PlainPartitionedManualOffsetSource(db.load, nil)
	err := stream.Each(src, 0, func(_ consumer.TopicPartition, records stream.Source[*consumer.Record[string, string]]) stream.Graph {
		// the result and the next offset, in one transaction of the database
		return records.To(stream.ForEach(db.save))
	}).Run(ctx)
	// end
	require.NoError(t, err)
	sum := int64(0)
	for _, at := range db.at {
		sum += at
	}
	require.EqualValues(t, 100, sum)
}

func TestManualSubscriptions(t *testing.T) {
	_, cs, _ := filled(t, 100)
	ctx := t.Context()
	// snippet: subscriptions
	// shared with the group's other members
	all := consumer.Topics("orders", "returns")
	// this one, whoever else reads it
	one := consumer.Partitions(consumer.TopicPartition{Topic: "orders", Partition: 3})
	// partition 0, from offset 10 on
	from := consumer.Offsets(map[consumer.TopicPartition]int64{{Topic: "orders"}: 10})
	_, _ = all, one
	n, err := stream.Fold(ctx, consumer.New(cs, from, consumer.ToEnd()).PlainSource(), 0, func(n int, _ *consumer.Record[string, string]) int { return n + 1 })
	// end
	require.NoError(t, err)
	require.Positive(t, n)
}

func TestHandle(t *testing.T) {
	_, cs, _ := filled(t, 100)
	ctx := t.Context()
	// snippet: handle
	c := consumer.New(cs, consumer.Topics("orders"),
		consumer.OnRebalance(consumer.Handler{
			Assigned: func(ctx context.Context, r *consumer.Restricted, ps []consumer.TopicPartition) error {
				ends, err := r.End(ctx, ps...) // a few questions may be asked
				fmt.Println("assigned:", ps, "which end at", ends)
				return err
			},
		}),
		// nobody waits for this one
		consumer.Events(func(e consumer.Event) { fmt.Println(e.Kind, e.Partitions) }),
	)
	// end
	seen := make(chan struct{})
	var once sync.Once
	ctl, err := c.PlainSource().Tap(func(*text) { once.Do(func() { close(seen) }) }).To(stream.Ignore[*text]()).Start(ctx)
	require.NoError(t, err)
	<-seen
	ask := func() error {
		// snippet: lag
		lags, err := c.Lag(ctx)
		if err != nil {
			return err // consumer.ErrNotRunning: there is no run that could be asked
		}
		for _, l := range lags {
			fmt.Println(l.TopicPartition, "is", l.Behind, "behind")
		}
		if err := c.Pause(); err != nil { // all partitions; or name some
			return err
		}
		return c.Resume()
		// end
	}
	require.NoError(t, ask())
	require.NoError(t, ctl.Drain(ctx))
	require.ErrorIs(t, c.Pause(), consumer.ErrNotRunning)
}

func TestUndecodable(t *testing.T) {
	k, _, _ := filled(t, 3)
	kafkatest.ProduceValues(t, k, "orders", "no number")
	ctx := t.Context()
	number := serde.Func(func(dst []byte, n int) ([]byte, error) { return strconv.AppendInt(dst, int64(n), 10), nil },
		func(data []byte) (int, error) { return strconv.Atoi(string(data)) })
	var odd []string
	// snippet: undecodable
	cs := settings.NewConsumer(serde.String(), number, k.Bootstrap(), settings.Group("billing"),
		// the default ends the stream; SkipUndecodable counts and goes on
		settings.Undecodable(settings.DeliverUndecodable))
	c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
	err := c.PlainSource().To(stream.ForEach(func(_ context.Context, r *consumer.Record[string, int]) error {
		if r.Err() != nil {
			odd = append(odd, string(r.RawValue())) // as it was read
		}
		return nil
	})).Run(ctx)
	// end
	require.NoError(t, err)
	require.Equal(t, []string{"no number"}, odd)
}

func TestHandOver(t *testing.T) {
	k, cs, _ := filled(t, 10)
	ctx := t.Context()
	// snippet: hand-over
	// the graph itself commits nothing
	c := consumer.New(cs, consumer.Topics("orders"), consumer.CommitsElsewhere())
	orders := make(chan *consumer.CommittableMessage[string, string])
	ctl, err := c.CommittableSource().To(stream.ToChan(orders)).Start(ctx)
	if err != nil {
		return
	}

	offsets := make(chan envelope.Committable)
	committing, err := stream.FromChan(offsets).To(consumer.CommitterSink(settings.NewCommitter())).Start(ctx)
	if err != nil {
		return
	}
	for range 10 {
		m := <-orders
		// … work …
		offsets <- m.Offset // or, without another graph: m.Offset.Commit()
	}
	// end
	require.NoError(t, err)
	require.NoError(t, ctl.Drain(ctx))
	require.NoError(t, committing.Drain(ctx))
	require.EqualValues(t, 10, committed(t, k))
}

func TestDrainedCopyGoesOnWhereItWas(t *testing.T) {
	k, cs, ps := filled(t, 1000)
	toInvoice := func(m *message) envelope.Envelope[string, string, envelope.Committable] {
		return envelope.Single(*envelope.New("invoices", m.Key, m.Value), m.Offset)
	}
	run := func(n int) error {
		ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
		defer stop()
		c := consumer.New(cs, consumer.Topics("orders"), consumer.ToEnd())
		return stream.Map(c.CommittableSource().Take(n), toInvoice).To(producer.CommittableSink(ps, settings.NewCommitter())).Run(ctx)
	}
	require.NoError(t, run(137))
	require.EqualValues(t, 137, committed(t, k))
	require.NoError(t, run(5000))
	require.Len(t, kafkatest.ReadAll(t, k, "invoices"), 1000, "none lost, none doubled")
	require.EqualValues(t, 1000, committed(t, k))
}

func TestSecondRunOfAHandle(t *testing.T) {
	_, cs, _ := filled(t, 1)
	c := consumer.New(cs, consumer.Topics("orders"))
	ctl, err := c.PlainSource().To(stream.Ignore[*text]()).Start(t.Context())
	require.NoError(t, err)
	err = c.PlainSource().To(stream.Ignore[*text]()).Run(t.Context())
	require.ErrorIs(t, err, consumer.ErrRunning)
	require.NoError(t, ctl.Drain(t.Context()))
}
