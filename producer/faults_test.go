package producer_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

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

var errSerde = errors.New("it does not serialise")

// picky is a serde of strings that fails for "bad" and panics for "panic".
func picky() serde.Serde[string] {
	return serde.Func(func(dst []byte, v string) ([]byte, error) {
		switch v {
		case "bad":
			return nil, errSerde
		case "panic":
			panic(errSerde)
		}
		return append(dst, v...), nil
	}, func(data []byte) (string, error) { return string(data), nil })
}

// fault is a record that cannot be produced, and what its error has to be.
type fault struct {
	rec   *record
	check func(t *testing.T, err error)
	waits bool // whether it may pass is waited for
}

func is(target error, texts ...string) func(t *testing.T, err error) {
	return func(t *testing.T, err error) {
		t.Helper()
		require.ErrorIs(t, err, target)
		for _, text := range texts {
			require.ErrorContains(t, err, text)
		}
	}
}

func badPartition(partition int32) func(t *testing.T, err error) {
	return func(t *testing.T, err error) {
		t.Helper()
		var p *producer.PartitionError
		require.ErrorAs(t, err, &p)
		require.Equal(t, "out", p.Topic)
		require.Equal(t, partition, p.Partition)
	}
}

func failedAt(target error) func(t *testing.T, err error) {
	return func(t *testing.T, err error) {
		t.Helper()
		require.ErrorIs(t, err, target)
		var r *producer.RecordError
		require.ErrorAs(t, err, &r)
		require.Equal(t, "out", r.Topic)
	}
}

func faults() map[string]fault {
	return map[string]fault{
		"no topic":                 {&record{Value: "v"}, is(producer.ErrNoTopic), false},
		"key":                      {envelope.New("out", "bad", "v"), is(errSerde, `topic "out"`, "key"), false},
		"value":                    {envelope.New("out", "k", "bad"), is(errSerde, `topic "out"`, "value"), false},
		"out of range":             {&record{Topic: "out", Partition: envelope.ToPartition(7), Value: "v"}, badPartition(7), true},
		"negative":                 {&record{Topic: "out", Partition: envelope.ToPartition(-1), Value: "v"}, badPartition(-1), false},
		"too large":                {envelope.New("out", "k", strings.Repeat("v", 5000)), failedAt(kerr.MessageTooLarge), false},
		"too large for the broker": {&record{Topic: "out", Partition: envelope.ToPartition(1), Value: strings.Repeat("v", 3000)}, failedAt(kerr.MessageTooLarge), false},
		"serde panics": {envelope.New("out", "k", "panic"), func(t *testing.T, err error) {
			t.Helper()
			is(errSerde, `topic "out"`)(t, err)
			var p *stream.PanicError
			require.ErrorAs(t, err, &p)
			require.Contains(t, string(p.Stack), "picky")
		}, false},
	}
}

// onFaults runs a test for each fault, on a broker of its own.
func onFaults(t *testing.T, test func(t *testing.T, ps settings.Producer[string, string], f fault)) {
	t.Helper()
	for name, f := range faults() {
		if f.waits && !grouptest.Virtual {
			continue // for each record that takes seconds of real time
		}
		t.Run(name, func(t *testing.T) {
			grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) { test(t, faultSettings(k), f) }, faultBroker...)
		})
	}
}

var faultBroker = []kafkatest.Option{kafkatest.Topics(2, "out"), kafkatest.BrokerConfig(map[string]string{"message.max.bytes": "2000"})}

func faultSettings(k *kafkatest.Broker) settings.Producer[string, string] {
	return settings.NewProducer(picky(), picky(), k.Bootstrap(), k.Dialer(), testlog.Silent(), settings.BatchBytes(4000), settings.Compression(kgo.NoCompression()))
}

func requireStage(t *testing.T, err error, stage string) {
	t.Helper()
	var s *stream.StageError
	require.ErrorAs(t, err, &s)
	require.Equal(t, stage, s.Stage)
}

