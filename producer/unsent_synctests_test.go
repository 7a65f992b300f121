//go:build synctests

package producer_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// What could not be sent is said to be so, and why; and it is not sent later.
func TestWhatWasNotSentIsSaidToBeSo(t *testing.T) {
	wrong := settings.SASL(plain.Auth{User: "u", Pass: "wrong"}.AsMechanism())
	for name, c := range map[string]struct {
		topic  string
		broken func(t *testing.T, k *kafkatest.Broker) []settings.ProducerOption
		mend   func(t *testing.T, k *kafkatest.Broker)
		check  func(t *testing.T, k *kafkatest.Broker, err error)
	}{
		"no broker": {"out", func(t *testing.T, k *kafkatest.Broker) []settings.ProducerOption {
			k.Kill()
			return nil
		}, func(t *testing.T, k *kafkatest.Broker) { k.Restart(t) }, func(t *testing.T, k *kafkatest.Broker, err error) {
			var u *producer.UnreachableError
			require.ErrorAs(t, err, &u)
			require.Equal(t, k.Addrs(), u.Addrs)
		}},
		"a wrong password": {"out", func(t *testing.T, k *kafkatest.Broker) []settings.ProducerOption {
			k.Cluster().ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
				k.Cluster().KeepControl()
				resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
				resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
				return resp, nil, true
			})
			return []settings.ProducerOption{wrong}
		}, nil, func(t *testing.T, k *kafkatest.Broker, err error) {
			require.ErrorIs(t, err, kerr.SaslAuthenticationFailed)
			require.ErrorContains(t, err, k.Addrs()[0])
		}},
		"a login that ends the connection": {"out", func(t *testing.T, k *kafkatest.Broker) []settings.ProducerOption {
			return []settings.ProducerOption{wrong}
		}, nil, func(t *testing.T, k *kafkatest.Broker, err error) {
			var u *producer.UnreachableError
			require.ErrorAs(t, err, &u)
			require.ErrorContains(t, err, k.Addrs()[0])
		}},
		"an unknown topic": {"nowhere", nil, nil, func(t *testing.T, k *kafkatest.Broker, err error) {
			require.ErrorIs(t, err, kerr.UnknownTopicOrPartition)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var opts []kafkatest.Option
			opts = append(opts, kafkatest.Topics(1, "out"))
			if strings.Contains(name, "password") || strings.Contains(name, "login") {
				opts = append(opts, kafkatest.Cluster(kfake.EnableSASL(), kfake.Superuser("PLAIN", "u", "right")))
				opts = append(opts, kafkatest.Clients())
			}
			kafkatest.Virtual(t, func(t *testing.T, k *kafkatest.Broker) {
				var more []settings.ProducerOption
				if c.broken != nil {
					more = c.broken(t, k)
				}
				ps := sets(k, more...)
				p := element(t, ps)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				_, err := p.Send(ctx, envelope.New(c.topic, "k", "v"))
				require.ErrorIs(t, err, producer.ErrTakenBack)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.NotErrorIs(t, err, producer.ErrUnknownOutcome)
				require.NotContains(t, err.Error(), "may have been written")
				c.check(t, k, err)

				f, err := p.SendFuture(t.Context(), envelope.New(c.topic, "k", "v"))
				require.NoError(t, err)
				ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				for range 2 {
					_, err = f.Wait(ctx)
					require.ErrorIs(t, err, producer.ErrTakenBack)
					c.check(t, k, err)
				}

				ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				_, err = producer.SendEnvelope(ctx, p, envelope.Multi([]record{{Topic: c.topic, Value: "a"}, {Topic: c.topic, Value: "b"}}, 0))
				require.ErrorIs(t, err, producer.ErrTakenBack)

				told := make(chan error, 1)
				require.NoError(t, p.SendAsync(t.Context(), envelope.New(c.topic, "k", "async"), func(_ envelope.Metadata, err error) { told <- err }))
				if c.mend != nil {
					c.mend(t, k)
					require.NoError(t, <-told)
					require.Equal(t, []string{"async"}, values(kafkatest.ReadAll(t, k, c.topic)), "what is taken back is not sent")
					k.Kill()
				} else {
					err = <-told
					require.NotContains(t, err.Error(), "may have been written")
					c.check(t, k, err)
				}

				for stage, sink := range map[string]stream.Sink[*record]{"plain": producer.PlainSink(ps), "committable": committableSink(ps)} {
					ctl := grouptest.Start(t, stream.FromSlice(numbered(c.topic, 3)).To(sink))
					<-time.After(5 * time.Second)
					ctl.Stop()
					<-ctl.Done()
					o, ok := errors.AsType[*producer.OutcomeError](ctl.Err())
					require.True(t, ok, stage)
					require.EqualValues(t, 3, o.Unsent, "%s %v", stage, ctl.Err())
					require.ErrorContains(t, ctl.Err(), "0 with unknown outcome, 3 not sent")
					if name != "an unknown topic" {
						c.check(t, k, ctl.Err())
					}
				}
				if c.mend != nil {
					k.Restart(t)
				}
			}, opts...)
		})
	}
}

// A record that is in a request may be written, and that is said.
func TestWhatWasSentMayBeWritten(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		release := k.HoldAcks("out")
		defer release()
		p := element(t, sets(k))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := p.Send(ctx, envelope.New("out", "k", "v"))
		require.ErrorIs(t, err, producer.ErrUnknownOutcome)
		require.NotErrorIs(t, err, producer.ErrTakenBack)
		require.ErrorContains(t, err, "may have been written")
	}, kafkatest.Topics(1, "out"))
}

// A record that the client keeps for a partition whose broker is away is not said to have been
// written, and not said to be gone.
func TestWhatTheClientKeepsMayBeWrittenLater(t *testing.T) {
	kafkatest.Virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		p := element(t, sets(k))
		_, err := p.Send(t.Context(), envelope.New("out", "k", "before"))
		require.NoError(t, err)
		k.Kill()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err = p.Send(ctx, envelope.New("out", "k", "kept"))
		require.ErrorIs(t, err, producer.ErrUnknownOutcome)
		require.ErrorContains(t, err, "has not been sent")
		require.NotContains(t, err.Error(), "may have been written")
		var u *producer.UnreachableError
		require.ErrorAs(t, err, &u)
		k.Restart(t)
		require.NoError(t, p.Flush(t.Context()))
		require.Equal(t, []string{"before", "kept"}, values(kafkatest.ReadAll(t, k, "out")))
	}, kafkatest.Topics(1, "out"))
}
