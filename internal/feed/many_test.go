package feed_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

// Assigning, revoking, losing and ending tens of thousands of partitions costs about the same for
// each.
func TestManyPartitions(t *testing.T) {
	const many = 50_000
	for name, end := range map[string]func(f *feed.Feed[int], ps []topics.Partition) int{
		"revoked": func(f *feed.Feed[int], ps []topics.Partition) int { return len(f.Revoke(time.Minute, ps...).Wait()) },
		"lost":    func(f *feed.Feed[int], ps []topics.Partition) int { return len(f.Lose(ps...)) },
		"ended": func(f *feed.Feed[int], _ []topics.Partition) int {
			at, over := context.WithCancel(t.Context())
			over()
			return len(f.Finish(at))
		},
	} {
		t.Run(name, func(t *testing.T) {
			run, f, in := bench(feed.Options{})
			ps := make([]topics.Partition, many)
			for i := range ps {
				ps[i] = topics.Partition{Topic: "t", Partition: int32(i)}
			}
			began := time.Now()
			for i, p := range ps {
				a, err := f.Assign(p, tracker.Mark{})
				require.NoError(t, err)
				require.True(t, a.Deliver(consecutive([]int{i}, 0)))
			}
			assigned := time.Since(began)
			for range many / 2 { // the others are still queued
				c, status := in.Next()
				require.Equal(t, core.Ready, status)
				require.True(t, run.Ledger.Claim(c.First))
				run.Ledger.End(c.First, true)
				in.Taken(1)
			}
			began = time.Now()
			require.Equal(t, many, end(f, ps))
			ended := time.Since(began)
			t.Logf("assigned in %v, %s in %v", assigned, name, ended)
			// Both take some tenths of a second: neither is a square of their number.
			require.Less(t, assigned, 30*time.Second)
			require.Less(t, ended, 10*assigned+time.Second)
			run.Stop(core.ErrStopped)
		})
	}
}