func TestFaultsEndAStream(t *testing.T) {
	onFaults(t, func(t *testing.T, ps settings.Producer[string, string], f fault) {
		good := envelope.New("out", "k", "v")
		err := stream.FromSlice([]*record{good, f.rec, good}).To(producer.PlainSink(ps)).Run(t.Context())
		requireStage(t, err, "plainSink")
		f.check(t, err)

		envs := []env{envelope.Single(*good, 0), envelope.Single(*f.rec, 1), envelope.Single(*good, 2)}
		err = stream.Via(stream.FromSlice(envs), producer.FlexiFlow[int](ps)).Named("named").To(stream.Ignore[res]()).Run(t.Context())
		requireStage(t, err, "named")
		f.check(t, err)

		envs[1] = envelope.Multi([]record{*good, *f.rec, *good}, 1)
		_, err = stream.Collect(t.Context(), stream.Via(stream.FromSlice(envs), producer.FlexiFlow[int](ps)))
		requireStage(t, err, "flexiFlow")
		f.check(t, err)

		for _, e := range []env{envelope.Single(*f.rec, 1), envelope.Multi([]record{*good, *f.rec, *good}, 1)} {
			envs[1] = e
			err = stream.FromSlice(envs).To(producer.CommittableSinkOf[int](ps, settings.NewCommitter())).Run(t.Context())
			requireStage(t, err, "committableSink")
			f.check(t, err)
			pairs := stream.WithContext(stream.FromSlice(envs), func(env) envelope.Committable { return nil })
			err = pairs.To(producer.CommittableSinkWithOffsetContextOf[int](ps, settings.NewCommitter())).Run(t.Context())
			requireStage(t, err, "committableSinkWithOffsetContext")
			f.check(t, err)
		}
	})
}

// With SkipFailed the stream goes on: each failure is counted and finished, and is in its result.
func TestFaultsAreSkipped(t *testing.T) {
	// a batch that is too large fails as a whole
	good := &record{Topic: "out", Partition: envelope.ToPartition(0), Value: "v"}
	onFaults(t, func(t *testing.T, ps settings.Producer[string, string], f fault) {
		src := streamtest.NewTracked[*record](1)
		src.Append(0, good, f.rec, good)
		src.End()
		recs := stream.Map(src.Source(), func(m *streamtest.TrackedMessage[*record]) *record { return m.Value })
		ctl := grouptest.Start(t, recs.To(producer.PlainSink(ps, producer.SkipFailed())))
		<-ctl.Done()
		require.NoError(t, ctl.Err())
		require.EqualValues(t, 3, src.Committed(0))
		stages := ctl.Snapshot().Stages
		require.EqualValues(t, 1, stages[len(stages)-1].Skipped)

		// So are envelopes, and what they pass through gets its one Commit.
		envs := streamtest.NewTracked[offsetEnv](1)
		var fakes [5]kafkatest.FakeCommittable
		envs.Append(0, envelope.Single[string, string, committable](*good, &fakes[0]), envelope.Single[string, string, committable](*f.rec, &fakes[1]),
			envelope.Single[string, string, committable](*good, &fakes[2]), envelope.Multi[string, string, committable]([]record{*good, *f.rec, *good}, &fakes[3]),
			envelope.Single[string, string, committable](*good, &fakes[4]))
		envs.End()
		committing := grouptest.Start(t, stream.Map(envs.Source(), func(m *streamtest.TrackedMessage[offsetEnv]) offsetEnv { return m.Value }).
			To(producer.CommittableSink(ps, settings.NewCommitter(), producer.SkipFailed())))
		<-committing.Done()
		require.NoError(t, committing.Err())
		require.EqualValues(t, 5, envs.Committed(0))
		for i := range fakes {
			require.Equal(t, 1, fakes[i].Commits(), "envelope %d", i)
		}
		stages = committing.Snapshot().Stages
		// the broker may refuse the neighbours in the bad one's batch too
		require.GreaterOrEqual(t, stages[len(stages)-1].Skipped, uint64(2))

		results, err := stream.Collect(t.Context(), stream.Via(stream.FromSlice([]env{
			envelope.Single(*good, 0), envelope.Single(*f.rec, 1), envelope.Single(*good, 2),
			envelope.Multi([]record{*good, *f.rec, *good}, 3), envelope.Single(*good, 4),
		}), producer.FlexiFlow[int](ps, producer.SkipFailed())))
		require.NoError(t, err)
		require.Len(t, results, 5)
		for i, r := range results {
			require.Equal(t, i, r.Pass())
			if i == 1 || i == 3 {
				f.check(t, r.Failed())
				continue
			}
			require.NoError(t, r.Failed())
		}
		parts := results[3].(*envelope.MultiResult[string, string, int]).Parts
		require.Len(t, parts, 3)
		f.check(t, parts[1].Err)
		for _, i := range []int{0, 2} { // written, or said not to be
			require.Equal(t, good.Value, parts[i].Record.Value)
			if parts[i].Err == nil {
				require.Equal(t, "out", parts[i].Metadata.Topic)
			} else {
				require.True(t, errors.Is(parts[i].Err, producer.ErrNotSent) || errors.Is(parts[i].Err, kerr.MessageTooLarge), "%v", parts[i].Err)
			}
		}
	})
}

