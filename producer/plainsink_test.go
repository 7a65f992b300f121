package producer_test

import (
	"context"
	"fmt"
	"iter"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/internal/testlog"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
	"github.com/vicuna-go/vicuna/stream/streamtest"
)

func TestPlainSinkWritesEverythingInOrder(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(4, "out"), kafkatest.InMemory())
	g := stream.FromSlice(numbered("out", 20_000)).To(producer.PlainSink(sets(k)))
	require.NoError(t, g.Run(t.Context()))
	requireAll(t, k, "out", 20_000)
}

// A blueprint can run several times at once; each run has a client of its own.
func TestPlainSinkRunsTwiceAtOnce(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(2, "out"), kafkatest.InMemory())
	g := stream.FromSlice(numbered("out", 1000)).To(producer.PlainSink(sets(k)))
	a, b := grouptest.Start(t, g), grouptest.Start(t, g)
	<-a.Done()
	<-b.Done()
	require.NoError(t, a.Err())
	require.NoError(t, b.Err())
	require.Len(t, kafkatest.ReadAll(t, k, "out"), 2000)
}

func TestPlainSinkWritesRecordsAsTheyAre(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(3, "out"), kafkatest.InMemory())
	at := time.UnixMilli(1_234_567_890_123)
	one := envelope.ToPartition(1)
	recs := []*record{
		{
			Topic: "out", Partition: one, Key: envelope.Some("k"), Value: "v", Timestamp: at,
			Headers: []envelope.Header{{Key: "a", Value: []byte("1")}, {Key: "a", Value: nil}, {Key: "", Value: []byte{}}},
		},
		{Topic: "out", Partition: one, Value: "null key"},
		{Topic: "out", Partition: one, Key: envelope.Some(""), Value: "empty key"},
		{Topic: "out", Partition: one, Key: envelope.Some("empty value")},
		{Topic: "out", Partition: one, Key: envelope.Some("k"), Value: "ignored", Tombstone: true},
		{Topic: "out", Partition: one, Tombstone: true},
	}
	before := time.Now().Truncate(time.Millisecond)
	require.NoError(t, stream.FromSlice(recs).To(producer.PlainSink(sets(k))).Run(t.Context()))
	after := time.Now()
	got := kafkatest.ReadAll(t, k, "out")
	require.Len(t, got, len(recs))
	type form struct{ key, value []byte }
	forms := []form{
		{[]byte("k"), []byte("v")},
		{nil, []byte("null key")},
		{[]byte{}, []byte("empty key")},
		{[]byte("empty value"), []byte{}},
		{[]byte("k"), nil},
		{nil, nil},
	}
	for i, r := range got {
		require.EqualValues(t, 1, r.Partition)
		require.Equal(t, forms[i], form{r.Key, r.Value}, "record %d", i)
		if i > 0 {
			require.Empty(t, r.Headers)
			require.False(t, r.Timestamp.Before(before) || r.Timestamp.After(after), "%v is not from %v to %v", r.Timestamp, before, after)
		}
	}
	require.Equal(t, recs[0].Headers, got[0].Headers)
	require.True(t, at.Equal(got[0].Timestamp))
}

// Bytes that a serde does not lend lie in an arena, and neither mix nor change, however large they
// are.
func TestPlainSinkOfSerialisedBytes(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "out"), kafkatest.InMemory())
	ps := settings.NewProducer(serde.Int64(), serde.JSON[string](), k.Bootstrap(), testlog.Silent())
	var recs []*envelope.Record[int64, string]
	for i := range 1000 {
		size := i * 37 % 500
		if i%50 == 0 {
			size = 100_000 // more than an arena
		}
		recs = append(recs, envelope.New("out", int64(i), strings.Repeat(string(rune('a'+i%26)), size)))
	}
	require.NoError(t, stream.FromSlice(recs).To(producer.PlainSink(ps)).Run(t.Context()))
	got := kafkatest.ReadAllAs(t, k, "out", serde.Int64(), serde.JSON[string]())
	require.Len(t, got, len(recs))
	for i, r := range got {
		require.Equal(t, envelope.Some(int64(i)), r.Key)
		require.Equal(t, recs[i].Value, r.Value)
	}
}

