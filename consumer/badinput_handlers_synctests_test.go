//go:build synctests

package consumer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// asAny is errors.As without a static type.
func asAny[E error](err error, target *E) bool { return errors.As(err, target) }

// A handler that blocks is warned of while it does, and the group waits for it.
func TestHandlerThatBlocks(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 10)
		w.Write(1, 0, 10)
		began := time.Now()
		c := w.MemberWith([]settings.ConsumerOption{settings.HandlerWarning(5 * time.Second)}, consumer.OnRebalance(consumer.Handler{
			Assigned: func(ctx context.Context, _ *consumer.Restricted, _ []consumer.TopicPartition) error {
				return grouptest.Idle(ctx, 20*time.Second)
			},
		}))
		c.Start(c.Works(nil))
		<-time.After(6 * time.Second)
		require.Contains(t, w.Log.String(), "the assigned handler is slow: the group waits for it")
		require.Empty(t, c.Took.Offsets(0))
		w.AwaitCommitted(0, 10)
		require.Greater(t, time.Since(began), 20*time.Second)
		require.Contains(t, w.Log.String(), "the assigned handler was slow")
		for _, line := range w.Log.Lines("the assigned handler") {
			require.Contains(t, line, `group=readers`)
			require.Contains(t, line, `source=`)
			require.Contains(t, line, `partitions="in[0 1]"`)
		}
		c.Drain()
	})
}

// A handler that fails or panics ends the stream with a typed error that names it. What was
// finished is committed all the same.
func TestHandlerThatFails(t *testing.T) {
	boom := errors.New("boom")
	for name, fail := range map[string]func() error{"error": func() error { return boom }, "panic": func() error { panic(boom) }} {
		for _, what := range []string{"assigned", "revoked", "stopped"} {
			t.Run(what+" "+name, func(t *testing.T) {
				grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
					w.Write(0, 0, 10)
					w.Write(1, 0, 10)
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
					c := w.MemberWith(nil, consumer.OnRebalance(h))
					c.Start(c.Works(nil, settings.MaxInterval(10*time.Millisecond)))
					if what != "assigned" {
						w.AwaitCommitted(0, 10)
						w.AwaitCommitted(1, 10)
					}
					var err error
					switch what {
					case "revoked":
						second := w.Member()
						second.Start(second.Works(nil))
						<-c.Run.Done()
						err = c.Run.Err()
						second.AwaitPartitions(2)
						second.Drain()
					case "stopped":
						err = c.Run.Drain(t.Context())
					default:
						<-c.Run.Done()
						err = c.Run.Err()
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
