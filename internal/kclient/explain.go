package kclient

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/partition"
)

// DeliveryTimeoutError says that a record had no outcome within its delivery time-out, or was
// failed together with one that had none (Neighbour). It may have been written all the same: a
// broker that took it and whose answer was lost cannot be told from one that never saw it.
//
// errors.Is finds [kgo.ErrRecordTimeout] in it; errors.As finds an
// [*UnreachableError] where no broker could be reached.
type DeliveryTimeoutError struct {
	Topic   string
	Timeout time.Duration
	// Neighbour is whether the record itself still had time: franz-go fails
	// everything that is buffered for a partition when the oldest record's
	// time is over.
	Neighbour bool
	// Err is what stood in the way last, nil where that is not known.
	Err error
}

// Error names the topic and the time-out.
func (e *DeliveryTimeoutError) Error() string {
	s := fmt.Sprintf("no outcome for a record to topic %q within the delivery time-out of %v", e.Topic, e.Timeout)
	if e.Neighbour {
		s = fmt.Sprintf("a record to topic %q, which still had time, failed with an older one of its partition that had no outcome within the delivery time-out of %v", e.Topic, e.Timeout)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause and what franz-go calls this.
func (e *DeliveryTimeoutError) Unwrap() []error {
	if e.Err == nil {
		return []error{kgo.ErrRecordTimeout}
	}
	return []error{kgo.ErrRecordTimeout, e.Err}
}

// PartitionError says that no partition could be chosen for a record: it names
// one that the topic does not have, or the partitioner chose such a one or
// panicked.
type PartitionError struct {
	Topic string
	// Partition is the one that the record named, -1 where the choice was the
	// partitioner's.
	Partition int32
	// Err is the client's error or a *partition.PanicError.
	Err error
}

// Error names topic and partition.
func (e *PartitionError) Error() string {
	if e.Partition < 0 {
		return fmt.Sprintf("no partition of topic %q chosen: %v", e.Topic, e.Err)
	}
	return fmt.Sprintf("topic %q has no partition %d: %v", e.Topic, e.Partition, e.Err)
}

// Unwrap returns the client's error or the panic.
func (e *PartitionError) Unwrap() error { return e.Err }

// badChoice begins franz-go's error for an index out of range, which has no type.
// A test holds it to that.
const badChoice = "invalid record partitioning choice"

// BadChoice returns whether a record failed because it names a partition that the
// client does not know.
func BadChoice(err error) bool { return strings.HasPrefix(err.Error(), badChoice) }

// Explain returns the error of a record's promise with a type where franz-go has
// none: [*DeliveryTimeoutError], [*PartitionError], else err as it is. It is to be
// called in the promise, before r is reused; named is the partition that the
// record named, -1 for none (r's own has been overwritten), and timeout the
// delivery time-out. It does not wait.
func Explain(cl *kgo.Client, r *kgo.Record, named int32, timeout time.Duration, err error) error {
	if err == nil {
		return nil
	}
	if p := partition.Panic(r); p != nil {
		return &PartitionError{Topic: r.Topic, Partition: -1, Err: p}
	}
	if BadChoice(err) {
		return &PartitionError{Topic: r.Topic, Partition: named, Err: err}
	}
	if _, definite := errors.AsType[*kerr.Error](err); definite && !errors.Is(err, kgo.ErrRecordTimeout) {
		return err // the broker's word counts, however late it came
	}
	neighbour := hasTime(r.Context) && (err == context.DeadlineExceeded || Network(err) && cl.Context().Err() == nil && unlimited(cl))
	if !neighbour && !expired(r.Context) && !errors.Is(err, kgo.ErrRecordTimeout) {
		return err
	}
	cause := err
	if errors.Is(err, context.DeadlineExceeded) || err == kgo.ErrRecordTimeout {
		cause = nil // that is what the type says
	}
	if u := Unreachable(cl); u != nil {
		cause = u
	} else if cause == nil {
		cause = Obstacle(cl, r.Topic)
	}
	return &DeliveryTimeoutError{Topic: r.Topic, Timeout: timeout, Neighbour: neighbour, Err: cause}
}

// Network returns whether err says that a broker could not be reached, or that the connection to
// it broke, and not what a broker has answered. franz-go tries again for such an error, as long as
// the oldest record of the partition has time. When that is over it fails them all with err, and
// not with the context's.
func Network(err error) bool {
	dial, ok := errors.AsType[*net.OpError](err)
	return ok && dial.Op == "dial" && !dial.Timeout() || kgo.IsRetryableBrokerErr(err)
}

// unlimited returns whether only time ends the retries, as it does unless a client
// that was brought along says otherwise.
func unlimited(cl *kgo.Client) bool {
	n, ok := cl.OptValue(kgo.RecordRetries).(int64)
	return ok && n == math.MaxInt64
}
