// Package fault has the errors of a consumer's run. Package consumer gives them to its users under
// its own name; they stand here, because the rooms below it make them.
package fault

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/vicuna-go/vicuna/internal/kclient"
	"github.com/vicuna-go/vicuna/internal/topics"
)

var (
	// ErrRunning says that the handle has a run already, or that two of its sources stand in one
	// graph.
	ErrRunning = errors.New("vicuna: the consumer is running already: a handle has one run at a time")
	// ErrNotRunning says that the handle has no run that could be asked.
	ErrNotRunning = errors.New("vicuna: the consumer is not running")
	// ErrNoGroup says that a source which needs a group was built with settings that name none.
	ErrNoGroup = errors.New("vicuna: the consumer settings name no group (settings.Group), which this source needs")
	// ErrNoAssignment says that the consumer has no partitions now because it is still joining its
	// group, or was put out of it: how far it is behind is not known.
	ErrNoAssignment = errors.New("vicuna: the consumer has no partitions now: it is joining its group, or the group has taken them all")
	// ErrNotAssigned says that a partition is not assigned to this consumer now.
	ErrNotAssigned = errors.New("vicuna: the partition is not assigned to this consumer")
)

// NoCommitterError says that a source which commits stands in a graph without a committing stage:
// nothing of it would ever be committed. Its graph was not run. See
// consumer.CommitsElsewhere.
type NoCommitterError struct {
	// Source is the stage's name, with the partition where it is a sub-stream.
	Source string
	// Group is the one whose offsets would not be committed.
	Group string
}

func (e *NoCommitterError) Error() string {
	return fmt.Sprintf("vicuna: %s: no stage of the graph commits its offsets, and group %q would read the same records again after each restart: "+
		"end the stream in consumer.CommitterSink, consumer.CommitterFlow or producer.CommittableSink; where other code commits, "+
		"make the consumer with consumer.CommitsElsewhere; where nobody is to commit, read from a plain source", e.Source, e.Group)
}

// UnreachableError says that no broker could be reached, and where.
type UnreachableError = kclient.UnreachableError

// StartError says that a run could not begin to read within settings.StartTimeout. It wraps what
// stood in the way last: an [*UnreachableError], a [*FetchError] for a topic that is not there, a
// [*GroupError] for a group without a coordinator.
type StartError struct {
	// After is how long it was tried.
	After time.Duration
	Err   error
}

func (e *StartError) Error() string {
	return fmt.Sprintf("vicuna: the consumer could not begin within %v (settings.StartTimeout bounds that): %v", e.After.Round(time.Millisecond), e.Err)
}

func (e *StartError) Unwrap() error { return e.Err }

// DecodeError says that a record's key or value could not be deserialised. It wraps the serde's
// error.
type DecodeError struct {
	Topic     string
	Partition int32
	Offset    int64
	// Part is "key" or "value".
	Part string
	Err  error
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("vicuna: %s[%d]@%d: the %s cannot be decoded: %v", e.Topic, e.Partition, e.Offset, e.Part, e.Err)
}

func (e *DecodeError) Unwrap() error { return e.Err }

// FetchError says that a partition, or all of a topic's where Partition is -1, cannot be read: no
// permission, no such topic. It wraps the broker's error (package kerr).
type FetchError struct {
	Topic     string
	Partition int32
	Err       error
}

func (e *FetchError) Error() string {
	if e.Topic == "" {
		return fmt.Sprintf("vicuna: cannot read: %v", e.Err)
	}
	if e.Partition < 0 {
		return fmt.Sprintf("vicuna: cannot read %s: %v", e.Topic, e.Err)
	}
	return fmt.Sprintf("vicuna: cannot read %s[%d]: %v", e.Topic, e.Partition, e.Err)
}

func (e *FetchError) Unwrap() error { return e.Err }

// OutOfRangeError says that the offset to read is not there: records were deleted, or the topic was
// made anew or truncated. settings.OutOfRange chooses what happens instead of this error.
type OutOfRangeError struct {
	Topic     string
	Partition int32
	// Offset is the one that was asked for, -1 where it is not known.
	Offset int64
	Err    error
}

