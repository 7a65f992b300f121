package stream_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/stream"
	"github.com/vicuna-go/vicuna/stream/streamtest"
)

var errInner = errors.New("the inner run's fault")

// A function runs another graph and returns its error: the error's place is that of the function's
// own stage and record, and the inner place is in it.
func TestPlaceOfAnInnerRun(t *testing.T) {
	inner := stream.FromSlice([]int{1}).To(stream.ForEach(func(context.Context, int) error { return errInner }).Named("inner"))
	call := func(ctx context.Context, v int) (int, error) { return v, inner.Run(ctx) }
	for name, outer := range map[string]func(stream.Source[int]) stream.Source[int]{
		"in place":     func(s stream.Source[int]) stream.Source[int] { return stream.TryMap(s, call).Named("outer") },
		"with workers": func(s stream.Source[int]) stream.Source[int] { return stream.MapAsync(s, 2, call).Named("outer") },
		"a branch further": func(s stream.Source[int]) stream.Source[int] {
			return stream.TryMap(s, call).Named("outer").Divert(func(int) bool { return false }, stream.Ignore[int]())
		},
	} {
		t.Run(name, func(t *testing.T) {
			src := streamtest.NewTracked[int](1)
			src.Append(0, 7)
			src.End()
			err := outer(src.Values()).To(stream.Ignore[int]()).Run(t.Context())
			require.ErrorIs(t, err, errInner)
			var placed, within *stream.StageError
			require.ErrorAs(t, err, &placed)
			require.Equal(t, "outer", placed.Stage)
			require.True(t, placed.Located)
			require.Zero(t, placed.Offset)
			require.ErrorAs(t, placed.Err, &within)
			require.Equal(t, "inner", within.Stage)
			require.False(t, within.Located)
		})
	}
}