// A stream without records ends well, and does not even connect.
func TestPlainSinkOfNothing(t *testing.T) {
	var dials atomic.Int64
	ps := settings.NewProducer(serde.String(), serde.String(), settings.Bootstrap("localhost:1"), testlog.Silent(),
		settings.Dialer(func(context.Context, string, string) (net.Conn, error) {
			dials.Add(1)
			return nil, fmt.Errorf("not to be dialled")
		}))
	require.NoError(t, stream.FromSlice[*record](nil).To(producer.PlainSink(ps)).Run(t.Context()))
	require.NoError(t, stream.Via(stream.FromSlice[env](nil), producer.FlexiFlow[int](ps)).To(stream.Ignore[res]()).Run(t.Context()))
	require.Zero(t, dials.Load())
}

// keeping is a factory that remembers the clients it has made.
func keeping(made *[]*kgo.Client) settings.ProducerOption {
	return settings.ClientFactory(func(opts ...kgo.Opt) (*kgo.Client, error) {
		cl, err := kgo.NewClient(opts...)
		*made = append(*made, cl)
		return cl, err
	})
}

func TestOwnedClientIsClosed(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "out"), kafkatest.InMemory())
	before := goleak.IgnoreCurrent()
	var made []*kgo.Client
	ps := sets(k, keeping(&made))
	require.NoError(t, stream.FromSlice(numbered("out", 10)).To(producer.PlainSink(ps)).Run(t.Context()))
	require.NoError(t, stream.Via(stream.FromSlice(singles(numbered("out", 10))), producer.FlexiFlow[int](ps)).To(stream.Ignore[res]()).Run(t.Context()))
	require.Len(t, made, 2)
	for _, cl := range made {
		require.ErrorIs(t, cl.ProduceSync(t.Context(), &kgo.Record{Topic: "out"}).FirstErr(), kgo.ErrClientClosed)
	}
	k.DropConnections()
	goleak.VerifyNone(t, before)
}

func TestSharedClientIsNotClosed(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "out"), kafkatest.InMemory())
	cl := client(t, sets(k))
	sink := producer.PlainSink(bare(k), producer.On(cl))
	for range 3 {
		require.NoError(t, stream.FromSlice(numbered("out", 100)).To(sink).Run(t.Context()))
	}
	p := element(t, bare(k), producer.On(cl))
	_, err := p.Send(t.Context(), envelope.New("out", "k", "v"))
	require.NoError(t, err)
	require.NoError(t, p.Close(t.Context()))
	require.NoError(t, cl.Flush(t.Context()))
	require.NoError(t, cl.Reach(t.Context()))
	require.NoError(t, stream.FromSlice(numbered("out", 1)).To(sink).Run(t.Context()))
	require.Len(t, kafkatest.ReadAll(t, k, "out"), 302)
	m := cl.Metrics()
	require.EqualValues(t, 302, m.Acknowledged)
	require.Zero(t, m.InFlight+m.InFlightBytes+m.Failed+int64(m.Waiting))
}

