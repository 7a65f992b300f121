package kafkatest_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
)

// runner starts a broker for one test: on TCP, or in a bubble where the build has
// the tag. Everything in this file runs on both.
type runner func(t *testing.T, fn func(t *testing.T, k *kafkatest.Broker), opts ...kafkatest.Option)

func onTCP(t *testing.T, fn func(t *testing.T, k *kafkatest.Broker), opts ...kafkatest.Option) {
	t.Helper()
	fn(t, kafkatest.Start(t, opts...))
}

func suite(t *testing.T, run runner) {
	for _, c := range []struct {
		name string
		fn   func(t *testing.T, k *kafkatest.Broker)
		opts []kafkatest.Option
	}{
		{"round trip", roundTrip, nil},
		{"typed round trip", typedRoundTrip, []kafkatest.Option{kafkatest.Topics(4, "orders")}},
		{"three brokers", threeBrokers, []kafkatest.Option{kafkatest.Brokers(3), kafkatest.Topics(6, "t")}},
		{"transactions", transactions, []kafkatest.Option{kafkatest.Topics(1, "t")}},
		{"committed offsets", committedOffsets, []kafkatest.Option{kafkatest.Topics(2, "t")}},
		{"kill and restart", killAndRestart, []kafkatest.Option{kafkatest.Topics(2, "t")}},
		{"group across restart", groupAcrossRestart, []kafkatest.Option{kafkatest.Topics(1, "t")}},
		{"hold acks", holdAcks, []kafkatest.Option{kafkatest.Topics(1, "held", "free")}},
		{"hold all acks", holdAllAcks, []kafkatest.Option{kafkatest.Topics(1, "a", "b")}},
		{"hold across kill", holdAcrossKill, []kafkatest.Option{kafkatest.Topics(1, "t")}},
		{"hold at the end", holdAtTheEnd, []kafkatest.Option{kafkatest.Topics(1, "t")}},
		{"drop connections", dropConnections, []kafkatest.Option{kafkatest.Topics(1, "t")}},
		{"answers seen and lost", onAnswer, []kafkatest.Option{kafkatest.Topics(1, "t")}},
		{"refuse", refuse, []kafkatest.Option{kafkatest.Topics(1, "t")}},
		{"delay", delay, []kafkatest.Option{kafkatest.Topics(1, "t")}},
		{"fault", fault, []kafkatest.Option{kafkatest.Topics(1, "t")}},
		{"settings", asSettings, nil},
		{"in memory", inMemory, []kafkatest.Option{kafkatest.InMemory(), kafkatest.Topics(1, "t")}},
	} {
		t.Run(c.name, func(t *testing.T) { run(t, c.fn, c.opts...) })
	}
}

func TestTCP(t *testing.T) { suite(t, onTCP) }

// newClient is a plain client, as the code under test might own one.
func newClient(t *testing.T, k *kafkatest.Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append(k.ClientOptions(), opts...)...)
	require.NoError(t, err)
	t.Cleanup(cl.Close)
	return cl
}

func values(recs []*kgo.Record) []string {
	out := []string{}
	for _, rec := range recs {
		out = append(out, string(rec.Value))
	}
	return out
}

// send produces without waiting; the outcome comes on the channel.
func send(ctx context.Context, cl *kgo.Client, topic, value string) <-chan error {
	done := make(chan error, 1)
	cl.Produce(ctx, &kgo.Record{Topic: topic, Value: []byte(value)}, func(_ *kgo.Record, err error) { done <- err })
	return done
}

func roundTrip(t *testing.T, k *kafkatest.Broker) {
	require.Len(t, k.Addrs(), 1)
	kafkatest.ProduceValues(t, k, "fresh", "a", "b")
	kafkatest.Produce(t, k, "fresh", kgo.KeyStringRecord("k", "c"))

	got := kafkatest.Expect(t, k, "fresh", serde.String(), serde.String(), 3)
	require.Equal(t, "a", got[0].Value)
	require.False(t, got[0].Key.IsSet())
	require.Equal(t, "c", got[2].Value)
	require.Equal(t, envelope.Some("k"), got[2].Key)
	require.EqualValues(t, 2, got[2].Offset)
	require.Equal(t, "fresh", got[2].Topic)
	require.Equal(t, []string{"a", "b", "c"}, values(kafkatest.ReadAll(t, k, "fresh")))

	k.CreateTopic(t, "empty", 0)
	require.Empty(t, kafkatest.ReadAll(t, k, "empty"))
	require.Empty(t, kafkatest.Expect(t, k, "empty", serde.None(), serde.None(), 0))
}

