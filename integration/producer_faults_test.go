package integration

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/stream"
)

// The broker goes twice while records are on their way, and comes back: the stream goes on, and
// nothing is lost, doubled or out of order.
func TestProducerBrokerComesBack(t *testing.T) {
	if kafka.Node == nil {
		t.Skip("the broker was not started here and cannot be ended")
	}
	t.Run("stopped", func(t *testing.T) {
		brokerComesBack(t, kafka.Node.Stop, checkLog)
	})
	t.Run("killed", func(t *testing.T) {
		check := checkLog
		if strings.Contains(kafka.Origin, "embedded") {
			// It writes down what it knows of producers when it is stopped; a kill makes it forget
			// that, and take repeated batches for new ones.
			check = checkNothingLost
		}
		brokerComesBack(t, kafka.Node.Kill, check)
	})
}

func brokerComesBack(t *testing.T, end func() error, check func(*testing.T, []*record, []*kgo.Record)) {
	// in case that the test has failed while it was down
	t.Cleanup(func() { _ = kafka.Node.Start(context.Background()) })
	topic := kafka.CreateTopic(t, 6)
	f := startFlow(t, topic)
	const times, between = 2, 20_000
	for range times {
		f.await(between)
		require.NoError(t, end())
		require.NoError(t, kafka.Node.Start(t.Context()))
	}
	f.await(between)
	f.end()
	log := readAll(t, topic)
	t.Logf("%d records sent, %d in the log", len(f.recs), len(log))
	check(t, f.recs, log)
	require.Len(t, f.where, len(f.recs))
	if len(log) == len(f.recs) {
		metadata := make([]envelope.Metadata, len(f.recs))
		for i, m := range f.where {
			metadata[i] = m
		}
		checkWhere(t, metadata, log)
	}
}

// flow sends mixed records to a topic until it is told to end.
type flow struct {
	t        *testing.T
	ctl      *stream.Control
	enough   chan struct{}
	progress chan struct{}
	done     atomic.Int64

	// The stream's, until it has ended.
	recs  []*record
	where map[int]envelope.Metadata
}

func startFlow(t *testing.T, topic string) *flow {
	f := &flow{t: t, enough: make(chan struct{}), progress: make(chan struct{}, 1), where: map[int]envelope.Metadata{}}
	source := stream.FromFunc(func(ctx context.Context, emit func(envelope.Envelope[string, string, int]) bool) error {
		for i := 0; ; i++ {
			select {
			case <-f.enough:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			default:
			}
			rec := mixedRecord(topic, i)
			f.recs = append(f.recs, rec)
			if !emit(envelope.Single(*rec, i)) {
				return nil
			}
		}
	})
	sink := stream.ForEach(func(_ context.Context, r results) error {
		if res, ok := r.(*envelope.Result[string, string, int]); ok && res.Err == nil {
			f.where[res.Pass()] = res.Metadata
		}
		f.done.Add(1)
		select {
		case f.progress <- struct{}{}:
		default:
		}
		return r.Failed()
	})
	var err error
	f.ctl, err = stream.Via(source, producer.FlexiFlow[int](producing(t))).To(sink).Start(t.Context())
	require.NoError(t, err)
	return f
}

// await waits for n more results.
func (f *flow) await(n int64) {
	f.t.Helper()
	for until := f.done.Load() + n; f.done.Load() < until; {
		select {
		case <-f.progress:
		case <-f.ctl.Done():
			f.t.Fatal("the stream has ended: ", f.ctl.Err())
		case <-time.After(time.Minute):
			f.t.Fatal("the stream does not go on")
		}
	}
}

func (f *flow) end() {
	f.t.Helper()
	close(f.enough)
	select {
	case <-f.ctl.Done():
	case <-time.After(time.Minute):
		f.t.Fatal("the stream does not end")
	}
	require.NoError(f.t, f.ctl.Err())
}

// Records that cannot be written end a stream, and a Send, with a typed error that names their
// place.
func TestProducerRefusedRecords(t *testing.T) {
	topic, small := kafka.CreateTopic(t, 1), kafka.CreateTopic(t, 1, "max.message.bytes", "2000")
	for name, c := range map[string]struct {
		rec  *record
		want error
	}{
		"unknown topic":                   {envelope.New("there-is-no-"+topic, "key", "value"), kerr.UnknownTopicOrPartition},
		"too large for the client":        {envelope.New(topic, "key", strings.Repeat("x", 2<<20)), kerr.MessageTooLarge},
		"too large for the broker's sake": {envelope.New(small, "key", noise(10_000)), kerr.MessageTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			check := func(err error) {
				t.Helper()
				require.ErrorIs(t, err, c.want)
				var failed *producer.RecordError
				require.ErrorAs(t, err, &failed)
				require.Equal(t, c.rec.Topic, failed.Topic)
			}
			err := stream.FromSlice([]*record{c.rec}).To(producer.PlainSink(producing(t))).Run(t.Context())
			var place *stream.StageError
			require.ErrorAs(t, err, &place)
			require.Equal(t, "plainSink", place.Stage)
			check(err)

			e, err := producer.NewElement(producing(t))
			require.NoError(t, err)
			defer func() { require.NoError(t, e.Close(t.Context())) }()
			_, err = e.Send(t.Context(), c.rec)
			check(err)
			_, err = e.Send(t.Context(), envelope.New(topic, "key", "fits"))
			require.NoError(t, err, "the next record is none the worse")
		})
	}
}

// noise does not compress well.
func noise(n int) string {
	b, x := make([]byte, n), uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return string(b)
}

// The first record to a topic that has just been created does not wait for the client to look for
// its leader again in five seconds.
func TestProducerFreshTopic(t *testing.T) {
	const tries, stall = 10, 4 * time.Second
	slowest := time.Duration(0)
	for range tries {
		topic := kafka.CreateTopic(t, 3)
		e, err := producer.NewElement(producing(t))
		require.NoError(t, err)
		began := time.Now()
		_, err = e.Send(t.Context(), envelope.New(topic, "key", "value"))
		slowest = max(slowest, time.Since(began))
		require.NoError(t, err)
		require.NoError(t, e.Close(t.Context()))
	}
	t.Logf("the slowest of %d first records took %v", tries, slowest)
	require.Less(t, slowest, stall)
}