func TestFaultsOfAnElementAreItsCallers(t *testing.T) {
	good := envelope.New("out", "k", "v")
	onFaults(t, func(t *testing.T, ps settings.Producer[string, string], f fault) {
		p := element(t, ps)
		_, err := p.Send(t.Context(), f.rec)
		f.check(t, err)
		future, err := p.SendFuture(t.Context(), f.rec)
		if err == nil {
			_, err = future.Wait(t.Context())
		}
		f.check(t, err)
		got := make(chan error, 1)
		if err := p.SendAsync(t.Context(), f.rec, func(_ envelope.Metadata, err error) { got <- err }); err != nil {
			got <- err
		}
		f.check(t, <-got)
		r, err := producer.SendEnvelope(t.Context(), p, envelope.Single(*f.rec, 3))
		f.check(t, err)
		f.check(t, r.Failed())
		require.Equal(t, 3, r.Pass())
		r, err = producer.SendEnvelope(t.Context(), p, envelope.Multi([]record{*good, *f.rec}, 4))
		f.check(t, err)
		f.check(t, r.Failed())
		f.check(t, r.(*envelope.MultiResult[string, string, int]).Parts[1].Err)
		_, err = p.Send(t.Context(), good)
		require.NoError(t, err)
	})
}

func TestNilRecordsAndEnvelopes(t *testing.T) {
	ps := faultSettings(kafkatest.Start(t, append(faultBroker, kafkatest.InMemory())...))
	err := stream.FromSlice([]*record{nil}).To(producer.PlainSink(ps)).Run(t.Context())
	requireStage(t, err, "plainSink")
	require.ErrorIs(t, err, producer.ErrNilRecord)
	require.ErrorContains(t, err, "the stage before this one handed on a nil record: its function is to return a record (envelope.New), or an error")
	p := element(t, ps)
	_, err = p.Send(t.Context(), nil)
	require.ErrorIs(t, err, producer.ErrNilRecord)
	for name, e := range map[string]env{"nil": nil, "Message": (*msg)(nil), "MultiMessage": (*multi)(nil), "PassThroughMessage": (*pass)(nil)} {
		err := stream.Via(stream.FromSlice([]env{e}), producer.FlexiFlow[int](ps)).To(stream.Ignore[res]()).Run(t.Context())
		requireStage(t, err, "flexiFlow")
		require.ErrorIs(t, err, producer.ErrNilRecord, name)
		require.ErrorContains(t, err, "the stage before this one handed on a nil envelope", name)
		// It has no pass-through that could be in a result.
		err = stream.Via(stream.FromSlice([]env{e}), producer.FlexiFlow[int](ps, producer.SkipFailed())).To(stream.Ignore[res]()).Run(t.Context())
		require.ErrorIs(t, err, producer.ErrNilRecord, name)
		for _, opts := range [][]producer.Option{nil, {producer.SkipFailed()}} { // nor an offset
			err = stream.FromSlice([]env{e}).To(producer.CommittableSinkOf[int](ps, settings.NewCommitter(), opts...)).Run(t.Context())
			requireStage(t, err, "committableSink")
			require.ErrorIs(t, err, producer.ErrNilRecord, name)
			require.ErrorContains(t, err, "the stage before this one handed on a nil envelope", name)
		}
		_, err = producer.SendEnvelope(t.Context(), p, e)
		require.ErrorIs(t, err, producer.ErrNilRecord, name)
	}
}