func typedRoundTrip(t *testing.T, k *kafkatest.Broker) {
	type order struct{ Total int }
	at := time.UnixMilli(1_700_000_000_000)
	md := kafkatest.ProduceAs(t, k, "orders", serde.String(), serde.JSON[order](),
		&envelope.Record[string, order]{
			Key: envelope.Some("k"), Value: order{1}, Partition: envelope.ToPartition(3),
			Headers: []envelope.Header{{Key: "h", Value: []byte("v")}}, Timestamp: at,
		},
		envelope.NewTombstone[order]("orders", "gone"),
		envelope.New("elsewhere", "", order{2}),
	)
	require.Len(t, md, 3)
	require.EqualValues(t, 3, md[0].Partition)
	require.Equal(t, 1, md[0].KeySize)
	require.Equal(t, len(`{"Total":1}`), md[0].ValueSize)
	require.Equal(t, -1, md[1].ValueSize)
	require.Equal(t, "elsewhere", md[2].Topic)
	require.Equal(t, 0, md[2].KeySize, "an empty key is not null")

	orders := kafkatest.ReadAllAs(t, k, "orders", serde.String(), serde.JSON[order]())
	require.Len(t, orders, 2)
	for _, r := range orders {
		if r.Partition == 3 && !r.Tombstone {
			require.Equal(t, order{1}, r.Value)
			require.Equal(t, []envelope.Header{{Key: "h", Value: []byte("v")}}, r.Headers)
			require.True(t, at.Equal(r.Timestamp))
			continue
		}
		require.True(t, r.Tombstone)
		require.Equal(t, envelope.Some("gone"), r.Key)
		require.Zero(t, r.Value)
	}
	require.Equal(t, envelope.Some(""), kafkatest.Expect(t, k, "elsewhere", serde.String(), serde.JSON[order](), 1)[0].Key)
}

func threeBrokers(t *testing.T, k *kafkatest.Broker) {
	require.Len(t, k.Addrs(), 3)
	for p := range int32(6) {
		kafkatest.ProduceTo(t, k, "t", p, kgo.StringRecord(fmt.Sprint(p)))
	}
	got := kafkatest.Expect(t, k, "t", serde.None(), serde.String(), 6)
	for p, r := range got {
		require.EqualValues(t, p, r.Partition)
		require.Equal(t, fmt.Sprint(p), r.Value)
	}
	k.Restart(t)
	require.Len(t, kafkatest.ReadAll(t, k, "t"), 6)

	// One broker away: the others serve on.
	leader := k.Cluster().LeaderFor("t", 0)
	allow := k.Refuse(leader)
	for p := range int32(6) {
		if k.Cluster().LeaderFor("t", p) != leader {
			kafkatest.ProduceTo(t, k, "t", p, kgo.StringRecord("more"))
		}
	}
	allow()
	kafkatest.ProduceTo(t, k, "t", 0, kgo.StringRecord("more"))
}

func transactions(t *testing.T, k *kafkatest.Broker) {
	ctx := t.Context()
	begin := func(id string, values ...string) *kgo.Client {
		cl := newClient(t, k, kgo.TransactionalID(id), kgo.DefaultProduceTopic("t"), kgo.ProducerLinger(0))
		require.NoError(t, cl.BeginTransaction())
		for _, v := range values {
			require.NoError(t, cl.ProduceSync(ctx, kgo.StringRecord(v)).FirstErr())
		}
		return cl
	}
	require.NoError(t, begin("commits", "a", "b").EndTransaction(ctx, kgo.TryCommit))
	aborts := begin("aborts", "x")
	open := begin("open", "o")
	require.NoError(t, aborts.EndTransaction(ctx, kgo.TryAbort))
	kafkatest.ProduceValues(t, k, "t", "plain")

	// The marker of the aborted record lies behind the open transaction.
	require.Equal(t, []string{"a", "b"}, values(kafkatest.ReadAll(t, k, "t")))
	require.Equal(t, []string{"a", "b", "x", "o", "plain"}, values(kafkatest.ReadAllUncommitted(t, k, "t")))

	require.NoError(t, open.EndTransaction(ctx, kgo.TryCommit))
	require.Equal(t, []string{"a", "b", "o", "plain"}, values(kafkatest.ReadAll(t, k, "t")))
	got := kafkatest.Expect(t, k, "t", serde.None(), serde.String(), 4)
	require.Equal(t, "plain", got[3].Value)
}

