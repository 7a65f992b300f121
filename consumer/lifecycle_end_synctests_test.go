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

var errWork = errors.New("the work has failed")

// The four outcomes of a drain: the stream ends well or with a fault, and so does what follows it,
// the last commit and leaving the group. A fault of the stream is told whatever follows, and one of
// the end is told besides.
func TestFourOutcomes(t *testing.T) {
	for _, fails := range []bool{false, true} {
		for _, gone := range []bool{false, true} {
			name := map[bool]string{false: "stream ok", true: "stream failed"}[fails] + ", " + map[bool]string{false: "end ok", true: "end failed"}[gone]
			t.Run(name, func(t *testing.T) {
				grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
					w.Write(0, 0, 100)
					w.Write(1, 0, 100)
					// it does not hear that the broker is gone
					c := w.Member(settings.HeartbeatInterval(10 * time.Second))
					gate := grouptest.NewGate(t)
					c.Start(c.Works(func(ctx context.Context, m *strMessage) error {
						if m.Record.Offset() < 50 {
							return nil
						}
						if err := gate.Wait(ctx); err != nil {
							return err
						}
						if fails {
							return errWork
						}
						return nil
					}, settings.MaxInterval(time.Hour), settings.MaxBatch(1_000_000)))
					w.Until("fifty", func() bool { return len(c.Took.Offsets(0)) > 50 || len(c.Took.Offsets(1)) > 50 })
					if gone {
						w.Delay(time.Hour) // no broker answers any more
					}
					began := time.Now()
					result := make(chan error, 1)
					go func() { result <- c.Run.Drain(t.Context()) }()
					<-time.After(time.Second)
					gate.Open()
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
					require.Equal(t, fails || gone, c.Run.Err() != nil && !errors.Is(c.Run.Err(), stream.ErrDrained), "%v", c.Run.Err())
					if !gone {
						require.EqualValues(t, 51, max(w.Committed(0), w.Committed(1))+map[bool]int64{true: 1}[fails])
					}
				})
			})
		}
	}
}

// A drain finishes what is in flight, commits it, and leaves the group; a static member stays in
// it.
func TestDrainCommitsAndLeaves(t *testing.T) {
	grouptest.Each(t, grouptest.Protocols, 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
		w.Write(0, 0, 1000)
		w.Write(1, 0, 1000)
		c := w.Member(kind.Member(0)...)
		c.Start(c.Works(func(ctx context.Context, _ *strMessage) error { return grouptest.Idle(ctx, 5*time.Millisecond) }, settings.MaxInterval(time.Hour), settings.MaxBatch(1_000_000)))
		w.Until("some", func() bool { return len(c.Took.Offsets(0))+len(c.Took.Offsets(1)) > 100 })
		c.Drain()
		require.ErrorIs(t, c.Run.Err(), stream.ErrDrained)
		for p := range int32(2) {
			require.Len(t, c.Took.Offsets(p), max(len(c.Took.Offsets(p)), int(w.Committed(p))))
			if n := len(c.Took.Offsets(p)); n > 0 {
				require.EqualValues(t, n, w.Committed(p))
			}
		}
		info := w.Cluster().GroupInfo(w.Group)
		if kind.Name == "static" {
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
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 10)
		w.Write(1, 0, 10)
		c := w.Member()
		c.Start(c.Works(func(ctx context.Context, m *strMessage) error {
			if m.Record.Offset() == 5 {
				<-ctx.Done()
				return context.Cause(ctx)
			}
			return nil
		}), stream.DrainTimeout(3*time.Second))
		w.Until("the fifth", func() bool { return len(c.Took.Offsets(0)) == 6 || len(c.Took.Offsets(1)) == 6 })
		began := time.Now()
		require.ErrorIs(t, c.Run.Drain(t.Context()), stream.ErrDrainTimeout)
		require.Less(t, time.Since(began), 4*time.Second)
		require.EqualValues(t, 5, max(w.Committed(0), w.Committed(1)))
		require.Empty(t, w.Cluster().GroupInfo(w.Group).Members)
	})
}

// The context's end drains, and Run says so.
func TestContextEnd(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 10)
		w.Write(1, 0, 10)
		c := w.Member()
		cause := errors.New("a signal")
		ctx, cancel := context.WithCancelCause(t.Context())
		result := make(chan error, 1)
		go func() { result <- c.Works(nil).Run(ctx) }()
		w.Until("all to be read", func() bool { return len(c.Took.Offsets(0)) == 10 && len(c.Took.Offsets(1)) == 10 })
		cancel(cause)
		err := <-result
		require.ErrorIs(t, err, stream.ErrDrained)
		require.ErrorIs(t, err, cause)
		require.EqualValues(t, 10, w.Committed(0))
		require.EqualValues(t, 10, w.Committed(1))
	})
}

