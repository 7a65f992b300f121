//go:build synctests

package producer_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/bubble"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/internal/testlog"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// The ends of a stream do not wait for a linger: not its completion, not a drain, not a full
// window.
func TestEndsDoNotWaitForTheLinger(t *testing.T) {
	for name, run := range map[string]func(t *testing.T, k *kafkatest.Broker, ps settings.Producer[string, string]){
		"completion of a PlainSink": func(t *testing.T, k *kafkatest.Broker, ps settings.Producer[string, string]) {
			require.NoError(t, stream.FromSlice(numbered("out", 100)).To(producer.PlainSink(ps)).Run(t.Context()))
		},
		"completion of a FlexiFlow": func(t *testing.T, k *kafkatest.Broker, ps settings.Producer[string, string]) {
			require.NoError(t, stream.Via(stream.FromSlice(singles(numbered("out", 100))), producer.FlexiFlow[int](ps)).To(stream.Ignore[res]()).Run(t.Context()))
		},
		"drain of a quiet stream": func(t *testing.T, k *kafkatest.Broker, ps settings.Producer[string, string]) {
			in := make(chan *record, 100)
			for _, r := range numbered("out", 100) {
				in <- r
			}
			ctl := grouptest.Start(t, stream.FromChan(in).To(producer.PlainSink(ps)))
			synctest.Wait()
			require.Empty(t, kafkatest.ReadAll(t, k, "out"), "they linger")
			require.NoError(t, ctl.Drain(t.Context()))
		},
		"a window that the stream has filled": func(t *testing.T, k *kafkatest.Broker, ps settings.Producer[string, string]) {
			ps = ps.With(settings.Window(10, unbounded))
			require.NoError(t, stream.FromSlice(numbered("out", 100)).To(producer.PlainSink(ps)).Run(t.Context()))
		},
		"closing an Element": func(t *testing.T, k *kafkatest.Broker, ps settings.Producer[string, string]) {
			p := element(t, ps)
			for _, r := range numbered("out", 100) {
				_, err := p.SendFuture(t.Context(), r)
				require.NoError(t, err)
			}
			require.NoError(t, p.Close(t.Context()))
		},
		"flushing an Element": func(t *testing.T, k *kafkatest.Broker, ps settings.Producer[string, string]) {
			p := element(t, ps)
			for _, r := range numbered("out", 100) {
				_, err := p.SendFuture(t.Context(), r)
				require.NoError(t, err)
			}
			require.NoError(t, p.Flush(t.Context()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
				at := time.Now()
				run(t, k, sets(k, settings.Linger(time.Minute)))
				require.Less(t, time.Since(at), 2*time.Second)
				requireAll(t, k, "out", 100)
			}, kafkatest.Topics(3, "out"))
		})
	}
}

func TestStreamsLingerUnlessTold(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		in, out := make(chan env), make(chan res)
		ctl := grouptest.Start(t, stream.Via(stream.FromChan(in), producer.FlexiFlow[int](sets(k, settings.Linger(20*time.Second)))).To(stream.ToChan(out)))
		for i, e := range singles(numbered("out", 3)) {
			at := time.Now()
			in <- e
			require.Equal(t, i, (<-out).Pass())
			require.GreaterOrEqual(t, time.Since(at), 20*time.Second)
			require.Less(t, time.Since(at), 22*time.Second)
		}
		require.NoError(t, ctl.Drain(t.Context()))
	}, kafkatest.Topics(1, "out"))
}

// An Element with a client of its own does not linger unless it is told to; on a shared client it
// lingers as the client does.
func TestElementsLinger(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		send := func(p *producer.Element[string, string]) time.Duration {
			_, err := p.Send(t.Context(), envelope.New("out", "k", "v")) // learns about the topic
			require.NoError(t, err)
			at := time.Now()
			_, err = p.Send(t.Context(), envelope.New("out", "k", "v"))
			require.NoError(t, err)
			return time.Since(at)
		}
		require.Zero(t, send(element(t, sets(k))))
		require.Equal(t, 3*time.Second, send(element(t, sets(k, settings.Linger(3*time.Second)))))
		require.Equal(t, 5*time.Millisecond, send(element(t, bare(k), producer.On(client(t, sets(k))))))
	}, kafkatest.Topics(1, "out"))
}

