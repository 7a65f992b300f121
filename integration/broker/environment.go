package broker

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// environment takes the broker that KAFKA_BOOTSTRAP_SERVERS names.
type environment struct{}

const bootstrapVariable = "KAFKA_BOOTSTRAP_SERVERS"

// reachTimeout is how long a broker that should run already may take to answer.
const reachTimeout = 15 * time.Second

func (environment) Name() string { return bootstrapVariable }

func (environment) Start(ctx context.Context) (*Broker, error) {
	var addrs []string
	for addr := range strings.SplitSeq(os.Getenv(bootstrapVariable), ",") {
		if addr = strings.TrimSpace(addr); addr != "" {
			addrs = append(addrs, addr)
		}
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("%w: it is not set", ErrAbsent)
	}
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	if err := awaitBrokers(ctx, addrs, 1, nil); err != nil {
		return nil, fmt.Errorf("%v does not answer: %w", addrs, err)
	}
	return &Broker{Origin: "the broker of " + bootstrapVariable, Addrs: addrs, Tools: toolsIfAny()}, nil
}
