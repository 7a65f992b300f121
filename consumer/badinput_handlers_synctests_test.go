//go:build synctests

package consumer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

func offsetOfMessage(m deskMessage) envelope.Committable { return m.Offset }

// asAny is errors.As without a static type.
func asAny[E error](err error, target *E) bool { return errors.As(err, target) }

// A handler that blocks is warned of while it does, and the group waits for it.
func TestHandlerThatBlocks(t *testing.T) {
	virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		d := newDesk(t, k, 10)
		c := &clerk{d: d}
		began := time.Now()
		c.handle = consumer.New(d.settings(settings.HandlerWarning(5*time.Second)), consumer.Topics(deskTopic), consumer.OnRebalance(consumer.Handler{
			Assigned: func(ctx context.Context, _ *consumer.Restricted, _ []consumer.TopicPartition) error {
				return idle(ctx, 20*time.Second)
			},
		}))
		c.run(c.copies(nil))
		<-time.After(6 * time.Second)
		require.Contains(t, d.log.String(), "the assigned handler is slow: the group waits for it")
		require.Empty(t, c.offsetsOf(0))
		d.awaitCommitted(0, 10)
		require.Greater(t, time.Since(began), 20*time.Second)
		require.Contains(t, d.log.String(), "the assigned handler was slow")
		c.drain()
	})
}

// A handler that fails or panics ends the stream with a typed error that names it. What was
// finished is committed all the same.
func TestHandlerThatFails(t *testing.T) {
	boom := errors.New("boom")
	for name, fail := range map[string]func() error{"error": func() error { return boom }, "panic": func() error { panic(boom) }} {
		for _, what := range []string{"assigned", "revoked", "stopped"} {
			t.Run(what+" "+name, func(t *testing.T) {
				virtual(t, func(t *testing.T, k *kafkatest.Broker) {
					d := newDesk(t, k, 10)
					c := &clerk{d: d}
					f := func(context.Context, *consumer.Restricted, []consumer.TopicPartition) error { return fail() }
					h := consumer.Handler{}
					switch what {
					case "assigned":
						h.Assigned = f
					case "revoked":
						h.Revoked = f
					case "stopped":
						h.Stopped = f
					}
					c.handle = consumer.New(d.settings(), consumer.Topics(deskTopic), consumer.OnRebalance(h))
					c.run(c.copies(nil, settings.MaxInterval(10*time.Millisecond)))
					if what != "assigned" {
						d.awaitCommitted(0, 10)
						d.awaitCommitted(1, 10)
					}
					var err error
					switch what {
					case "revoked":
						second := d.clerk()
						second.run(second.copies(nil))
						<-c.ctl.Done()
						err = c.ctl.Err()
						second.awaitPartitions(2)
						second.drain()
					case "stopped":
						err = c.ctl.Drain(t.Context())
					default:
						<-c.ctl.Done()
						err = c.ctl.Err()
					}
					var user *consumer.UserError
					require.ErrorAs(t, err, &user)
					require.Equal(t, what+" handler", user.What)
					require.NotEmpty(t, user.Partitions)
					if name == "error" {
						require.ErrorIs(t, err, boom)
					} else {
						var panicked *stream.PanicError
						require.ErrorAs(t, err, &panicked)
					}
				})
			})
		}
	}
}
