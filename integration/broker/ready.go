package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

var errExited = errors.New("the process ended")

// awaitBrokers waits until the cluster at addrs names n live brokers in its metadata, the context
// ends, or exited is closed. Metadata is asked, not only ApiVersions: a KRaft node answers the
// latter before it may lead anything, and a topic created then is refused.
func awaitBrokers(ctx context.Context, addrs []string, n int, exited <-chan struct{}) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.DialTimeout(2*time.Second))
	if err != nil {
		return err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	last := errors.New("no answer yet")
	for {
		// A node that starts refuses connections at first; the client's own back-off between them
		// grows, ours does not.
		once, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		md, err := adm.BrokerMetadata(once)
		cancel()
		if err == nil && len(md.Brokers) >= n {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("%d of %d brokers are up", len(md.Brokers), n)
		}
		if ctx.Err() == nil || !errors.Is(err, context.Canceled) {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (last: %w)", context.Cause(ctx), last)
		case <-exited:
			return errExited
		case <-again.C:
		}
	}
}
