package settings

import (
	"math"
	"slices"
	"time"
)

// The defaults of a consumer, in one place.
const (
	defaultBudgetBytes      = 128 << 20
	defaultBudgetRecords    = 1_000_000
	defaultRevokeTimeout    = 20 * time.Second
	defaultRebalanceTimeout = time.Minute
	defaultSessionTimeout   = 45 * time.Second
	defaultHeartbeat        = 3 * time.Second
	defaultFetchMaxWait     = 250 * time.Millisecond
	defaultFetchMinBytes    = 1
	defaultCommitTimeout    = 15 * time.Second
	defaultHandlerWarning   = 5 * time.Second
	defaultStuckAfter       = time.Minute
	defaultStartTimeout     = 30 * time.Second
	defaultTrackLimit       = 262_144
)

// How much one fetch may bring: an eighth of the budget, within these bounds. A
// response lies whole in memory until its last record is done, and there is one for
// each broker.
const (
	fetchShare  = 8
	minFetch    = 1 << 20
	maxFetch    = 50 << 20
	minUnpacked = 16 << 20
	maxUnpacked = 1 << 30
)

type consumerConfig struct {
	clientConfig

	group            string
	instanceID       string
	protocol         GroupProtocol
	isolation        IsolationLevel
	start            StartPosition
	outOfRange       OutOfRangePolicy
	budgetBytes      int
	budgetRecords    int
	revokeTimeout    time.Duration
	rebalanceTimeout time.Duration
	sessionTimeout   time.Duration
	heartbeat        time.Duration
	fetchMaxWait     time.Duration
	fetchMinBytes    int
	commitTimeout    time.Duration
	handlerWarning   time.Duration
	stuckAfter       time.Duration
	startTimeout     time.Duration
	trackLimit       int
	undecodable      UndecodablePolicy
}

func newConsumerConfig() *consumerConfig {
	return &consumerConfig{
		clientConfig:     newClientConfig(),
		budgetBytes:      defaultBudgetBytes,
		budgetRecords:    defaultBudgetRecords,
		revokeTimeout:    defaultRevokeTimeout,
		rebalanceTimeout: defaultRebalanceTimeout,
		sessionTimeout:   defaultSessionTimeout,
		heartbeat:        defaultHeartbeat,
		fetchMaxWait:     defaultFetchMaxWait,
		fetchMinBytes:    defaultFetchMinBytes,
		commitTimeout:    defaultCommitTimeout,
		handlerWarning:   defaultHandlerWarning,
		stuckAfter:       defaultStuckAfter,
		startTimeout:     defaultStartTimeout,
		trackLimit:       defaultTrackLimit,
	}
}

// apply returns a changed copy of c; c itself stays as it is.
func (c *consumerConfig) apply(opts []ConsumerOption) *consumerConfig {
	n := *c
	n.raw = slices.Clone(c.raw)
	earlier := n.begin()
	for i, o := range opts {
		if o == nil {
			n.nilOption(i, len(opts))
			continue
		}
		o.applyConsumer(&n)
	}
	n.keepFaults(earlier)
	return &n
}

// revoke is the revoke time-out as it is used: where it was not given it shrinks
// with what it must stay below.
func (c *consumerConfig) revoke() time.Duration {
	if c.has("RevokeTimeout") {
		return c.revokeTimeout
	}
	return min(c.revokeTimeout, c.rebalanceTimeout/3)
}

// beat is the same for the heartbeat interval.
func (c *consumerConfig) beat() time.Duration {
	if c.has("HeartbeatInterval") {
		return c.heartbeat
	}
	return min(c.heartbeat, c.sessionTimeout/3)
}

func (c *consumerConfig) fetchMaxBytes() int {
	return min(max(c.budgetBytes/fetchShare, minFetch), maxFetch)
}

func (c *consumerConfig) unpackedMaxBytes() int {
	return min(max(c.budgetBytes, minUnpacked), maxUnpacked, math.MaxInt32)
}