// A context that has ended before the run begins nothing.
func TestDrainBeforeTheStart(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 10)
		w.Write(1, 0, 10)
		c := w.Member()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, c.Works(nil).Run(ctx), stream.ErrDrained)
		require.Empty(t, c.Took.Offsets(0))
		_, err := c.Handle.Assignment()
		require.ErrorIs(t, err, consumer.ErrNotRunning)
		c.Start(c.Works(nil)) // the handle is free
		w.AwaitCommitted(0, 10)
		c.Run.Stop()
		c.Stop()
		c.Run.Stop()
		require.ErrorIs(t, c.Run.Err(), stream.ErrStopped)
		require.ErrorIs(t, c.Run.Drain(t.Context()), stream.ErrStopped)
	})
}

// A Stop gives up what is in flight; what was finished is committed, the group is left at once, and
// the next run goes on exactly there.
func TestStopAndRunAgain(t *testing.T) {
	grouptest.Each(t, grouptest.Protocols, 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
		w.Write(0, 0, 10)
		w.Write(1, 0, 10)
		c := w.Member(kind.Member(0)...)
		gate := grouptest.NewGate(t)
		graph := c.Works(func(ctx context.Context, m *strMessage) error {
			if m.Record.Offset() == 5 {
				return gate.Wait(ctx)
			}
			return nil
		}, settings.MaxInterval(time.Hour))
		c.Start(graph)
		w.Until("the fifth", func() bool { return len(c.Took.Offsets(0)) == 6 || len(c.Took.Offsets(1)) == 6 })
		began := time.Now()
		c.Stop()
		require.Less(t, time.Since(began), time.Second)
		require.ErrorIs(t, c.Run.Err(), stream.ErrStopped)
		require.EqualValues(t, 5, max(w.Committed(0), w.Committed(1)))
		gate.Open()
		c.Start(graph) // the same blueprint, the same handle
		w.Until("the rest", func() bool { return len(distinct(c.Took.Offsets(0))) == 10 && len(distinct(c.Took.Offsets(1))) == 10 })
		c.Drain()
		w.AwaitCommitted(0, 10)
		w.AwaitCommitted(1, 10)
		require.Equal(t, 21, len(c.Took.Offsets(0))+len(c.Took.Offsets(1)), "but the one that was in work, nothing came twice")
	})
}

// A panic in a user's function ends the stream with its place, and the process lives; so does
// runtime.Goexit's. The handle is free after it.
func TestUserFunctionPanics(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 10)
		w.Write(1, 0, 10)
		c := w.Member()
		c.Start(c.Works(func(_ context.Context, m *strMessage) error {
			if m.Record.Offset() == 5 {
				panic("boom")
			}
			return nil
		}))
		<-c.Run.Done()
		var panicked *stream.PanicError
		require.ErrorAs(t, c.Run.Err(), &panicked)
		require.Equal(t, "boom", panicked.Value)
		var place *stream.StageError
		require.ErrorAs(t, c.Run.Err(), &place)
		require.Equal(t, w.Topic, place.Topic)
		require.EqualValues(t, 5, place.Offset)
		require.EqualValues(t, 5, w.Committed(place.Partition))
		require.Empty(t, w.Cluster().GroupInfo(w.Group).Members)
		c.Start(c.Works(nil))
		w.AwaitCommitted(0, 10)
		w.AwaitCommitted(1, 10)
		c.Drain()
	})
}

// A stop while no broker answers ends in its time, and says that the last offsets are not committed
// where they are its own still.
func TestStopWithoutABroker(t *testing.T) {
	for name, gone := range map[string]func(w *grouptest.World){
		"killed": func(w *grouptest.World) { w.Kill() },
		"silent": func(w *grouptest.World) { w.Delay(time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.Each(t, grouptest.Protocols, 2, func(t *testing.T, w *grouptest.World, kind grouptest.Protocol) {
				w.Write(0, 0, 10)
				w.Write(1, 0, 10)
				c := w.Member(append(kind.Member(0), settings.HeartbeatInterval(10*time.Second))...)
				c.Start(c.Works(nil, settings.MaxInterval(time.Hour)))
				w.Until("all to be read", func() bool { return len(c.Took.Offsets(0)) == 10 && len(c.Took.Offsets(1)) == 10 })
				gone(w)
				<-time.After(time.Second)
				began := time.Now()
				c.Stop()
				t.Logf("it took %v", time.Since(began))
				require.Less(t, time.Since(began), 15*time.Second)
				require.ErrorIs(t, c.Run.Err(), stream.ErrStopped)
				if name == "silent" { // else the client has lost its membership already
					var commit *consumer.CommitError
					require.ErrorAs(t, c.Run.Err(), &commit)
				}
			})
		})
	}
}
