package stream_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/stream"
)

// A name after a diverting stage is that of the stage that calls the function: errors, snapshots
// and summaries speak of it.
func TestNameOfADivertingStage(t *testing.T) {
	f := func(_ context.Context, v int) (int, error) {
		if v%2 == 0 {
			return 0, errors.New("even")
		}
		return v, nil
	}
	dead, retry := stream.Ignore[stream.Failed[int]](), stream.OnError(stream.Retry(stream.Backoff{Attempts: 1}))
	src := stream.FromSlice(ints(10))
	for name, s := range map[string]stream.Source[int]{
		"TryMapDivert":           stream.TryMapDivert(src, f, dead),
		"TryMapDivert, retrying": stream.TryMapDivert(src, f, dead, retry),
		"MapAsyncDivert":         stream.MapAsyncDivert(src, 3, f, dead),
	} {
		t.Run(name, func(t *testing.T) {
			ctl, err := s.Named("tax").To(stream.Ignore[int]()).Start(t.Context())
			require.NoError(t, err)
			<-ctl.Done()
			require.NoError(t, ctl.Err())
			var names []string
			for _, st := range ctl.Snapshot().Stages {
				names = append(names, st.Name)
			}
			require.Contains(t, names, "tax")
			require.Contains(t, names, "divert")
			require.NotContains(t, names, "tryMap")
			require.NotContains(t, names, "mapAsync")
		})
	}
}
