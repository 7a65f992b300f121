//go:build synctests

package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

type (
	rawRecord  = consumer.Record[[]byte, []byte]
	rawMessage = consumer.CommittableMessage[[]byte, []byte]
)

// named fills the topic with values that say where they are.
func named(t testing.TB, w *grouptest.World, partitions, from, n int, codec kgo.CompressionCodec) {
	t.Helper()
	cl, err := kgo.NewClient(append(w.ClientOptions(), kgo.ProducerBatchCompression(codec), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic("in"))...)
	require.NoError(t, err)
	defer cl.Close()
	for p := range int32(partitions) {
		for first := from; first < from+n; first += 250 {
			var recs []*kgo.Record
			for o := first; o < min(first+250, from+n); o++ {
				recs = append(recs, &kgo.Record{Partition: p, Key: fmt.Appendf(nil, "key %d/%d", p, o), Value: fmt.Appendf(nil, "%d/%d %s", p, o, strings.Repeat("x", o%100))})
			}
			require.NoError(t, cl.ProduceSync(context.Background(), recs...).FirstErr())
		}
	}
}

// itself reports whether a record is what it was when it was written.
func itself(r *rawRecord) error {
	value := fmt.Sprintf("%d/%d %s", r.Partition(), r.Offset(), strings.Repeat("x", int(r.Offset())%100))
	if key := fmt.Sprintf("key %d/%d", r.Partition(), r.Offset()); string(r.Key) != key || string(r.Value) != value {
		return fmt.Errorf("%s is %s, and %s is %s", key, r.Key, value, r.Value)
	}
	return nil
}

func rawReader(w *grouptest.World, opts ...settings.ConsumerOption) settings.Consumer[[]byte, []byte] {
	return settings.NewConsumer(serde.Bytes(), serde.Bytes(), w.Bootstrap(), w.Dialer(), settings.Group(w.Group), settings.HeartbeatInterval(50*time.Millisecond)).With(opts...)
}

// Elements that are used again are what they are as long as they live, in whatever order they end;
// and they are used again.
func TestRecycle(t *testing.T) {
	const partitions, n = 4, 10_000
	for name, codec := range codecs {
		t.Run(name, func(t *testing.T) {
			grouptest.Calmly(t, partitions, func(t *testing.T, w *grouptest.World) {
				named(t, w, partitions, 0, n, codec)
				w.CreateTopic(t, "out", 3)
				different := map[*rawMessage]bool{}
				recs := map[*kgo.Record]bool{}
				c := consumer.New(rawReader(w, settings.Budget(8<<20, 10_000)), consumer.Topics("in"), consumer.ToEnd(), consumer.Recycle())
				src := c.CommittableSource().Filter(func(m *rawMessage) bool {
					different[m], recs[m.Kgo()] = true, true
					return true
				})
				src = stream.MapAsyncUnordered(src, 64, func(_ context.Context, m *rawMessage) (*rawMessage, error) {
					if err := itself(&m.Record); err != nil {
						return nil, err
					}
					<-time.After(rand.N(5 * time.Millisecond))
					return m, itself(&m.Record)
				})
				var slab envelope.Slab[[]byte, []byte, envelope.Committable]
				ps := settings.NewProducer(serde.Bytes(), serde.Bytes(), w.Bootstrap(), w.Dialer())
				require.NoError(t, stream.TryMap(src, func(_ context.Context, m *rawMessage) (envelope.Envelope[[]byte, []byte, envelope.Committable], error) {
					if m.Record.Offset()%7 == 0 {
						return slab.PassThrough(m.Offset), itself(&m.Record)
					}
					return slab.Single(envelope.Record[[]byte, []byte]{Topic: "out", Key: envelope.Some(m.Key), Value: m.Value}, m.Offset), itself(&m.Record)
				}).To(producer.CommittableSink(ps, settings.NewCommitter(settings.MaxBatch(100)))).Run(t.Context()))

				// the race detector makes pools forget
				require.Less(t, len(different), partitions*n*3/4)
				require.Less(t, len(recs), partitions*n)
				out := map[string]bool{}
				for _, r := range kafkatest.ReadAll(t, w.Broker, "out") {
					where, _, _ := strings.Cut(string(r.Value), " ")
					require.Equal(t, "key "+where, string(r.Key))
					require.False(t, out[where])
					out[where] = true
				}
				require.Len(t, out, partitions*(n-(n+6)/7))
			})
		})
	}
}

