package stream_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/stream"
)

// Who wants no more elements does not wait until the pause of one is over that is to be tried
// again.
func TestNobodyWaitsForAPauseInVain(t *testing.T) {
	const fails, works = 1, 0
	hourly := stream.OnError(stream.Retry(stream.Backoff{First: time.Hour, Max: time.Hour}))
	call := func(_ context.Context, i int) (int, error) {
		if i == fails {
			return 0, errors.New("away")
		}
		<-time.After(time.Second)
		return i, nil
	}
	for name, stage := range map[string]func(stream.Source[int]) stream.Source[int]{
		"ordered":   func(src stream.Source[int]) stream.Source[int] { return stream.MapAsync(src, 4, call, hourly) },
		"unordered": func(src stream.Source[int]) stream.Source[int] { return stream.MapAsyncUnordered(src, 4, call, hourly) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				got, err := stream.Collect(t.Context(), stage(stream.FromSlice([]int{works, fails})).Take(1))
				require.NoError(t, err)
				require.Equal(t, []int{works}, got)
				require.Less(t, time.Since(began), 2*time.Second)
			})
		})
	}
}