// A client of the user's own that ignores partitions is not given records that name one.
func TestWrappedClientWithoutThePartitioner(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(3, "out"), kafkatest.InMemory())
	raw, err := kgo.NewClient(k.ClientOptions()...)
	require.NoError(t, err)
	defer raw.Close()
	cl, err := producer.Wrap(raw)
	require.NoError(t, err)
	defer func() { require.NoError(t, cl.Close(context.Background())) }()
	err = stream.FromSlice([]*record{{Topic: "out", Partition: envelope.ToPartition(1), Value: "v"}}).To(producer.PlainSink(bare(k), producer.On(cl))).Run(t.Context())
	require.ErrorIs(t, err, producer.ErrPartitionIgnored)
	require.NoError(t, stream.FromSlice(numbered("out", 100)).To(producer.PlainSink(bare(k), producer.On(cl))).Run(t.Context()))

	heeds, err := kgo.NewClient(append(k.ClientOptions(), settings.PartitionerOpt())...)
	require.NoError(t, err)
	defer heeds.Close()
	cl, err = producer.Wrap(heeds)
	require.NoError(t, err)
	require.NoError(t, stream.FromSlice([]*record{{Topic: "out", Partition: envelope.ToPartition(1), Value: "v"}}).To(producer.PlainSink(bare(k), producer.On(cl))).Run(t.Context()))
	require.NoError(t, cl.Close(t.Context()))
	require.NoError(t, heeds.Ping(t.Context()), "it is the user's to close")
	_, err = producer.NewElement(bare(k), producer.On(cl))
	require.ErrorIs(t, err, producer.ErrClosed)
}

// Errors that a retry may help against are retried; the others are told as they are.
func TestBrokerErrors(t *testing.T) {
	for _, c := range []struct {
		err   *kerr.Error
		times int
		fails bool
	}{
		{kerr.NotEnoughReplicas, 2, false},
		{kerr.NotEnoughReplicasAfterAppend, 1, false},
		{kerr.NotLeaderForPartition, 1, false},
		{kerr.RequestTimedOut, 1, false},
		{kerr.TopicAuthorizationFailed, 1, true},
		{kerr.InvalidRecord, 1, true},
	} {
		t.Run(c.err.Message, func(t *testing.T) {
			k := kafkatest.Start(t, kafkatest.Topics(1, "out"), kafkatest.InMemory())
			k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: c.err, Count: c.times})
			err := stream.FromSlice(numbered("out", 50)).To(producer.PlainSink(sets(k))).Run(t.Context())
			if c.fails {
				requireStage(t, err, "plainSink")
				failedAt(c.err)(t, err)
				return
			}
			require.NoError(t, err)
			requireAll(t, k, "out", 50)
		})
	}
}