func committedOffsets(t *testing.T, k *kafkatest.Broker) {
	kafkatest.ProduceTo(t, k, "t", 1, kgo.StringRecord("a"), kgo.StringRecord("b"))
	require.EqualValues(t, -1, kafkatest.CommittedOffset(t, k, "g", "t", 1))
	cl := newClient(t, k, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	recs := cl.PollFetches(t.Context()).Records()
	require.NotEmpty(t, recs)
	require.NoError(t, cl.CommitRecords(t.Context(), recs[0]))
	require.EqualValues(t, 1, kafkatest.CommittedOffset(t, k, "g", "t", 1))
	require.EqualValues(t, -1, kafkatest.CommittedOffset(t, k, "g", "t", 0))
}

func killAndRestart(t *testing.T, k *kafkatest.Broker) {
	ctx := t.Context()
	addrs := k.Addrs()
	cl := newClient(t, k, kgo.ProducerLinger(0))
	require.NoError(t, <-send(ctx, cl, "t", "before"))

	k.Kill()
	k.Kill()
	require.Error(t, cl.Ping(ctx), "nobody listens")
	during := send(ctx, cl, "t", "during")
	select {
	case err := <-during:
		require.Failf(t, "nobody can have taken it", "%v", err)
	default:
	}

	k.Restart(t)
	require.Equal(t, addrs, k.Addrs())
	require.NoError(t, <-during, "the client goes on by itself")
	require.NoError(t, <-send(ctx, cl, "t", "after"))
	require.ElementsMatch(t, []string{"before", "during", "after"}, values(kafkatest.ReadAll(t, k, "t")))

	k.Restart(t) // without a Kill
	require.NoError(t, <-send(ctx, cl, "t", "again"))
	require.Len(t, kafkatest.ReadAll(t, k, "t"), 4)
}

func groupAcrossRestart(t *testing.T, k *kafkatest.Broker) {
	cl := newClient(t, k, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	next := func() *kgo.Record {
		for {
			if recs := cl.PollFetches(t.Context()).Records(); len(recs) > 0 {
				return recs[0]
			}
			require.NoError(t, t.Context().Err())
		}
	}
	kafkatest.ProduceValues(t, k, "t", "a")
	rec := next()
	require.Equal(t, "a", string(rec.Value))
	require.NoError(t, cl.CommitRecords(t.Context(), rec))

	k.Restart(t)
	require.EqualValues(t, 1, kafkatest.CommittedOffset(t, k, "g", "t", 0))
	kafkatest.ProduceValues(t, k, "t", "b")
	require.Equal(t, "b", string(next().Value), "the consumer goes on by itself")
}

func holdAcks(t *testing.T, k *kafkatest.Broker) {
	ctx := t.Context()
	cl, other := newClient(t, k, kgo.ProducerLinger(0)), newClient(t, k, kgo.ProducerLinger(0))
	require.NoError(t, <-send(ctx, cl, "held", "0"))

	release := k.HoldAcks("held")
	require.Zero(t, k.Held())
	one := send(ctx, cl, "held", "1")
	two := send(ctx, other, "held", "2")
	k.AwaitHeld(t, 2)
	require.Equal(t, 2, k.Held())

	// The records are there, and everything else is answered.
	require.Len(t, kafkatest.Expect(t, k, "held", serde.None(), serde.String(), 3), 3)
	require.NoError(t, cl.Ping(ctx))
	kafkatest.ProduceValues(t, k, "free", "x")
	k.CreateTopic(t, "meanwhile", 1)
	kafkatest.ProduceValues(t, k, "meanwhile", "y")

	require.Empty(t, one)
	require.Empty(t, two)
	release()
	release()
	require.NoError(t, <-one)
	require.NoError(t, <-two)
	require.NoError(t, <-send(ctx, cl, "held", "3"))
	require.Zero(t, k.Held())
	require.Len(t, kafkatest.ReadAll(t, k, "held"), 4)
}

func holdAllAcks(t *testing.T, k *kafkatest.Broker) {
	ctx := t.Context()
	cl, other := newClient(t, k, kgo.ProducerLinger(0)), newClient(t, k, kgo.ProducerLinger(0))
	releaseAll, releaseA := k.HoldAcks(), k.HoldAcks("a")
	a, b := send(ctx, cl, "a", "1"), send(ctx, other, "b", "1")
	k.AwaitHeld(t, 2)
	releaseAll()
	require.NoError(t, <-b)
	require.Empty(t, a, "another hold has it")
	releaseA()
	require.NoError(t, <-a)
}

func holdAcrossKill(t *testing.T, k *kafkatest.Broker) {
	ctx := t.Context()
	cl := newClient(t, k, kgo.ProducerLinger(0))
	release := k.HoldAcks("t")
	done := send(ctx, cl, "t", "once")
	k.AwaitHeld(t, 1)
	k.Restart(t)
	k.AwaitHeld(t, 1) // the client sent it again
	require.Empty(t, done)
	release()
	require.NoError(t, <-done)
	require.Equal(t, []string{"once"}, values(kafkatest.ReadAll(t, k, "t")), "the broker knows it from before")
}

func holdAtTheEnd(t *testing.T, k *kafkatest.Broker) {
	cl := newClient(t, k, kgo.ProducerLinger(0))
	k.HoldAcks("t")
	send(t.Context(), cl, "t", "never acknowledged")
	k.AwaitHeld(t, 1)
}

func onAnswer(t *testing.T, k *kafkatest.Broker) {
	ctx := t.Context()
	cl := newClient(t, k, kgo.ProducerLinger(0))
	var mu sync.Mutex
	var offsets []int64
	losing := 1
	stop := k.OnAnswer(func(a kafkatest.Answer) bool {
		mu.Lock()
		defer mu.Unlock()
		require.Len(t, a.Request.(*kmsg.ProduceRequest).Topics, 1)
		p := a.Response.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
		offsets = append(offsets, p.BaseOffset)
		losing--
		return losing < 0
	}, kmsg.Produce)
	commits := 0
	k.OnAnswer(func(a kafkatest.Answer) bool {
		commits++
		require.Equal(t, "g", a.Request.(*kmsg.OffsetCommitRequest).Group)
		require.Zero(t, a.Response.(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode)
		return true
	}, kmsg.OffsetCommit, kmsg.OffsetDelete)

	require.NoError(t, <-send(ctx, cl, "t", "a"), "the client sends it again, and the broker knows it")
	require.NoError(t, <-send(ctx, cl, "t", "b"))
	k.Restart(t)
	require.NoError(t, <-send(ctx, cl, "t", "c"))
	stop()
	stop()
	require.NoError(t, <-send(ctx, cl, "t", "d"))
	require.Equal(t, []int64{0, 0, 1, 2}, offsets)
	require.Equal(t, []string{"a", "b", "c", "d"}, values(kafkatest.ReadAll(t, k, "t")))

	var offsetsOf kadm.Offsets
	offsetsOf.AddOffset("t", 0, 3, -1)
	require.NoError(t, kadm.NewClient(cl).CommitAllOffsets(ctx, "g", offsetsOf))
	require.Equal(t, 1, commits)
	require.EqualValues(t, 3, kafkatest.CommittedOffset(t, k, "g", "t", 0))
}

func dropConnections(t *testing.T, k *kafkatest.Broker) {
	ctx := t.Context()
	cl := newClient(t, k, kgo.ProducerLinger(0))
	release := k.HoldAcks()
	done := send(ctx, cl, "t", "once")
	k.AwaitHeld(t, 1)
	release2 := k.HoldAcks() // so that the answer cannot slip through
	release()
	k.DropConnections()
	release2()
	require.NoError(t, <-done)
	require.Equal(t, []string{"once"}, values(kafkatest.ReadAll(t, k, "t")))
}

func refuse(t *testing.T, k *kafkatest.Broker) {
	ctx := t.Context()
	cl := newClient(t, k, kgo.ProducerLinger(0))
	require.NoError(t, cl.Ping(ctx))
	allow := k.Refuse()
	require.Error(t, cl.Ping(ctx))
	done := send(ctx, cl, "t", "later")
	allow()
	allow()
	require.NoError(t, <-done)
	require.Equal(t, []string{"later"}, values(kafkatest.ReadAll(t, k, "t")))

	allow = k.Refuse()
	k.Restart(t)
	allow() // of no meaning for the new cluster
	require.Len(t, kafkatest.ReadAll(t, k, "t"), 1)
	k.Refuse() // ends with the test
}

func delay(t *testing.T, k *kafkatest.Broker) {
	cl := newClient(t, k, kgo.ProducerLinger(0))
	require.NoError(t, <-send(t.Context(), cl, "t", "quick"))
	k.Delay(50 * time.Millisecond)
	from := time.Now()
	require.NoError(t, <-send(t.Context(), cl, "t", "slow"))
	require.GreaterOrEqual(t, time.Since(from), 50*time.Millisecond)
	k.Delay(0)
}

func fault(t *testing.T, k *kafkatest.Broker) {
	cl := newClient(t, k, kgo.ProducerLinger(0))
	h := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "t", Err: kerr.MessageTooLarge})
	err := <-send(t.Context(), cl, "t", "x")
	require.ErrorIs(t, err, kerr.MessageTooLarge)
	require.Equal(t, 1, h.Hits())
	require.NoError(t, <-send(t.Context(), cl, "t", "y"))
}

func inMemory(t *testing.T, k *kafkatest.Broker) {
	kafkatest.ProduceValues(t, k, "t", "a")
	require.Len(t, kafkatest.ReadAll(t, k, "t"), 1)
	k.Kill()
}

func asSettings(t *testing.T, k *kafkatest.Broker) {
	require.NoError(t, settings.NewProducer(serde.String(), serde.String(), k.Bootstrap(), k.Dialer()).Err())
}