// Every kind of source that can recycles, and what has ended is cleared.
func TestRecycledElementsAreCleared(t *testing.T) {
	const n = 1000
	for name, graph := range map[string]func(c *consumer.Consumer[[]byte, []byte], see func(*rawRecord) error) stream.Graph{
		"plain": func(c *consumer.Consumer[[]byte, []byte], see func(*rawRecord) error) stream.Graph {
			return c.PlainSource().To(stream.ForEach(func(_ context.Context, r *rawRecord) error { return see(r) }))
		},
		"committable": func(c *consumer.Consumer[[]byte, []byte], see func(*rawRecord) error) stream.Graph {
			return stream.TryMap(c.CommittableSource(), func(_ context.Context, m *rawMessage) (envelope.Committable, error) { return m.Offset, see(&m.Record) }).
				To(consumer.CommitterSink(settings.NewCommitter()))
		},
		"with metadata": func(c *consumer.Consumer[[]byte, []byte], see func(*rawRecord) error) stream.Graph {
			return stream.TryMap(c.CommitWithMetadataSource(func(r *rawRecord) (string, error) { return string(r.Key), nil }),
				func(_ context.Context, m *rawMessage) (envelope.Committable, error) { return m.Offset, see(&m.Record) }).
				To(consumer.CommitterSink(settings.NewCommitter()))
		},
		"partitioned": func(c *consumer.Consumer[[]byte, []byte], see func(*rawRecord) error) stream.Graph {
			return stream.Each(c.PlainPartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*rawRecord]) stream.Graph {
				return src.To(stream.ForEach(func(_ context.Context, r *rawRecord) error { return see(r) }))
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
				named(t, w, 2, 0, n, kgo.GzipCompression())
				var mu sync.Mutex
				var kept []*rawRecord
				c := consumer.New(rawReader(w), consumer.Topics("in"), consumer.ToEnd(), consumer.Recycle())
				require.NoError(t, graph(c, func(r *rawRecord) error {
					mu.Lock()
					defer mu.Unlock()
					kept = append(kept, r)
					return itself(r)
				}).Run(t.Context()))
				require.Len(t, kept, 2*n)
				for _, r := range kept {
					require.Nil(t, r.Kgo())
					require.Nil(t, r.Value)
				}
			})
		})
	}
}

// What user code was handed is its own for ever.
func TestRecycleLeavesAloneWhatWasHandedOver(t *testing.T) {
	const n = 5000
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		named(t, w, 2, 0, n, kgo.GzipCompression())
		cs := rawReader(w, settings.Budget(8<<20, 1000))
		var records []*rawRecord
		for r, err := range consumer.New(cs, consumer.Topics("in"), consumer.ToEnd(), consumer.Recycle()).PlainSource().All(t.Context()) {
			require.NoError(t, err)
			records = append(records, r)
		}
		var messages []*rawMessage
		c := consumer.New(cs, consumer.Topics("in"), consumer.ToEnd(), consumer.Recycle(), consumer.CommitsElsewhere())
		require.NoError(t, c.CommittableSource().To(stream.ForEachManual(func(_ context.Context, m *rawMessage) error {
			messages = append(messages, m)
			m.Offset.Commit()
			return nil
		})).Run(t.Context()))
		require.Len(t, records, 2*n)
		require.Len(t, messages, 2*n)
		for i := range records {
			require.NoError(t, itself(records[i]))
			require.NoError(t, itself(&messages[i].Record))
		}
	})
}

