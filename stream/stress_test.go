package stream_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/stream"
)

// startStop starts, stops and drains a graph over and over, from several goroutines, and checks
// each outcome.
func startStop(t *testing.T, goroutines, rounds int, graph func() stream.Graph) {
	t.Helper()
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range rounds {
				ctx, cancel := context.WithCancelCause(t.Context())
				ctl, err := graph().Start(ctx)
				if err != nil {
					t.Error(err)
					cancel(nil)
					return
				}
				how := rand.N(5)
				switch how {
				case 0:
					ctl.Stop()
				case 1:
					err = ctl.Drain(t.Context())
				case 2:
					cancel(errCause)
				case 3:
					wg.Go(ctl.Stop)
					_ = ctl.Drain(t.Context())
				case 4:
					wg.Go(func() { _ = ctl.Drain(t.Context()) })
					_ = ctl.Snapshot()
				}
				if err != nil {
					t.Errorf("a drain: %v", err)
				}
				select {
				case <-ctl.Done():
				case <-time.After(time.Minute):
					t.Errorf("the run does not end (%d): %+v", how, ctl.Snapshot())
				}
				cancel(nil)
				if err := ctl.Err(); err != nil && !errors.Is(err, stream.ErrDrained) && !errors.Is(err, stream.ErrStopped) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestStartStopStress(t *testing.T) {
	endless := stream.FromFunc(func(_ context.Context, emit func(int) bool) error {
		for i := 0; emit(i); i++ {
		}
		return nil
	})
	quiet := make(chan int)
	for name, graph := range map[string]func() stream.Graph{
		"fused":    func() stream.Graph { return maps(endless).To(stream.Ignore[int]()) },
		"quiet":    func() stream.Graph { return stream.FromChan(quiet).Async().Async().To(stream.Ignore[int]()) },
		"mapAsync": func() stream.Graph { return throughMapAsync(endless).To(stream.Ignore[int]()) },
		"everything": func() stream.Graph {
			src := stream.Merge(endless, stream.FromChan(quiet), stream.Concat(stream.FromSlice(ints(100)), stream.FromChan(quiet)))
			batches := stream.Batch(stream.MapAsyncUnordered(src, 4, failAt(-1)), 100, time.Hour)
			return batches.To(stream.Broadcast(stream.Ignore[[]int](), stream.NewFlow(func(s stream.Source[[]int]) stream.Source[[]int] { return s.Take(3) }).To(stream.Ignore[[]int]())))
		},
		"children": func() stream.Graph {
			live := stream.Map(stream.FromSlice(ints(3)), func(k int) stream.Sub[int, int] { return stream.Sub[int, int]{Key: k, Source: endless} })
			return stream.Each(live, 2, func(_ int, s stream.Source[int]) stream.Graph { return s.Async().To(stream.Ignore[int]()) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			startStop(t, 10, 50, graph)
		})
	}
}

// Nobody tells a quiet stream anything but its downstream's cancellation, at whatever moment that
// comes.
func TestCancellationOfAQuietStreamStress(t *testing.T) {
	for range 500 {
		ch := make(chan int, 1)
		ch <- 1
		require.NoError(t, stream.FromChan(ch).Async().Async().Take(1).To(stream.Ignore[int]()).Run(t.Context()))
	}
}