// Contradictions are found before anything runs, all at once and by name, by everything that takes
// settings.
func TestContradictorySettings(t *testing.T) {
	ps := settings.NewProducer(serde.String(), serde.String(), settings.Acks(settings.AcksLeader), settings.Idempotence(true),
		settings.Linger(2000000000), settings.DeliveryTimeout(1000000000), settings.Window(0, 0))
	other := settings.NewProducer(serde.String(), serde.String(), settings.Bootstrap("not an address"))
	ran := false
	src := stream.FromFunc(func(context.Context, func(*record) bool) error { ran = true; return nil })
	_, errClient := producer.NewClient(ps)
	_, errElement := producer.NewElement(ps)
	_, errStart := stream.Via(stream.FromSlice[env](nil), producer.FlexiFlow[int](ps)).To(stream.Ignore[res]()).Start(t.Context())
	for name, err := range map[string]error{
		"client": errClient, "element": errElement, "start": errStart,
		"run": src.To(producer.PlainSink(ps)).Run(t.Context()),
	} {
		for _, what := range []string{"bootstrap.servers", "enable.idempotence", "linger.ms", "Window"} {
			require.ErrorContains(t, err, what, name)
		}
		var p *settings.Problem
		require.ErrorAs(t, err, &p, name)
	}
	err := src.To(stream.Broadcast(producer.PlainSink(ps), producer.PlainSink(other))).Run(t.Context())
	require.ErrorContains(t, err, "enable.idempotence")
	require.ErrorContains(t, err, "not an address", "the other stage's problems, in the same run")
	require.False(t, ran)
	require.Error(t, src.To(producer.PlainSink(settings.Producer[string, string]{})).Run(t.Context()))
}

func TestSharedClientsThatDoNotFit(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "out"), kafkatest.InMemory())
	sinkOn := func(cl *producer.Client, ps settings.Producer[string, string]) error {
		_, err := producer.NewElement(ps, producer.On(cl))
		run := stream.FromSlice(numbered("out", 1)).To(producer.PlainSink(ps, producer.On(cl))).Run(t.Context())
		require.Equal(t, err == nil, run == nil)
		if err != nil {
			require.Equal(t, err.Error(), run.Error())
		}
		return err
	}
	require.ErrorIs(t, sinkOn(nil, bare(k)), producer.ErrNoClient)

	closed := client(t, sets(k))
	require.NoError(t, closed.Close(t.Context()))
	require.NoError(t, closed.Close(t.Context()), "twice is harmless")
	require.ErrorIs(t, sinkOn(closed, bare(k)), producer.ErrClosed)

	cl := client(t, sets(k))
	require.NoError(t, sinkOn(cl, bare(k)))
	for what, opt := range map[string]settings.ProducerOption{
		"linger.ms": settings.Linger(1), "acks": settings.Acks(settings.AcksLeader), "client.id": settings.ClientID("other"),
	} {
		err := sinkOn(cl, bare(k).With(opt))
		require.ErrorContains(t, err, what)
		var c *producer.ClientError
		require.ErrorAs(t, err, &c)
	}

	_, err := producer.Wrap(nil)
	require.Error(t, err)
	for what, opts := range map[string][]kgo.Opt{
		"TransactionalID": {kgo.TransactionalID("tx")}, "ManualFlushing": {kgo.ManualFlushing()},
		"DefaultProduceTopicAlways": {kgo.DefaultProduceTopic("out"), kgo.DefaultProduceTopicAlways()},
	} {
		raw, err := kgo.NewClient(append(k.ClientOptions(), opts...)...)
		require.NoError(t, err)
		_, err = producer.Wrap(raw)
		require.ErrorContains(t, err, what)
		var c *producer.ClientError
		require.ErrorAs(t, err, &c)
		raw.Close()
	}
}

// A shared client that is closed under a running stream, or was the user's to close, ends the
// stream with an error.
func TestSharedClientIsClosedUnderAStream(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "out"), kafkatest.InMemory())
	cl := client(t, sets(k))
	in := make(chan *record)
	ctl := grouptest.Start(t, stream.FromChan(in).To(producer.PlainSink(bare(k), producer.On(cl))))
	in <- envelope.New("out", "k", "v")
	for cl.Metrics().Acknowledged < 1 {
		runtime.Gosched()
	}
	require.NoError(t, cl.Close(t.Context()))
	in <- envelope.New("out", "k", "v")
	<-ctl.Done()
	requireStage(t, ctl.Err(), "plainSink")
	require.ErrorIs(t, ctl.Err(), producer.ErrClosed)
	require.Len(t, kafkatest.ReadAll(t, k, "out"), 1)
}
