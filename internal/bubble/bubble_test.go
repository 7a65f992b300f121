package bubble_test

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/bubble"
)

// Under the race detector this ends the process with a SIGSEGV when two timers of a bubble fire at
// once.
func TestTimersFire(t *testing.T) {
	const each = 200
	before := runtime.GOMAXPROCS(0)
	for range 30 {
		var fired int
		bubble.Test(t, func(*testing.T) {
			var all sync.WaitGroup
			var mu sync.Mutex
			for range 8 {
				all.Go(func() {
					timer := time.NewTimer(0)
					for range each {
						timer.Reset(0)
						select {
						case <-timer.C: // fires here
						default:
						}
						time.AfterFunc(0, func() { mu.Lock(); fired++; mu.Unlock() })
						<-time.After(time.Nanosecond)
					}
				})
			}
			all.Wait()
		})
		require.Equal(t, 8*each, fired)
	}
	require.Equal(t, before, runtime.GOMAXPROCS(0))
}