// A record's token is done at the acknowledgement, no sooner.
func TestTokensAreDoneAtTheAcknowledgement(t *testing.T) {
	toRecord := func(m *streamtest.TrackedMessage[string]) *record { return envelope.New("out", "k", m.Value) }
	toEnvelope := func(m *streamtest.TrackedMessage[string]) env {
		switch m.Offset % 4 {
		case 0:
			return envelope.PassThrough[string, string](int(m.Offset))
		case 1:
			return envelope.Multi([]record{*toRecord(m), *toRecord(m)}, int(m.Offset))
		}
		return envelope.Single(*toRecord(m), int(m.Offset))
	}
	for name, end := range map[string]func(src stream.Source[*streamtest.TrackedMessage[string]], ps settings.Producer[string, string]) stream.Graph{
		"PlainSink": func(src stream.Source[*streamtest.TrackedMessage[string]], ps settings.Producer[string, string]) stream.Graph {
			return stream.Map(src, toRecord).To(producer.PlainSink(ps))
		},
		"FlexiFlow": func(src stream.Source[*streamtest.TrackedMessage[string]], ps settings.Producer[string, string]) stream.Graph {
			return stream.Via(stream.Map(src, toEnvelope), producer.FlexiFlow[int](ps)).To(stream.Ignore[res]())
		},
		"CommittableSink": func(src stream.Source[*streamtest.TrackedMessage[string]], ps settings.Producer[string, string]) stream.Graph {
			return stream.Map(src, toEnvelope).To(producer.CommittableSinkOf[int](ps, settings.NewCommitter()))
		},
		"CommittableSinkWithOffsetContext": func(src stream.Source[*streamtest.TrackedMessage[string]], ps settings.Producer[string, string]) stream.Graph {
			offset := func(m *streamtest.TrackedMessage[string]) envelope.Committable { return m }
			return stream.MapWithContext(stream.WithContext(src, offset), toEnvelope).To(producer.CommittableSinkWithOffsetContextOf[int](ps, settings.NewCommitter()))
		},
		"behind a FlatMap": func(src stream.Source[*streamtest.TrackedMessage[string]], ps settings.Producer[string, string]) stream.Graph {
			return stream.FlatMap(src, func(m *streamtest.TrackedMessage[string]) iter.Seq[*record] {
				return func(yield func(*record) bool) {
					for range int(m.Offset%3) + 1 {
						if !yield(toRecord(m)) {
							return
						}
					}
				}
			}).To(producer.PlainSink(ps))
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := kafkatest.Start(t, kafkatest.Topics(1, "out"), kafkatest.InMemory())
			release := k.HoldAcks("out")
			src := streamtest.NewTracked[string](1)
			for i := range 300 {
				src.Append(0, fmt.Sprint(i))
			}
			src.End()
			ctl := grouptest.Start(t, end(src.Source().Drop(0), sets(k)))
			k.AwaitHeld(t, 1)
			require.LessOrEqual(t, src.Committed(0), int64(1)) // the first may be a pass-through
			least := 299
			if strings.HasPrefix(name, "Committable") {
				least = 225 // pass-throughs are done at once
			}
			require.GreaterOrEqual(t, src.Outstanding(0), least)
			release()
			<-ctl.Done()
			require.NoError(t, ctl.Err())
			require.EqualValues(t, 300, src.Committed(0))
		})
	}
}

// A sink and a flow share the elements of one source: each element is written once, and done once
// its branch has its acknowledgement, in both partitions.
func TestSinkAndFlowOfOneSource(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		const n = 2000
		src := streamtest.NewTracked[int](2)
		for i := range n {
			src.Append(int32(i%2), i)
		}
		src.End()
		toRecord := func(i int) *record { return envelope.New("out", fmt.Sprint("k", i), fmt.Sprint(i)) }
		var passed []int
		flow := stream.NewFlow(func(s stream.Source[int]) stream.Source[res] {
			return stream.Via(stream.Map(s, func(i int) env { return envelope.Single(*toRecord(i), i) }), producer.FlexiFlow[int](sets(k)))
		}).To(stream.ForEach(func(_ context.Context, r res) error {
			passed = append(passed, r.Pass())
			return r.Failed()
		}))
		even := func(i int) bool { return i/2%2 == 0 }
		rest := stream.Map(src.Values().Divert(even, flow), toRecord)
		require.NoError(t, rest.To(producer.PlainSink(sets(k))).Run(t.Context()))
		seen := map[string]int{}
		for _, value := range values(kafkatest.ReadAll(t, k, "out")) {
			seen[value]++
		}
		require.Len(t, seen, n)
		for value, times := range seen {
			require.Equal(t, 1, times, value)
		}
		require.Len(t, passed, n/2)
		require.EqualValues(t, n/2, src.Committed(0))
		require.EqualValues(t, n/2, src.Committed(1))
	}, kafkatest.Topics(4, "out"))
}
