package membership

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Coordinator knows whether the client hears from its group's coordinator. The client takes
// partitions away for a coordinator that is gone as for one that has put it out, and does not say
// which it was. So this is a hook of the client.
//
// The coordinator is heard from with each response to a request of the group. It is silent from
// then on if a connection has failed since, or such a request has. Which broker the coordinator is
// is not known, so the failure may be of another one; but a member that lives speaks with its
// coordinator at each heartbeat, and what that has answered ends the silence.
type Coordinator struct {
	mu     sync.Mutex
	heard  time.Time // the last response; zero: none yet. Written by the client's goroutines
	failed bool      // a connection or a request, since then; written by the client's goroutines
}

var (
	_ kgo.HookBrokerConnect = (*Coordinator)(nil)
	_ kgo.HookBrokerWrite   = (*Coordinator)(nil)
	_ kgo.HookBrokerRead    = (*Coordinator)(nil)
)

// OnBrokerConnect implements kgo.HookBrokerConnect.
func (c *Coordinator) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err != nil {
		c.fail(err)
	}
}

// OnBrokerWrite implements kgo.HookBrokerWrite.
func (c *Coordinator) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if err != nil && ofGroup(key) {
		c.fail(err)
	}
}

// OnBrokerRead implements kgo.HookBrokerRead.
func (c *Coordinator) OnBrokerRead(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	switch {
	case !ofGroup(key):
	case err != nil:
		c.fail(err)
	default:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.heard, c.failed = time.Now(), false
	}
}

func ofGroup(key int16) bool {
	switch kmsg.Key(key) {
	case kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat, kmsg.ConsumerGroupHeartbeat:
		return true
	}
	return false
}

func (c *Coordinator) fail(err error) {
	if errors.Is(err, context.Canceled) { // the client itself has given up the request
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = true
}

// Silent reports whether the coordinator cannot be reached, and for how long nothing was heard of
// it; 0 where nothing ever was.
func (c *Coordinator) Silent() (since time.Duration, silent bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.failed || c.heard.IsZero() {
		return 0, c.failed
	}
	return time.Since(c.heard), true
}
