package stream_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/bubble"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/stream"
)

// starting is a source that begins with a function that can fail, as a consumer that makes its
// client.
func starting(begin func() error, notes *seen[string]) stream.Source[int] {
	return stream.Source[int](blueprint.NewSource(func(b *core.Builder, next func(core.At) core.Stage[int]) {
		b.Run.TryStart(begin)
		b.Run.OnStart(func() { notes.add("after") })
		b.Run.OnEnd(func(context.Context) error {
			notes.add("end")
			return nil
		})
		stream.ConnectForTest(stream.FromFunc(func(ctx context.Context, emit func(int) bool) error {
			notes.add("user code")
			emit(1)
			return nil
		}), b, next)
	}))
}

// What cannot start ends the run with its error before an island runs; what was opened is closed.
func TestStartFails(t *testing.T) {
	for name, begin := range map[string]func() error{
		"an error": func() error { return errBoom },
		"a panic":  func() error { panic(errBoom) },
	} {
		inBubble(t, name, func(t *testing.T) {
			var notes seen[string]
			g := starting(begin, &notes).To(stream.ForEach(func(context.Context, int) error {
				notes.add("element")
				return nil
			}))
			err := g.Run(t.Context())
			require.ErrorIs(t, err, errBoom)
			require.NotErrorIs(t, err, stream.ErrStopped)
			require.Equal(t, []string{"end"}, notes.all())
		})
		inBubble(t, name+", in the background", func(t *testing.T) {
			var notes seen[string]
			ctl := start(t, starting(begin, &notes).To(stream.Ignore[int]()))
			require.ErrorIs(t, wait(t, ctl), errBoom)
			require.ErrorIs(t, ctl.Drain(t.Context()), errBoom)
		})
		inBubble(t, name+", in a range loop", func(t *testing.T) {
			var notes seen[string]
			var errs []error
			for _, err := range starting(begin, &notes).All(t.Context()) {
				errs = append(errs, err)
			}
			require.Len(t, errs, 1)
			require.ErrorIs(t, errs[0], errBoom)
			require.Equal(t, []string{"end"}, notes.all())
		})
		inBubble(t, name+", in its turn", func(t *testing.T) {
			var notes seen[string]
			var got seen[int]
			err := stream.Concat(stream.FromSlice(ints(3)), starting(begin, &notes)).To(got.sink()).Run(t.Context())
			require.ErrorIs(t, err, errBoom)
			require.Equal(t, ints(3), got.all())
			require.Equal(t, []string{"end"}, notes.all())
		})
		inBubble(t, name+", in a child", func(t *testing.T) {
			var notes seen[string]
			subs := stream.FromSlice([]stream.Sub[int, int]{{Key: 1, Source: starting(begin, &notes)}})
			err := stream.Each(subs, 0, func(_ int, s stream.Source[int]) stream.Graph { return s.To(stream.Ignore[int]()) }).Run(t.Context())
			require.ErrorIs(t, err, errBoom)
			require.Equal(t, []string{"end"}, notes.all())
		})
	}
	inBubble(t, "not", func(t *testing.T) {
		var notes seen[string]
		require.NoError(t, starting(func() error { return nil }, &notes).To(stream.Ignore[int]()).Run(t.Context()))
		require.Equal(t, []string{"after", "user code", "end"}, notes.all())
	})
}

// A run that is stopped before its start starts nothing.
func TestStoppedBeforeTheStart(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		r := core.NewRun(t.Context(), core.Limits{Drain: 1, Close: 1})
		r.TryStart(func() error { panic("started") })
		r.Stop(errBoom)
		require.ErrorIs(t, r.Supervise(t.Context()), errBoom)
		require.NotErrorIs(t, r.Err(), core.ErrDrained)
	})
}
