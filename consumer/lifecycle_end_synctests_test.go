//go:build synctests

package consumer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

var errWork = errors.New("the work has failed")

// The four outcomes of a drain: the stream ends well or with a fault, and so does what follows it,
// the last commit and leaving the group. A fault of the stream is told whatever follows, and one of
// the end is told besides.
func TestFourOutcomes(t *testing.T) {
	for _, fails := range []bool{false, true} {
		for _, gone := range []bool{false, true} {
			name := map[bool]string{false: "stream ok", true: "stream failed"}[fails] + ", " + map[bool]string{false: "end ok", true: "end failed"}[gone]
			t.Run(name, func(t *testing.T) {
				virtual(t, func(t *testing.T, k *kafkatest.Broker) {
					d := newDesk(t, k, 100)
					// it does not hear that the broker is gone
					c := d.clerk(settings.HeartbeatInterval(10 * time.Second))
					gate := newRelease(t)
					c.run(c.copies(func(ctx context.Context, m deskMessage) error {
						if m.Record.Offset() < 50 {
							return nil
						}
						if err := gate.wait(ctx); err != nil {
							return err
						}
						if fails {
							return errWork
						}
						return nil
					}, settings.MaxInterval(time.Hour), settings.MaxBatch(1_000_000)))
					d.await("fifty", func() bool { return len(c.offsetsOf(0)) > 50 || len(c.offsetsOf(1)) > 50 })
					if gone {
						k.Delay(time.Hour) // no broker answers any more
					}
					began := time.Now()
					result := make(chan error, 1)
					go func() { result <- c.ctl.Drain(t.Context()) }()
					<-time.After(time.Second)
					gate.now()
					err := <-result
					t.Logf("it took %v: %v", time.Since(began), err)
					require.Less(t, time.Since(began), 30*time.Second)
					if !fails && !gone {
						require.NoError(t, err)
					}
					require.Equal(t, fails, errors.Is(err, errWork), "%v", err)
					var commit *consumer.CommitError
					require.Equal(t, gone, errors.As(err, &commit), "%v", err)
					var place *stream.StageError
					if fails {
						require.ErrorAs(t, err, &place)
						require.Equal(t, "work", place.Stage)
						require.True(t, place.Located)
					}
					require.Equal(t, fails || gone, c.ctl.Err() != nil && !errors.Is(c.ctl.Err(), stream.ErrDrained), "%v", c.ctl.Err())
					if !gone {
						require.EqualValues(t, 51, max(d.committed(0), d.committed(1))+map[bool]int64{true: 1}[fails])
					}
				})
			})
		}
	}
}

// A drain finishes what is in flight, commits it, and leaves the group; a static member stays in
// it.
func TestDrainCommitsAndLeaves(t *testing.T) {
	eachKind(t, virtual, func(t *testing.T, k *kafkatest.Broker, kind groupKind) {
		d := newDesk(t, k, 1000)
		c := d.clerk(kind.opts(0)...)
		c.run(c.copies(func(ctx context.Context, _ deskMessage) error { return idle(ctx, 5*time.Millisecond) }, settings.MaxInterval(time.Hour), settings.MaxBatch(1_000_000)))
		d.await("some", func() bool { return len(c.offsetsOf(0))+len(c.offsetsOf(1)) > 100 })
		c.drain()
		require.ErrorIs(t, c.ctl.Err(), stream.ErrDrained)
		for p := range int32(2) {
			require.EqualValues(t, max(len(c.offsetsOf(p)), int(d.committed(p))), len(c.offsetsOf(p)))
			if n := len(c.offsetsOf(p)); n > 0 {
				require.EqualValues(t, n, d.committed(p))
			}
		}
		info := k.Cluster().GroupInfo(deskGroup)
		if kind.name == "static" {
			require.Len(t, info.Members, 1)
			return
		}
		require.Empty(t, info.Members)
		require.Equal(t, "Empty", info.State)
	})
}

// What a drain cannot finish in its time is stopped; what was finished is committed, and the group
// is left.
func TestDrainTimeout(t *testing.T) {
	virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		d := newDesk(t, k, 10)
		c := d.clerk()
		c.run(c.copies(func(ctx context.Context, m deskMessage) error {
			if m.Record.Offset() == 5 {
				<-ctx.Done()
				return context.Cause(ctx)
			}
			return nil
		}), stream.DrainTimeout(3*time.Second))
		d.await("the fifth", func() bool { return len(c.offsetsOf(0)) == 6 || len(c.offsetsOf(1)) == 6 })
		began := time.Now()
		require.ErrorIs(t, c.ctl.Drain(t.Context()), stream.ErrDrainTimeout)
		require.Less(t, time.Since(began), 4*time.Second)
		require.EqualValues(t, 5, max(d.committed(0), d.committed(1)))
		require.Empty(t, k.Cluster().GroupInfo(deskGroup).Members)
	})
}

