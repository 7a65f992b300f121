package integration

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/vicuna-go/vicuna/integration/worker"
)

const (
	joinTick    = 20 * time.Millisecond
	joinTimeout = 30 * time.Second
)

// awaitPartitions waits until a worker that was just started has partitions, as the group's
// coordinator sees it, and says how long that has taken.
func (c *copying) awaitPartitions(w *worker.Worker, protocol worker.Protocol) time.Duration {
	c.t.Helper()
	began := time.Now()
	adm := kadm.NewClient(kafka.Client(c.t))
	ctx, cancel := context.WithTimeoutCause(c.ctx, joinTimeout, errTooLong)
	defer cancel()
	tick := time.NewTicker(joinTick)
	defer tick.Stop()
	for {
		n, err := assigned(ctx, adm, c.settings.Group, w.Name(), protocol)
		if err == nil && n > 0 {
			took := time.Since(began)
			c.t.Logf("%5.1f s: %s has %d partitions after %.2f s", time.Since(c.began).Seconds(), w.Name(), n, took.Seconds())
			return took
		}
		require.NoError(c.t, w.Check())
		select {
		case <-ctx.Done():
			require.NoError(c.t, context.Cause(ctx), "%s has no partitions (last answer: %v)", w.Name(), err)
		case <-tick.C:
		}
	}
}

// assigned is how many partitions the coordinator says that a member has.
func assigned(ctx context.Context, adm *kadm.Client, group, client string, protocol worker.Protocol) (n int, err error) {
	if protocol == worker.KIP848 {
		groups, err := adm.DescribeConsumerGroups(ctx, group)
		for _, m := range groups[group].Members {
			if m.ClientID == client {
				for _, ps := range m.Assignment {
					n += len(ps)
				}
			}
		}
		return n, err
	}
	groups, err := adm.DescribeGroups(ctx, group)
	for _, m := range groups[group].Members {
		if got, ok := m.Assigned.AsConsumer(); ok && m.ClientID == client {
			for _, t := range got.Topics {
				n += len(t.Partitions)
			}
		}
	}
	return n, err
}