// So is what user code was handed and has then failed on, as it may have begun something with it.
func TestRecycleLeavesAloneWhatFailedInHand(t *testing.T) {
	const n = 500
	grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
		named(t, w, 1, 0, n, kgo.GzipCompression())
		var had []*rawMessage
		c := consumer.New(rawReader(w), consumer.Topics("in"), consumer.ToEnd(), consumer.Recycle(), consumer.CommitsElsewhere())
		require.NoError(t, c.CommittableSource().To(stream.ForEachManual(func(_ context.Context, m *rawMessage) error {
			had = append(had, m)
			return errors.New("no")
		}, stream.OnError(stream.Skip()))).Run(t.Context()))
		require.Len(t, had, n)
		for _, m := range had {
			require.NoError(t, itself(&m.Record))
		}
	})
}

// Bytes are not used again: a record that an Element has not waited for is still on its way, with
// those of the element that it was made of.
func TestRecycleLeavesBytesAlone(t *testing.T) {
	const n = 3000
	grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
		named(t, w, 1, 0, n, kgo.GzipCompression())
		w.CreateTopic(t, "out", 1)
		el, err := producer.NewElement(settings.NewProducer(serde.Bytes(), serde.Bytes(), w.Bootstrap(), w.Dialer(), settings.Linger(time.Second)))
		require.NoError(t, err)
		c := consumer.New(rawReader(w, settings.Budget(8<<20, 1000)), consumer.Topics("in"), consumer.ToEnd(), consumer.Recycle())
		require.NoError(t, c.PlainSource().To(stream.ForEach(func(ctx context.Context, r *rawRecord) error {
			ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
			_, err := el.Send(ctx, &envelope.Record[[]byte, []byte]{Topic: "out", Key: envelope.Some(r.Key), Value: r.Value})
			if errors.Is(err, producer.ErrUnknownOutcome) {
				return nil
			}
			return err
		})).Run(t.Context()))
		require.NoError(t, el.Close(t.Context()))
		out := kafkatest.ReadAll(t, w.Broker, "out")
		require.Len(t, out, n)
		for o, r := range out {
			require.Equal(t, fmt.Sprintf("key 0/%d", o), string(r.Key))
			require.Equal(t, fmt.Sprintf("0/%d %s", o, strings.Repeat("x", o%100)), string(r.Value))
		}
	})
}

// Nor is an element used again that its stage still has when its partition is taken away.
func TestRecycleLeavesAloneWhatWasGivenUp(t *testing.T) {
	const partitions, n = 4, 3000
	grouptest.Calmly(t, partitions, func(t *testing.T, w *grouptest.World) {
		named(t, w, partitions, 0, n, kgo.GzipCompression())
		cs := rawReader(w, settings.RevokeTimeout(time.Second), settings.FetchMaxWait(50*time.Millisecond))
		first := consumer.New(cs, consumer.Topics("in"), consumer.Recycle())
		open := make(chan struct{})
		var mu sync.Mutex
		var held []*rawRecord
		var wrong []error
		count := 0
		ctl := w.Start(stream.MapAsyncUnordered(first.PlainSource(), 16, func(_ context.Context, r *rawRecord) (struct{}, error) {
			stuck := r.Offset() == 10
			mu.Lock()
			if stuck {
				held = append(held, r)
			} else {
				count++
			}
			mu.Unlock()
			if stuck {
				<-open
			}
			if err := itself(r); err != nil {
				mu.Lock()
				wrong = append(wrong, err)
				mu.Unlock()
			}
			return struct{}{}, nil
		}).To(stream.Ignore[struct{}]()))
		counted := func() int { mu.Lock(); defer mu.Unlock(); return count }
		w.Until("all others", func() bool { return counted() == partitions*(n-1) })
		second := consumer.New(cs, consumer.Topics("in"), consumer.Recycle())
		other := w.Start(second.PlainSource().To(stream.Ignore[*rawRecord]()))
		w.Until("given up", func() bool { mine, err := first.Assignment(); return err == nil && len(mine) == partitions/2 })
		before := counted()
		named(t, w, partitions, n, n, kgo.GzipCompression())
		w.Until("more", func() bool { return counted() >= before+partitions/2*n })
		close(open)
		w.Pass(time.Second)
		require.GreaterOrEqual(t, len(held), partitions)
		require.Empty(t, wrong)
		w.Drain(other)
		w.Drain(ctl)
	})
}