// A stream that pauses after a burst goes on with the time of then, in its timestamps and in its
// delivery time-outs.
func TestTimeGoesOnWhileAStreamPauses(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		in := make(chan *record, 1000)
		for _, r := range numbered("out", 1000) {
			in <- r
		}
		ctl := grouptest.Start(t, stream.FromChan(in).To(producer.PlainSink(sets(k))))
		for range 20 {
			<-time.After(3 * time.Minute)
			in <- envelope.New("out", "late", "late")
		}
		<-time.After(time.Minute)
		require.NoError(t, ctl.Drain(t.Context()))
		late := kafkatest.ReadAll(t, k, "out")[1000:]
		require.Len(t, late, 20)
		begin := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		for i, r := range late {
			require.WithinDuration(t, begin.Add(time.Duration(i+1)*3*time.Minute), r.Timestamp, time.Second)
		}
	}, kafkatest.Topics(1, "out"))
}

// The same where a user function in front of the sink takes its time.
func TestTimeGoesOnWhileAUserFunctionTakesIts(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		n := 0
		src := stream.FromSlice(numbered("out", 300)).Tap(func(*record) {
			if n++; n > 200 {
				<-time.After(time.Minute)
			}
		})
		require.NoError(t, src.To(producer.PlainSink(sets(k))).Run(t.Context()))
		begin := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		for i, r := range kafkatest.ReadAll(t, k, "out") {
			require.WithinDuration(t, begin.Add(time.Duration(max(0, i-199))*time.Minute), r.Timestamp, time.Second)
		}
	}, kafkatest.Topics(1, "out"))
}

// Nobody answers: a warning that names the address after five seconds, and a typed error at the
// delivery time-out.
func TestUnreachableBrokers(t *testing.T) {
	refused := func(context.Context, string, string) (net.Conn, error) { return nil, fmt.Errorf("refused") }
	hanging := func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
	for name, dial := range map[string]settings.DialFunc{"refused": refused, "hanging": hanging} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				j := &testlog.Log{}
				ps := settings.NewProducer(serde.String(), serde.String(), settings.Bootstrap("kafka.example:9092"), settings.Dialer(dial),
					j.Option(), settings.DeliveryTimeout(30*time.Second))
				at := time.Now()
				ctl := grouptest.Start(t, stream.FromSlice(numbered("out", 5)).To(producer.PlainSink(ps)))
				<-time.After(5*time.Second - 1)
				require.Zero(t, j.Count("no Kafka broker reached"))
				<-time.After(time.Second)
				require.Equal(t, 1, j.Count("no Kafka broker reached at kafka.example:9092"))
				<-ctl.Done()
				requireDeliveryTimeout(t, ctl.Err(), "plainSink", "out", 30*time.Second)
				var u *producer.UnreachableError
				require.ErrorAs(t, ctl.Err(), &u)
				require.Equal(t, []string{"kafka.example:9092"}, u.Addrs)
				require.GreaterOrEqual(t, time.Since(at), 30*time.Second)
				require.Less(t, time.Since(at), 36*time.Second)
				var o *producer.OutcomeError
				require.ErrorAs(t, ctl.Err(), &o)
				require.EqualValues(t, 4, o.Failed+o.Unknown)
			})
		})
	}
}

func requireDeliveryTimeout(t *testing.T, err error, stage, topic string, timeout time.Duration) {
	t.Helper()
	var s *stream.StageError
	require.ErrorAs(t, err, &s)
	require.Equal(t, stage, s.Stage)
	var r *producer.RecordError
	require.ErrorAs(t, err, &r)
	require.Equal(t, topic, r.Topic)
	var d *producer.DeliveryTimeoutError
	require.ErrorAs(t, err, &d)
	require.Equal(t, topic, d.Topic)
	require.Equal(t, timeout, d.Timeout)
}