func (e *OutOfRangeError) Error() string {
	return fmt.Sprintf("vicuna: %s[%d]: offset %d is out of range (settings.OutOfRange says what to do): %v", e.Topic, e.Partition, e.Offset, e.Err)
}

func (e *OutOfRangeError) Unwrap() error { return e.Err }

// GroupError says that the group does not have this consumer as a member: no permission, an
// instance id that somebody else has taken, a protocol that the others do not speak. It wraps the
// broker's error.
type GroupError struct {
	Group string
	Err   error
}

func (e *GroupError) Error() string {
	s := fmt.Sprintf("vicuna: group %q: %v", e.Group, e.Err)
	switch {
	case Any(e.Err, kerr.InconsistentGroupProtocol, kerr.GroupIDNotFound):
		// A member of one sort is told that its protocol is not the group's, and one of the other
		// that there is no such group.
		s += "; its members use another protocol, it seems: settings.Protocol has to be ConsumerProtocol (KIP-848) for all members or for none, " +
			"and of the others Eager does not go together with CooperativeSticky"
	case Any(e.Err, kerr.UnsupportedVersion, kerr.UnsupportedAssignor):
		s += "; the brokers do not offer this protocol: choose another one with settings.Protocol"
	}
	return s
}

func (e *GroupError) Unwrap() error { return e.Err }

// CommitError says that offsets could not be committed. It wraps the broker's error, and how the
// time ended where there was not enough of it.
type CommitError struct {
	Group string
	// Topic, Partition and Offset are of the offset, where it is about one; else Topic is empty.
	Topic     string
	Partition int32
	Offset    int64
	// Partitions are those whose offsets were not committed, in order; none where that is not
	// known.
	Partitions []topics.Partition
	// Retriable: nothing was refused for good, and the commit was not made in the time that there
	// was for it. Where it is false, trying again would not help.
	Retriable bool
	Err       error
}

func (e *CommitError) Error() string {
	text := fmt.Sprintf("vicuna: group %q: the commit ", e.Group)
	switch {
	case e.Topic != "":
		text += fmt.Sprintf("of %s[%d]@%d ", e.Topic, e.Partition, e.Offset)
	case len(e.Partitions) > 0:
		text += "of " + topics.Summary(e.Partitions) + " "
	}
	return text + "failed: " + e.Err.Error()
}

func (e *CommitError) Unwrap() error { return e.Err }

// UserError says that a function of the user's that the consumer calls outside the stream failed or
// panicked: an assignment handler, a loader of offsets, a metadata function.
type UserError struct {
	// What names the function: "assigned handler", "offset loader", "metadata function".
	What string
	// Group and Source are the consumer's group and the stage name of its source; empty where a
	// stage has called the function, and says so.
	Group, Source string
	// Partitions are those that it was called for.
	Partitions []topics.Partition
	Err        error
}

func (e *UserError) Error() string {
	text := fmt.Sprintf("vicuna: the consumer's %s failed for %s", e.What, topics.Summary(e.Partitions))
	if e.Source != "" {
		text += fmt.Sprintf(" (source %s, group %q)", e.Source, e.Group)
	}
	return text + ": " + e.Err.Error()
}

func (e *UserError) Unwrap() error { return e.Err }

// notAssignedError is ErrNotAssigned with the partition.
type notAssignedError struct{ p topics.Partition }

// NotAssigned says that a partition is not assigned; it is an ErrNotAssigned.
func NotAssigned(p topics.Partition) error { return &notAssignedError{p} }

func (e *notAssignedError) Error() string { return ErrNotAssigned.Error() + ": " + e.p.String() }
func (e *notAssignedError) Unwrap() error { return ErrNotAssigned }

// Any reports whether err is one of those.
func Any(err error, of ...*kerr.Error) bool {
	for _, e := range of {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// UnknownTopic reports whether a broker does not know what it was asked for.
func UnknownTopic(err error) bool { return Any(err, kerr.UnknownTopicOrPartition, kerr.UnknownTopicID) }
