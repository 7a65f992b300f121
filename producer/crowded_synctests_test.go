//go:build synctests

package producer_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// crowded runs f with a wrapped client that its owner's records have filled, in records or bytes.
func crowded(t *testing.T, f func(t *testing.T, k *kafkatest.Broker, cl *producer.Client, release func())) {
	for name, opt := range map[string]kgo.Opt{"records": kgo.MaxBufferedRecords(1000), "bytes": kgo.MaxBufferedBytes(3000)} {
		t.Run(name, func(t *testing.T) {
			grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
				cl, err := kgo.NewClient(append(k.ClientOptions(), opt, kgo.ProducerLinger(0), settings.PartitionerOpt())...)
				require.NoError(t, err)
				defer cl.Close()
				wrapped, err := producer.Wrap(cl)
				require.NoError(t, err)
				release := k.HoldAcks("out")
				defer release()
				for range 1000 {
					cl.TryProduce(t.Context(), &kgo.Record{Topic: "out", Value: []byte("own")}, nil)
				}
				f(t, k, wrapped, release)
			}, kafkatest.Topics(1, "out"))
		})
	}
}

// within requires that f returns a second from now, its context's end.
func within(t *testing.T, f func(ctx context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	at := time.Now()
	err := f(ctx)
	require.LessOrEqual(t, time.Since(at), 1100*time.Millisecond)
	return err
}

// Where a wrapped client is full, contexts end the waiting of its users, and what they gave up is
// not sent.
func TestSendersOnAFullClient(t *testing.T) {
	crowded(t, func(t *testing.T, k *kafkatest.Broker, cl *producer.Client, release func()) {
		p := element(t, bare(k), producer.On(cl))
		for name, send := range map[string]func(ctx context.Context) error{
			"Send": func(ctx context.Context) error {
				_, err := p.Send(ctx, envelope.New("out", "k", "v"))
				return err
			},
			"SendFuture": func(ctx context.Context) error {
				_, err := p.SendFuture(ctx, envelope.New("out", "k", "v"))
				return err
			},
			"SendAsync": func(ctx context.Context) error {
				return p.SendAsync(ctx, envelope.New("out", "k", "v"), func(envelope.Metadata, error) { t.Error("it was not sent") })
			},
			"SendEnvelope": func(ctx context.Context) error {
				_, err := producer.SendEnvelope(ctx, p, envelope.Multi([]record{*envelope.New("out", "k", "v")}, 0))
				return err
			},
		} {
			err := within(t, send)
			require.ErrorIs(t, err, producer.ErrWindowFull, name)
			require.ErrorIs(t, err, context.DeadlineExceeded, name)
			require.NotErrorIs(t, err, producer.ErrUnknownOutcome, name)
		}
		require.ErrorIs(t, within(t, p.Flush), context.DeadlineExceeded)

		waiting := make(chan error, 1)
		go func() {
			_, err := p.Send(t.Context(), envelope.New("out", "k", "v"))
			waiting <- err
		}()
		<-time.After(time.Second)
		require.NoError(t, within(t, p.Close))
		require.ErrorIs(t, <-waiting, producer.ErrClosed)

		q := element(t, bare(k), producer.On(cl))
		go func() {
			_, err := q.Send(t.Context(), envelope.New("out", "k", "sent"))
			waiting <- err
		}()
		<-time.After(time.Second)
		release()
		require.NoError(t, <-waiting)
		vs := values(kafkatest.ReadAll(t, k, "out"))
		require.Equal(t, "sent", vs[len(vs)-1])
		require.NotContains(t, vs, "v")
	})
}

// Stops and drain time-outs reach the stages on it, and it goes on when there is room.
func TestStreamsOnAFullClient(t *testing.T) {
	crowded(t, func(t *testing.T, k *kafkatest.Broker, cl *producer.Client, release func()) {
		for name, graph := range map[string]func() stream.Graph{
			"PlainSink": func() stream.Graph {
				return stream.FromSlice(numbered("out", 50)).To(producer.PlainSink(bare(k), producer.On(cl)))
			},
			"CommittableSink": func() stream.Graph {
				return stream.FromSlice(numbered("out", 50)).To(committableSink(bare(k), producer.On(cl)))
			},
			"FlexiFlow": func() stream.Graph {
				return stream.Via(stream.FromSlice(singles(numbered("out", 50))), producer.FlexiFlow[int](bare(k), producer.On(cl))).To(stream.Ignore[res]())
			},
		} {
			ctl := grouptest.Start(t, graph())
			<-time.After(time.Second)
			at := time.Now()
			ctl.Stop()
			<-ctl.Done()
			require.Less(t, time.Since(at), 6*time.Second, name)
			require.ErrorIs(t, ctl.Err(), stream.ErrStopped, name)

			ctl = grouptest.Start(t, graph(), stream.DrainTimeout(2*time.Second))
			<-time.After(time.Second)
			at = time.Now()
			require.Error(t, ctl.Drain(t.Context()), name)
			require.Less(t, time.Since(at), 8*time.Second, name)
		}
		ctl := grouptest.Start(t, stream.FromSlice(numbered("out", 50)).To(producer.PlainSink(bare(k), producer.On(cl))))
		<-time.After(time.Second)
		release()
		<-ctl.Done()
		require.NoError(t, ctl.Err())
	})
}

// Close in a callback is told so at once, and goes on.
func TestCloseInACallback(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		for name, shared := range map[string]bool{"own": false, "shared": true} {
			var opts []producer.Option
			if shared {
				opts = append(opts, producer.On(client(t, sets(k))))
			}
			p, err := producer.NewElement(sets(k), opts...)
			require.NoError(t, err)
			at := time.Now()
			closed := make(chan error, 2)
			require.NoError(t, p.SendAsync(t.Context(), envelope.New("out", "k", "a"), func(envelope.Metadata, error) {
				closed <- p.Close(t.Context())
				closed <- p.Close(t.Context())
			}))
			require.ErrorIs(t, <-closed, producer.ErrCloseInCallback, name)
			require.ErrorIs(t, <-closed, producer.ErrCloseInCallback, name)
			require.NoError(t, p.Close(t.Context()), name)
			require.NoError(t, p.Close(t.Context()), name)
			require.Less(t, time.Since(at), 2*time.Second, name)
			_, err = p.Send(t.Context(), envelope.New("out", "k", "b"))
			require.ErrorIs(t, err, producer.ErrClosed, name)
		}
	}, kafkatest.Topics(1, "out"))
}

// Two that close at once both wait.
func TestTwoClosersWait(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		p, err := producer.NewElement(sets(k))
		require.NoError(t, err)
		release := k.HoldAcks("out")
		f, err := p.SendFuture(t.Context(), envelope.New("out", "k", "a"))
		require.NoError(t, err)
		ends := make(chan error, 2)
		for range 2 {
			go func() { ends <- p.Close(t.Context()) }()
		}
		<-time.After(2 * time.Second)
		require.Empty(t, ends)
		release()
		require.NoError(t, <-ends)
		require.NoError(t, <-ends)
		_, err = f.Wait(t.Context())
		require.NoError(t, err)
	}, kafkatest.Topics(1, "out"))
}
