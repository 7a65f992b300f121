package docs_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/bubble"
	"github.com/vicuna-go/vicuna/stream"
)

// What a record that is tried again without limit holds up: in a stage with order all that comes
// after it, once the window is full, and without order nothing but its own place. With as many of
// them as there are workers nothing new begins, with order or without.
func TestWhatRetriesHoldUp(t *testing.T) {
	const n, window, all = 4, 1024, 5000
	type stage func(src stream.Source[int], f func(context.Context, int) (int, error)) stream.Source[int]
	for name, c := range map[string]struct {
		stage        stage
		fail         int
		calls, given int32
	}{
		"in place":              {stage: inPlace, fail: 1, calls: 1, given: 0},
		"with order":            {stage: ordered, fail: 1, calls: window, given: 0},
		"diverted":              {stage: diverting, fail: 1, calls: window, given: 0},
		"without order":         {stage: unordered, fail: 1, calls: all, given: all - 1},
		"without order, n fail": {stage: unordered, fail: n, calls: n, given: 0},
		"with order, n fail":    {stage: ordered, fail: n, calls: n, given: 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				var calls, given atomic.Int32
				elements := make(chan int, all)
				results := c.stage(stream.FromChan(elements), func(_ context.Context, i int) (int, error) {
					calls.Add(1)
					if i < c.fail {
						return 0, errors.New("not today")
					}
					return i, nil
				})
				run, err := results.To(stream.ForEach(func(context.Context, int) error {
					given.Add(1)
					return nil
				})).Start(t.Context())
				require.NoError(t, err)
				defer func() {
					run.Stop()
					<-run.Done()
				}()
				for i := range all {
					if i == c.fail {
						synctest.Wait() // those that fail are in their first pause
					}
					elements <- i
				}
				synctest.Wait()
				require.Equal(t, c.calls, calls.Load())
				require.Equal(t, c.given, given.Load())
			})
		})
	}
}

var forEver = stream.OnError(stream.Retry(stream.Backoff{First: time.Hour, Max: time.Hour}))

func inPlace(src stream.Source[int], f func(context.Context, int) (int, error)) stream.Source[int] {
	return stream.TryMap(src, f, forEver)
}

func ordered(src stream.Source[int], f func(context.Context, int) (int, error)) stream.Source[int] {
	return stream.MapAsync(src, 4, f, forEver)
}

func diverting(src stream.Source[int], f func(context.Context, int) (int, error)) stream.Source[int] {
	return stream.MapAsyncDivert(src, 4, f, stream.Ignore[stream.Failed[int]](), forEver)
}

func unordered(src stream.Source[int], f func(context.Context, int) (int, error)) stream.Source[int] {
	return stream.MapAsyncUnordered(src, 4, f, forEver)
}
