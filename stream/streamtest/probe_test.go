package streamtest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/bubble"
	"github.com/vicuna-go/vicuna/stream"
	st "github.com/vicuna-go/vicuna/stream/streamtest"
)

// probed starts a stage between two probes.
func probed[B any](t *testing.T, stage func(stream.Source[int]) stream.Source[B]) (*st.SourceProbe[int], *st.SinkProbe[B], *stream.Control) {
	in, out := st.NewSourceProbe[int](t), st.NewSinkProbe[B](t)
	ctl, err := stage(in.Source()).To(out.Sink()).Start(t.Context())
	require.NoError(t, err)
	return in, out, ctl
}

func through(s stream.Source[int]) stream.Source[int] { return s }

func TestProbes(t *testing.T) {
	bodies := map[string]func(t *testing.T){
		"element by element": func(t *testing.T) {
			in, out, ctl := probed(t, func(s stream.Source[int]) stream.Source[int] { return s.Filter(odd) })
			out.ExpectNone()
			in.Send(0, 2)
			out.ExpectNone()
			in.Offer(1)
			require.True(t, in.Blocked())
			require.Equal(t, 1, out.Next())
			require.False(t, in.Blocked())
			in.Offer(3, 5)
			out.Expect(3, 5)
			require.Equal(t, 5, in.Handled())
			in.Complete()
			out.ExpectComplete()
			<-ctl.Done()
			require.NoError(t, ctl.Err())
		},
		"the source fails": func(t *testing.T) {
			in, out, ctl := probed(t, through)
			in.Offer(1)
			out.Expect(1)
			boom := errors.New("boom")
			in.Fail(boom)
			<-ctl.Done()
			require.ErrorIs(t, ctl.Err(), boom)
		},
		"the sink fails": func(t *testing.T) {
			in, out, ctl := probed(t, through)
			in.Offer(1)
			boom := errors.New("boom")
			require.Equal(t, 1, out.FailNext(boom))
			<-ctl.Done()
			require.ErrorIs(t, ctl.Err(), boom)
		},
		"the sink cancels, idle": func(t *testing.T) {
			in, out, ctl := probed(t, func(s stream.Source[int]) stream.Source[int] { return s.Async() })
			in.Offer(1)
			out.Expect(1)
			out.Cancel()
			in.ExpectCancelled()
			out.ExpectComplete()
			<-ctl.Done()
			require.NoError(t, ctl.Err())
		},
		"the sink cancels, with an element": func(t *testing.T) {
			in, out, ctl := probed(t, through)
			in.Offer(1, 2)
			require.True(t, in.Blocked())
			out.Cancel()
			in.ExpectCancelled()
			<-ctl.Done()
			require.NoError(t, ctl.Err())
		},
		"a drain": func(t *testing.T) {
			in, out, ctl := probed(t, func(s stream.Source[int]) stream.Source[[]int] { return stream.Batch(s, 10, time.Hour) })
			in.Send(1, 2, 3)
			done := make(chan error)
			go func() { done <- ctl.Drain(t.Context()) }()
			require.Equal(t, []int{1, 2, 3}, out.Next())
			require.NoError(t, <-done)
		},
		"a hard stop": func(t *testing.T) {
			in, _, ctl := probed(t, through)
			in.Offer(1)
			require.True(t, in.Blocked())
			ctl.Stop()
			<-ctl.Done()
			require.ErrorIs(t, ctl.Err(), stream.ErrStopped)
		},
		"a second run": func(t *testing.T) {
			in, out := st.NewSourceProbe[int](t), st.NewSinkProbe[int](t)
			in.Complete()
			g := in.Source().To(out.Sink())
			require.NoError(t, g.Run(t.Context()))
			require.ErrorIs(t, g.Run(t.Context()), stream.ErrTaken)
		},
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			t.Run("in a bubble", func(t *testing.T) { bubble.Test(t, body) })
			t.Run("in real time", body)
		})
	}
}

func TestProbesTimedBatch(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		in, out, ctl := probed(t, func(s stream.Source[int]) stream.Source[[]int] { return stream.Batch(s, 10, time.Minute) })
		began := time.Now()
		in.Send(1)
		require.Equal(t, []int{1}, func() []int {
			for in.Send(); time.Since(began) < time.Minute-time.Second; {
				out.ExpectNone()
			}
			return out.Next()
		}())
		require.Equal(t, time.Minute, time.Since(began))
		ctl.Stop()
		<-ctl.Done()
	})
}