// The context's end drains, and Run says so.
func TestContextEnd(t *testing.T) {
	virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		d := newDesk(t, k, 10)
		c := d.clerk()
		cause := errors.New("a signal")
		ctx, cancel := context.WithCancelCause(t.Context())
		result := make(chan error, 1)
		go func() { result <- c.copies(nil).Run(ctx) }()
		d.await("all to be read", func() bool { return len(c.offsetsOf(0)) == 10 && len(c.offsetsOf(1)) == 10 })
		cancel(cause)
		err := <-result
		require.ErrorIs(t, err, stream.ErrDrained)
		require.ErrorIs(t, err, cause)
		require.EqualValues(t, 10, d.committed(0))
		require.EqualValues(t, 10, d.committed(1))
	})
}

// A context that has ended before the run begins nothing.
func TestDrainBeforeTheStart(t *testing.T) {
	virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		d := newDesk(t, k, 10)
		c := d.clerk()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, c.copies(nil).Run(ctx), stream.ErrDrained)
		require.Empty(t, c.offsetsOf(0))
		_, err := c.handle.Assignment()
		require.ErrorIs(t, err, consumer.ErrNotRunning)
		c.run(c.copies(nil)) // the handle is free
		d.awaitCommitted(0, 10)
		c.ctl.Stop()
		c.ctl.Stop()
		<-c.ctl.Done()
		c.ctl.Stop()
		require.ErrorIs(t, c.ctl.Err(), stream.ErrStopped)
		require.ErrorIs(t, c.ctl.Drain(t.Context()), stream.ErrStopped)
	})
}

// A Stop gives up what is in flight; what was finished is committed, the group is left at once, and
// the next run goes on exactly there.
func TestStopAndRunAgain(t *testing.T) {
	eachKind(t, virtual, func(t *testing.T, k *kafkatest.Broker, kind groupKind) {
		d := newDesk(t, k, 10)
		c := d.clerk(kind.opts(0)...)
		gate := newRelease(t)
		graph := c.copies(func(ctx context.Context, m deskMessage) error {
			if m.Record.Offset() == 5 {
				return gate.wait(ctx)
			}
			return nil
		}, settings.MaxInterval(time.Hour))
		c.run(graph)
		d.await("the fifth", func() bool { return len(c.offsetsOf(0)) == 6 || len(c.offsetsOf(1)) == 6 })
		began := time.Now()
		c.ctl.Stop()
		<-c.ctl.Done()
		require.Less(t, time.Since(began), time.Second)
		require.ErrorIs(t, c.ctl.Err(), stream.ErrStopped)
		require.EqualValues(t, 5, max(d.committed(0), d.committed(1)))
		gate.now()
		c.run(graph) // the same blueprint, the same handle
		d.await("the rest", func() bool { return len(distinct(c.offsetsOf(0))) == 10 && len(distinct(c.offsetsOf(1))) == 10 })
		c.drain()
		d.awaitCommitted(0, 10)
		d.awaitCommitted(1, 10)
		require.Equal(t, 21, len(c.offsetsOf(0))+len(c.offsetsOf(1)), "but the one that was in work, nothing came twice")
	})
}

// A panic in a user's function ends the stream with its place, and the process lives; so does
// runtime.Goexit's. The handle is free behind it.
func TestUserFunctionPanics(t *testing.T) {
	virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		d := newDesk(t, k, 10)
		c := d.clerk()
		c.run(c.copies(func(_ context.Context, m deskMessage) error {
			if m.Record.Offset() == 5 {
				panic("boom")
			}
			return nil
		}))
		<-c.ctl.Done()
		var panicked *stream.PanicError
		require.ErrorAs(t, c.ctl.Err(), &panicked)
		require.Equal(t, "boom", panicked.Value)
		var place *stream.StageError
		require.ErrorAs(t, c.ctl.Err(), &place)
		require.Equal(t, deskTopic, place.Topic)
		require.EqualValues(t, 5, place.Offset)
		require.EqualValues(t, 5, d.committed(place.Partition))
		require.Empty(t, k.Cluster().GroupInfo(deskGroup).Members)
		c.run(c.copies(nil))
		d.awaitCommitted(0, 10)
		d.awaitCommitted(1, 10)
		c.drain()
	})
}

// A stop while no broker answers ends in its time, and says that the last offsets are not committed
// where they are its own still.
func TestStopWithoutABroker(t *testing.T) {
	for name, gone := range map[string]func(k *kafkatest.Broker){
		"killed": func(k *kafkatest.Broker) { k.Kill() },
		"silent": func(k *kafkatest.Broker) { k.Delay(time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			eachKind(t, virtual, func(t *testing.T, k *kafkatest.Broker, kind groupKind) {
				d := newDesk(t, k, 10)
				c := d.clerk(append(kind.opts(0), settings.HeartbeatInterval(10*time.Second))...)
				c.run(c.copies(nil, settings.MaxInterval(time.Hour)))
				d.await("all to be read", func() bool { return len(c.offsetsOf(0)) == 10 && len(c.offsetsOf(1)) == 10 })
				gone(k)
				<-time.After(time.Second)
				began := time.Now()
				c.ctl.Stop()
				<-c.ctl.Done()
				t.Logf("it took %v", time.Since(began))
				require.Less(t, time.Since(began), 15*time.Second)
				require.ErrorIs(t, c.ctl.Err(), stream.ErrStopped)
				if name == "silent" { // else the client has lost its membership already
					var commit *consumer.CommitError
					require.ErrorAs(t, c.ctl.Err(), &commit)
				}
			})
		})
	}
}