// A broker that dies under way and does not come back.
func TestBrokerDiesForEver(t *testing.T) {
	kafkatest.Virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		in := make(chan *record)
		ctl := grouptest.Start(t, stream.FromChan(in).To(producer.PlainSink(sets(k, settings.DeliveryTimeout(20*time.Second)))))
		recs := numbered("out", 2)
		in <- recs[0]
		<-time.After(time.Second)
		k.Kill()
		at := time.Now()
		in <- recs[1]
		<-ctl.Done()
		requireDeliveryTimeout(t, ctl.Err(), "plainSink", "out", 20*time.Second)
		require.GreaterOrEqual(t, time.Since(at), 20*time.Second)
		require.Less(t, time.Since(at), 27*time.Second)
		k.Restart(t)
		require.Equal(t, []string{"0"}, values(kafkatest.ReadAll(t, k, "out")))
	}, kafkatest.Topics(1, "out"))
}

// A broker that is away for a while, under way: nothing is lost and nothing doubled.
func TestBrokerDiesAndComesBack(t *testing.T) {
	kafkatest.Virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		n := 0
		src := stream.FromSlice(singles(numbered("out", 2000))).Tap(func(env) {
			if n++; n%20 == 0 {
				<-time.After(time.Second)
			}
		})
		out := make(chan res, 2000)
		ctl := grouptest.Start(t, stream.Via(src, producer.FlexiFlow[int](sets(k))).To(stream.ToChan(out)))
		for range 3 {
			<-time.After(7*time.Second + 300*time.Millisecond)
			k.Kill()
			<-time.After(11 * time.Second)
			k.Restart(t)
		}
		// And once with a request on its way that was carried out, but not answered.
		release := k.HoldAcks("out")
		<-time.After(3 * time.Second)
		k.AwaitHeld(t, 1)
		k.Kill()
		release()
		<-time.After(3 * time.Second)
		k.Restart(t)
		<-ctl.Done()
		require.NoError(t, ctl.Err())
		requireAll(t, k, "out", 2000)
		require.Len(t, out, 2000)
		for i := range 2000 {
			require.Equal(t, i, (<-out).Pass())
		}
	}, kafkatest.Topics(3, "out"))
}

// A topic that nobody creates: it may have been made just now, so its records have the delivery
// time-out.
func TestUnknownTopic(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		at := time.Now()
		err := stream.FromSlice(numbered("nowhere", 3)).To(producer.PlainSink(sets(k))).Run(t.Context())
		requireUnknownTopic(t, err, "nowhere")
		var late *producer.DeliveryTimeoutError
		require.ErrorAs(t, err, &late)
		require.GreaterOrEqual(t, time.Since(at), 2*time.Minute)
		require.Less(t, time.Since(at), 130*time.Second)
		_, err = element(t, sets(k, settings.DeliveryTimeout(15*time.Second))).Send(t.Context(), envelope.New("nowhere", "k", "v"))
		requireUnknownTopic(t, err, "nowhere")
	})
}

// Answers that pass do not fail a record, however many of them there are within the delivery
// time-out.
func TestErrorsThatPassDoNotFailARecord(t *testing.T) {
	for _, e := range []*kerr.Error{kerr.LeaderNotAvailable, kerr.UnknownTopicOrPartition, kerr.NotLeaderForPartition, kerr.UnknownTopicID, kerr.KafkaStorageError} {
		for _, key := range []kmsg.Key{kmsg.Metadata, kmsg.Produce} {
			for _, known := range []bool{false, true} {
				for _, times := range []int{6, 20} {
					t.Run(fmt.Sprint(e.Message, "/", key.Name(), "/", known, "/", times), func(t *testing.T) {
						grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
							p := element(t, sets(k))
							if known {
								_, err := p.Send(t.Context(), envelope.New("out", "k0", "0"))
								require.NoError(t, err)
							}
							fault := k.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Topic: "out", Err: e, Count: times})
							recs := numbered("out", 5)
							if known {
								recs = recs[1:]
							}
							for _, r := range recs {
								_, err := p.Send(t.Context(), r)
								require.NoError(t, err)
							}
							fault.Remove()
							requireAll(t, k, "out", 5)
						}, kafkatest.Topics(1, "out"))
					})
				}
			}
		}
	}
}

func requireUnknownTopic(t *testing.T, err error, topic string) {
	t.Helper()
	require.ErrorIs(t, err, kerr.UnknownTopicOrPartition)
	var r *producer.RecordError
	require.ErrorAs(t, err, &r)
	require.Equal(t, topic, r.Topic)
	require.EqualValues(t, -1, r.Partition)
}
