package worker

import (
	"fmt"
	"time"

	"github.com/vicuna-go/vicuna/settings"
)

// Settings say what a worker does: it consumes the input topic as a member of the group, makes of
// each record as many outputs as it asks for, output i into topic number i of the output topics
// (beginning again after the last), and commits.
type Settings struct {
	Addrs   []string
	Group   string
	Input   string
	Outputs []string
	// Protocol is how the group divides the partitions.
	Protocol Protocol
	// Instance is the worker's name among the workers: its client id, and its instance id where the
	// membership is static.
	Instance string
	// Recycle lets the worker use its elements again.
	Recycle bool
	// Rate is how many records it takes in a second; 0 means as many as it can. What a service
	// calls admits so many calls in a second, and lets the others wait.
	Rate float64
	// Parallel is how many records are worked on at the same time; 0 means 16.
	Parallel int
	// Work is the longest that the work on a record takes, at random; 0 means none.
	Work time.Duration
	// CommitEvery is the committer's longest interval; 0 means the default.
	CommitEvery time.Duration
	// Linger is how long records wait in the producer for more; 0 means the default. What is
	// committed too early shows the better the longer they wait.
	Linger time.Duration
	// Session is the session time-out, for the classic protocols; those of KIP-848 are the broker's
	// to set. 0 means the default.
	Session time.Duration
	// CommitBeforeProduce makes the worker wrong: offsets are committed while their records wait in
	// a queue to be produced. It is there to be caught.
	CommitBeforeProduce bool

	// Service makes the worker a service instead of a copy: its calls take the place of Work.
	Service *Service

	// Attempt is the name of this run of the worker. Start sets it.
	Attempt string
}

// Protocol is one of the ways in which a group divides its partitions.
type Protocol string

// The protocols. Static is cooperative with an instance id.
const (
	Cooperative Protocol = "cooperative"
	Eager       Protocol = "eager"
	Static      Protocol = "static"
	KIP848      Protocol = "KIP-848"
)

func (p Protocol) setting() (settings.GroupProtocol, error) {
	switch p {
	case Cooperative, Static:
		return settings.CooperativeSticky, nil
	case Eager:
		return settings.Eager, nil
	case KIP848:
		return settings.ConsumerProtocol, nil
	}
	return 0, fmt.Errorf("no such protocol: %q", p)
}
